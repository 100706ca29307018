"""Jobs under way when the server comes back with an older state: they go on from what is there."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.older_state import Snapshot
from tests.worker.harness import Client
from worker.contract import keys
from worker.contract.events import row_entry
from worker.contract.jobs import JobSpec, JobStatus
from worker.jobs.ledger import Answer, Batch, Ledger, OpenedJob, SettleAnswer
from worker.orders.claims import CANCELED, SUCCEEDED, Claim

ROWS = [row_entry(0, y, bytes(5)) for y in range(6)]


def claimed(client: Client, spec: JobSpec, token: str = "token") -> Claim:
    opened = Ledger(client.redis).open(spec.id, token)
    assert isinstance(opened, OpenedJob)
    return opened.claim


def append(client: Client, claim: Claim, first: int, rows: Sequence[str]) -> Any:
    (answer,) = Ledger(client.redis).append([Batch(claim, first, tuple(rows))])
    return answer


def drawn_on(client: Client, spec: JobSpec) -> None:
    """Another claim goes on from what is there, to the end."""
    claim = claimed(client, spec, "next")
    assert (
        append(client, claim, claim.last_seq + 1, ROWS[claim.last_seq :]) is Answer.OK
    )
    assert (
        Ledger(client.redis).settle(spec.id, claim.token, SUCCEEDED)
        is SettleAnswer.ENDED
    )
    assert client.wait_end(spec.id).rows_done == 6
    assert [row.y for row in client.rows(spec.id)] == list(range(6))


def test_rows_are_refused_when_those_before_are_gone(client: Client) -> None:
    """No row is accepted over a gap, and none is missing in the end: the next claim draws what is not there."""
    spec = client.submit()
    claim = claimed(client, spec)
    append(client, claim, 1, ROWS[:2])
    older = Snapshot(client.redis)
    append(client, claim, 3, ROWS[2:4])
    older.restore()
    assert append(client, claim, 5, ROWS[4:]) is Answer.BEHIND
    drawn_on(client, spec)


def test_job_does_not_succeed_when_its_last_rows_are_gone(client: Client) -> None:
    """All were confirmed, and then forgotten: settling is refused as a whole."""
    spec = client.submit()
    claim = claimed(client, spec)
    append(client, claim, 1, ROWS[:4])
    older = Snapshot(client.redis)
    append(client, claim, 5, ROWS[4:])
    older.restore()
    assert (
        Ledger(client.redis).settle(spec.id, claim.token, SUCCEEDED)
        is SettleAnswer.BEHIND
    )
    assert client.status(spec.id) is JobStatus.RUNNING
    drawn_on(client, spec)


@pytest.mark.parametrize("lost", [keys.events("job-1"), None])
def test_job_is_drawn_from_nothing_when_its_stream_is_gone(
    client: Client, lost: str | None
) -> None:
    """A server that evicts may drop the rows and keep the record."""
    spec = client.submit()
    claim = claimed(client, spec)
    append(client, claim, 1, ROWS[:2])
    append(client, claim, 3, ROWS[2:3])
    if lost is None:
        client.redis.xdel(keys.events(spec.id), "2-0")
    else:
        client.redis.delete(lost)
    assert append(client, claim, 4, ROWS[3:]) is Answer.BEHIND
    assert claimed(client, spec).last_seq == 0
    drawn_on(client, spec)


def test_job_ends_once_when_its_record_is_older_than_its_stream(client: Client) -> None:
    """Nothing is written half: the last event comes behind whatever the stream holds."""
    spec = client.submit()
    claim = claimed(client, spec)
    append(client, claim, 1, ROWS[:3])
    client.redis.hset(keys.job(spec.id), "last_seq", 1)
    assert (
        Ledger(client.redis).settle(spec.id, claim.token, CANCELED)
        is SettleAnswer.ENDED
    )
    assert client.wait_end(spec.id).status is JobStatus.CANCELED


def test_rows_that_are_sent_again_with_others_are_added_once(client: Client) -> None:
    """The answer was lost and more were drawn meanwhile: what is new becomes one entry, with its last row's number."""
    spec = client.submit()
    claim = claimed(client, spec)
    append(client, claim, 1, ROWS[:1])
    append(client, claim, 2, ROWS[1:3])
    assert append(client, claim, 2, ROWS[1:6]) is Answer.OK
    assert append(client, claim, 2, ROWS[1:6]) is Answer.OK
    ids = [entry_id for entry_id, _ in client.redis.xrange(keys.events(spec.id))]
    assert ids == [b"1-0", b"3-0", b"6-0"]
    assert [row.y for row in client.rows(spec.id)] == list(range(6))
    assert claimed(client, spec, "next").last_seq == 6


def test_rows_of_an_earlier_worker_are_gone_on_from(client: Client) -> None:
    """It wrote an entry for each, and no number of entries."""
    spec = client.submit()
    claim = claimed(client, spec)
    for y in range(3):
        append(client, claim, y + 1, ROWS[y : y + 1])
    client.redis.hdel(keys.job(spec.id), "entries")
    assert claimed(client, spec, "other").last_seq == 3
    drawn_on(client, spec)
