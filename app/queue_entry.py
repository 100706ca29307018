"""The RQ half of an accepted job, written by RQ's own code but sent by ours.

RQ speaks to Redis synchronously. Its commands only depend on the job, so they are recorded on a pipeline that is never
executed and then travel in the same transaction as our own: no thread, no second round trip, nothing half done.
"""

from typing import Any

from redis import Redis
from rq import Queue, Retry

from worker.contract import keys

_RESULT_TTL_S = 3600
_FAILURE_TTL_S = 24 * 3600
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


def enqueue_commands(job_id: str) -> list[tuple[Any, ...]]:
    """What RQ sends to enqueue this job: each entry is one Redis command with its arguments."""
    queue = _queue()
    recorder = queue.connection.pipeline(transaction=True)
    queue.enqueue_call(
        keys.JOB_FUNCTION,
        args=[job_id],
        timeout=-1,
        result_ttl=_RESULT_TTL_S,
        failure_ttl=_FAILURE_TTL_S,
        description="draw",  # the default repeats the call with its arguments in logs
        job_id=job_id,
        retry=Retry(max=keys.CRASHES_FORGIVEN),
        pipeline=recorder,
    )
    return [arguments for arguments, _ in recorder.command_stack]
