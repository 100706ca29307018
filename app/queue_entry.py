"""The RQ half of an accepted job, written by RQ's own code but sent by ours.

RQ speaks to Redis synchronously. Its commands only depend on the job, so they are recorded on a pipeline that is never
executed and then run in the script that accepts the job: no thread, no second round trip, nothing half done.
"""

import json
import zlib
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any

from redis import Redis
from rq import Queue, Retry

from worker.contract import keys

_ID = "PLACE-OF-THE-ID"
_TIME = "PLACE-OF-THE-TIME"
_SERVER = (7, 2, 0)
"""The command set that RQ may use; saves asking the server."""


QUEUES_KEY: str = Queue.redis_queues_keys
"""Set of the keys of all queues that were ever used."""


def _queue(name: str) -> Queue:
    queue = Queue(
        name, connection=Redis(), serializer="json"
    )  # the client never connects
    queue.redis_server_version = _SERVER
    return queue


@lru_cache
def queue_key(name: str = keys.QUEUE) -> str:
    """Key of the list of the ids that wait, next one first."""
    return _queue(name).key


def rq_job_key(job_id: str) -> str:
    return f"{keys.RQ_JOB}{job_id}"


def enqueue_commands(job_id: str, queue: str = keys.QUEUE) -> str:
    """The commands by which RQ enqueues this job: a JSON list of Redis commands, each a list of words."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # as RQ writes times
    return _template(queue).replace(_ID, job_id).replace(_TIME, now)


@lru_cache
def _template(name: str) -> str:
    """The commands with placeholders for the id and the times. Recorded once, because RQ takes a millisecond for it."""
    queue = _queue(name)
    recorder = queue.connection.pipeline(transaction=True)
    queue.enqueue_call(
        keys.JOB_FUNCTION,
        args=[_ID],
        timeout=-1,
        result_ttl=keys.RQ_KEPT_S,
        failure_ttl=keys.RQ_KEPT_S,
        description="draw",  # the default repeats the call with its arguments in logs
        job_id=_ID,
        retry=Retry(max=keys.CRASHES_FORGIVEN),
        pipeline=recorder,
    )
    return json.dumps(
        [
            _with_times([_text(word) for word in arguments])
            for arguments, _ in recorder.command_stack
        ]
    )


def _text(word: Any) -> Any:
    """A word of a command as text: RQ compresses the call, and reads it uncompressed as well."""
    if isinstance(word, Enum):
        return word.value
    return zlib.decompress(word).decode() if isinstance(word, bytes) else word


def _with_times(command: list[Any]) -> list[Any]:
    """The command with a placeholder for each time of creation."""
    before = ["", *command[:-1]]
    times = ("created_at", "enqueued_at")
    return [
        _TIME if name in times else word
        for name, word in zip(before, command, strict=True)
    ]
