"""The Redis commands by which RQ enqueues a job, made by RQ's own code.

RQ talks to Redis synchronously. Its commands depend only on the job, so they are
recorded on a pipeline that is never executed. The script that accepts the job executes
them: in no thread, without a second round trip, and all or none.
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
"""Version of Redis whose commands RQ may use, so that it need not ask the server."""

QUEUES_KEY: str = Queue.redis_queues_keys
"""Key of the set of the keys of all queues that were ever used."""


def _queue(name: str) -> Queue:
    """Return RQ's queue of this name. Its client never connects."""
    queue = Queue(name, connection=Redis(), serializer="json")
    queue.redis_server_version = _SERVER
    return queue


@lru_cache
def queue_key(name: str = keys.QUEUE) -> str:
    """Return the key of a queue's list of waiting job ids, the next one first.

    name: of the queue.
    """
    return _queue(name).key


def rq_job_key(job_id: str) -> str:
    """Return the key of RQ's record of a job."""
    return f"{keys.RQ_JOB}{job_id}"


def enqueue_commands(job_id: str, queue: str = keys.QUEUE) -> str:
    """Return the commands by which RQ enqueues a job now: a JSON list of Redis
    commands, each a list of words.

    queue: name of the queue.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # as RQ writes times
    return _template(queue).replace(_ID, job_id).replace(_TIME, now)


@lru_cache
def _template(name: str) -> str:
    """Return the commands of a queue, with placeholders for the id and the times."""
    queue = _queue(name)
    # Recorded once for each queue, because RQ takes a millisecond for that.
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
    commands = []
    for arguments, _ in recorder.command_stack:
        words = [_text(word) for word in arguments]
        commands.append(_with_times(words))
    return json.dumps(commands)


def _text(word: Any) -> Any:
    """Return a word of a command as text. RQ compresses the job's call, but reads it
    uncompressed as well."""
    if isinstance(word, Enum):
        return word.value
    return zlib.decompress(word).decode() if isinstance(word, bytes) else word


def _with_times(command: list[Any]) -> list[Any]:
    """Return a command with placeholders for the times of creation and of queueing."""
    before = ["", *command[:-1]]
    times = ("created_at", "enqueued_at")
    return [
        _TIME if name in times else word
        for name, word in zip(before, command, strict=True)
    ]
