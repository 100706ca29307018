"""A job's life under faults: a sample of it, and the bugs that were sown to see that they are found."""

import pytest

from tests.life import page
from tests.life.bugs import BUGS
from tests.life.faults import Fault
from tests.life.machine import live, replay
from tests.life.world import BrokenPromiseError

LIVES = 30
CAUGHT = page.read()


def test_promises_hold_whatever_goes_wrong(redis_url: str) -> None:
    """A fault at any command breaks none. `python -m tests.life --steps 10000` looks longer."""
    live(redis_url, LIVES, random=False)


def test_cancel_leaves_the_entry_of_a_job_that_waits_again(redis_url: str) -> None:
    """The server comes back with an older state between the two commands of a cancel, and the job goes on."""
    older = {"fault": Fault.OLDER.value, "after": 0}
    submit = ("submit", {"kind": "sample", "key": False})
    replay(
        redis_url,
        [submit, ("save", {}), ("cancel", {"job": 0, **older}), ("settle_down", {})],
    )


@pytest.mark.parametrize("bug", BUGS)
def test_bug_is_caught(bug: str, redis_url: str) -> None:
    """The moves that found it find it again, by the promise that it breaks; without the bug they break none."""
    replay(redis_url, CAUGHT[bug].steps)
    with BUGS[bug](), pytest.raises(BrokenPromiseError) as broken:
        replay(redis_url, CAUGHT[bug].steps)
    assert str(broken.value) == CAUGHT[bug].promise


def test_page_tells_what_was_caught() -> None:
    """The table of docs/internals/life.md is what the command wrote."""
    assert page.table(CAUGHT) in page.PAGE.read_text()
