"""A worker that takes its name while Redis blinks."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.proxy import losing_replies_to
from worker.engine_link import RefusedError
from worker.main import once_redis_answers
from worker.process.redis_clients import connect
from worker.queue.rq_worker import NameTakenError, RqWorker, TakenJob


class OneTurn:
    """Duties of a worker that finds nothing to do and stops."""

    def __init__(self) -> None:
        self.registered_as: list[str] = []

    def on_registered(self) -> None:
        self.registered_as.append("ready")

    def take(self) -> TakenJob | None:
        return None

    def begin(self, taken: TakenJob) -> None: ...

    def stop(self) -> None: ...


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """RQ takes them over."""
    before = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    "command", [b"SETNAME", b"birth"], ids=["its first command", "the registration"]
)
def test_worker_starts_when_a_reply_is_lost(
    redis_url: str, tmp_path: Path, command: bytes
) -> None:
    """It asks again, and knows its own record when the first try got through."""
    path, duties = str(tmp_path / "proxy"), OneTurn()
    with losing_replies_to(
        command, path, redis_url.removeprefix("unix://").partition("?")[0], times=1
    ):
        url = f"unix://{path}?db=0"
        worker = once_redis_answers(
            lambda: RqWorker("pixelrnn", connect(url, 1.0), "w1")
        )
        worker.carry_out(duties)
    assert duties.registered_as == ["ready"]


def test_name_is_refused_when_another_worker_has_it(redis_url: str) -> None:
    """Only its own record of an earlier try is taken for its own."""
    other = RqWorker("pixelrnn", Redis.from_url(redis_url), "w1")
    other.register_birth()
    with pytest.raises(NameTakenError):
        RqWorker("pixelrnn", Redis.from_url(redis_url), "w1").carry_out(OneTurn())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("db=0", "db=99"), "no database of this number"),
        (("unix://", "unix://nobody:wrong@"), "user and password"),
    ],
)
def test_worker_says_why_when_redis_does_not_let_it_in(
    redis_url: str, change: tuple[str, str], why: str
) -> None:
    """It does not wait for ever for what no waiting mends."""
    with pytest.raises(RefusedError, match=why):
        once_redis_answers(connect(redis_url.replace(*change), 1.0).ping)
