"""RQ's job, with everything taken out by which a queue entry could make a worker run something else.

RQ imports functions, callbacks and webhooks by the names that stand in Redis; the JSON serializer does not change that.
"""

from collections.abc import Callable, Mapping
from typing import Any

from redis.client import Pipeline
from rq.exceptions import DeserializationError
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer

from worker.contract import keys
from worker.orders.faults import JobRefusedError, function_refused, malformed_entry

SERIALIZER = JSONSerializer

_READ = frozenset(
    b"data origin created_at enqueued_at started_at status worker_name number_of_retries retries_left".split()
)
"""Fields of an entry that are looked at."""


class DrawJob(Job):
    """A queue entry that may only name `keys.JOB_FUNCTION`, and carries no code of its own."""

    owner = ""
    """The client whose job it is."""

    def check_allowed(self) -> None:
        """JobRefusedError unless the entry is exactly `draw(<its own id>)`."""
        try:
            name, instance, args, kwargs = (
                self.func_name,
                self.instance,
                self.args,
                self.kwargs,
            )
        except DeserializationError as error:
            raise JobRefusedError(
                malformed_entry("Its data is not the JSON of a function call.")
            ) from error
        if name != keys.JOB_FUNCTION or instance is not None:
            raise JobRefusedError(function_refused(name))
        if args != [self.id] or kwargs:  # of any type: it is read from JSON
            raise JobRefusedError(
                malformed_entry("Its only argument must be its own id.")
            )

    def restore(self, raw_data: Mapping[Any, Any]) -> None:
        """Read what a job of ours may say. The rest could name code, another queue, or a lifetime that Redis
        refuses."""
        super().restore(
            {name: value for name, value in raw_data.items() if name in _READ}
        )
        self.result_ttl = self.failure_ttl = keys.RQ_KEPT_S

    @property
    def deaths(self) -> int:
        """How many workers have died with it, and nothing new of it was drawn in between: each took a retry off."""
        return (
            0
            if self.retries_left is None
            else max(0, keys.CRASHES_FORGIVEN - self.retries_left)
        )

    @property
    def func(self) -> Callable[..., Any]:
        """The allowed function, whatever the entry names."""
        from worker.tasks import draw

        self.check_allowed()
        return draw

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None

    def send_webhooks(self, status: object, *, exc_string: str | None = None) -> None:
        """Nothing is sent: RQ's webhooks follow any address, from inside the worker."""

    def retry(self, queue: Queue, pipeline: Pipeline) -> None:
        """Interrupted jobs go first: a client is watching rows it has already begun to see."""
        self.enqueue_at_front_on_retry = True
        self.retry_intervals = None
        super().retry(queue, pipeline)


def queue_of(name: str, redis: Any) -> Queue:
    """The RQ queue as both the worker and the recovery see it."""
    return Queue(name, connection=redis, job_class=DrawJob, serializer=SERIALIZER)
