"""Queue entries of any shape, as whoever can write to Redis may leave them: none of them ends a worker."""

import json
import zlib
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.worker.harness import Client
from tests.worker.queue.intake import Intake, waiting
from worker.contract import keys
from worker.contract.jobs import JobStatus

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=6,
)
CALLS = st.tuples(
    st.just(keys.JOB_FUNCTION) | ANYTHING,
    st.none() | ANYTHING,
    ANYTHING,
    st.just({}) | ANYTHING,
).map(list)
DATA = st.one_of(
    st.binary(max_size=20),
    CALLS.map(lambda call: json.dumps(call).encode()),
    CALLS.map(lambda call: zlib.compress(json.dumps(call).encode())),
    ANYTHING.map(lambda value: json.dumps(value).encode()),
)
WORDS = st.sampled_from(
    [
        b"-1",
        b"0",
        b"5",
        b"1e9",
        b"9" * 30,
        b"now",
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"null",
        b"started",
    ]
)
FIELD_NAMES = [
    "status",
    "origin",
    "created_at",
    "enqueued_at",
    "started_at",
    "retries_left",
    "number_of_retries",
    "timeout",
    "result_ttl",
    "failure_ttl",
    "ttl",
    "meta",
    "webhooks",
    "dependency_ids",
    "retry_intervals",
    "repeats_left",
    "repeat_intervals",
    "rate_limit_key",
    "success_callback_name",
    "stopped_callback_timeout",
]
FIELDS = st.dictionaries(
    st.sampled_from(FIELD_NAMES),
    WORDS,
    max_size=3,
)
NAMES = st.sampled_from(
    [b"a b", b"a:b", b"\xff\xfe", b"", b"x" * 5000, "\N{SNOWMAN}".encode()]
)


def spoiled(client: Client, data: bytes | None, fields: dict[str, bytes]) -> str:
    """The id of a job that was accepted, and whose entry was changed."""
    spec = client.submit()
    changes: Any = fields if data is None else {**fields, "data": data}
    if changes:
        client.redis.hset(f"{keys.RQ_JOB}{spec.id}", mapping=changes)
    return spec.id


@given(data=st.none() | DATA, fields=FIELDS)
@example(data=f'["{keys.JOB_FUNCTION}", null, 5, {{}}]'.encode(), fields={})
@example(data=f'["{keys.JOB_FUNCTION}", null, null, {{}}]'.encode(), fields={})
@example(data=None, fields={"result_ttl": b"9" * 30})
@example(data=None, fields={"origin": b"another"})
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_entry_of_any_shape_ends_its_job_and_no_worker(
    client: Client, data: bytes | None, fields: Any
) -> None:
    """Or it is begun as it should be, where it makes sense; the next job is begun in any case, and nothing is left."""
    client.redis.flushall()
    bad, good = spoiled(client, data, fields), client.submit().id
    intake = Intake(client)
    while intake.next() != good:
        pass
    begun = {execution.job_id: execution.id for execution in intake.held.all()}
    assert good in begun
    if bad in begun:
        intake.succeed(bad, begun[bad])
    else:
        assert client.record(bad).status is JobStatus.FAILED
    assert waiting(client) == []
    assert client.leftovers()["intermediate"] == 0


@given(name=NAMES, record=st.none() | FIELDS, is_job=st.booleans())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_entry_that_is_no_id_is_dropped(
    client: Client, name: bytes, record: Any, is_job: bool
) -> None:
    """Whatever stands under its name."""
    client.redis.flushall()
    if record is not None:
        client.redis.hset(keys.RQ_JOB.encode() + name, mapping={"data": b"x", **record})
    if is_job:
        client.redis.set(keys.JOB.encode() + name, "no hash")
    client.redis.rpush(client.queue.key, name)
    good = client.submit().id
    assert Intake(client).next() == good
    assert client.leftovers()["intermediate"] == (record is None)
