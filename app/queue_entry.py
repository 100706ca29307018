"""The RQ half of an accepted job, written by RQ's own code but sent by ours.

RQ speaks to Redis synchronously. Its commands only depend on the job, so they are recorded on a pipeline that is never
executed and then run in the script that accepts the job: no thread, no second round trip, nothing half done.
"""

import zlib
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any

from redis import Redis
from rq import Queue, Retry

from worker.contract import keys

_RESULT_TTL_S = 3600
_FAILURE_TTL_S = 24 * 3600
_ID = "PLACE-OF-THE-ID"
_TIME = "PLACE-OF-THE-TIME"
_SERVER = (7, 2, 0)
"""The command set that RQ may use; saves asking the server."""


def _queue() -> Queue:
    queue = Queue(keys.QUEUE, connection=Redis(), serializer="json")  # the client never connects
    queue.redis_server_version = _SERVER
    return queue


QUEUE_KEY: str = _queue().key
"""List of the ids that wait, next one first."""


def rq_job_key(job_id: str) -> str:
    return f"rq:job:{job_id}"


def enqueue_commands(job_id: str, high: bool = False) -> list[list[Any]]:
    """What RQ sends to enqueue this job: each entry is one Redis command with its arguments. High ones go first."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # as RQ writes times
    return [[_filled(word, job_id, now) for word in command] for command in _template(high)]


@lru_cache
def _template(high: bool) -> list[list[Any]]:
    """Recorded once: RQ takes a millisecond for it. Ids and times are places that `_filled` fills."""
    queue = _queue()
    recorder = queue.connection.pipeline(transaction=True)
    queue.enqueue_call(
        keys.JOB_FUNCTION,
        args=[_ID],
        timeout=-1,
        result_ttl=_RESULT_TTL_S,
        failure_ttl=_FAILURE_TTL_S,
        description="draw",  # the default repeats the call with its arguments in logs
        job_id=_ID,
        at_front=high,
        retry=Retry(max=keys.CRASHES_FORGIVEN),
        pipeline=recorder,
    )
    commands = [[_plain(word) for word in arguments] for arguments, _ in recorder.command_stack]
    for command in commands:
        for i, word in enumerate(command[:-1]):
            if word in ("created_at", "enqueued_at"):
                command[i + 1] = _TIME
    return commands


def _plain(word: Any) -> Any:
    """A word of a command as Redis gets it; the call itself unpacked, so that the id in it can be replaced."""
    if isinstance(word, Enum):
        return word.value
    return _Packed(zlib.decompress(word)) if isinstance(word, bytes) else word


class _Packed(bytes):
    """What RQ compresses."""


def _filled(word: Any, job_id: str, now: str) -> Any:
    if isinstance(word, _Packed):
        return zlib.compress(word.replace(_ID.encode(), job_id.encode()))
    if isinstance(word, str):
        return now if word == _TIME else word.replace(_ID, job_id)
    return word
