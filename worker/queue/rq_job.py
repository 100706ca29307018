"""RQ's job, without everything with which a queue entry could make a worker run other
code.

RQ imports functions, callbacks and webhooks by names that are stored in Redis; the JSON
serializer does not change that.
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
    (
        b"data",
        b"origin",
        b"created_at",
        b"enqueued_at",
        b"started_at",
        b"status",
        b"worker_name",
        b"number_of_retries",
        b"retries_left",
    )
)
"""Fields of an entry that are read."""


class DrawJob(Job):
    """A queue entry of RQ that may only name `keys.JOB_FUNCTION` and contains no
    code."""

    owner = ""
    """The client whose job it is; set when the entry is taken."""

    def check_allowed(self) -> None:
        """Raise JobRefusedError unless the entry is exactly `draw(<its own id>)`."""
        try:
            # RQ parses the entry's data when the first of these is read.
            name = self.func_name
            instance = self.instance
            args = self.args
            kwargs = self.kwargs
        except DeserializationError as error:
            raise JobRefusedError(
                malformed_entry("Its data is not the JSON of a function call.")
            ) from error
        if name != keys.JOB_FUNCTION or instance is not None:
            raise JobRefusedError(function_refused(name))
        if args != [self.id] or kwargs:  # parsed from JSON, so of any type
            raise JobRefusedError(
                malformed_entry("Its only argument must be its own id.")
            )

    def restore(self, raw_data: Mapping[Any, Any]) -> None:
        """Read the allowed fields of an entry, by name. Others are ignored: they could
        name code, another queue, or a lifetime that Redis refuses. Raises RQ's errors
        for an invalid value."""
        super().restore(
            {name: value for name, value in raw_data.items() if name in _READ}
        )
        self.result_ttl = self.failure_ttl = keys.RQ_KEPT_S

    @property
    def deaths(self) -> int:
        """Number of workers that died with the job without drawing anything new; each
        took a retry off."""
        if self.retries_left is None:
            return 0
        return max(0, keys.CRASHES_FORGIVEN - self.retries_left)

    @property
    def func(self) -> Callable[..., Any]:
        """The only allowed function. Raises JobRefusedError if the entry names
        another."""
        from worker.tasks import draw

        self.check_allowed()
        return draw

    # Callbacks of entries are not run: they could name any code.

    @property
    def success_callback(self) -> None:
        """None: callbacks of a queue entry are not run, because they could name any
        code."""
        return None

    @property
    def failure_callback(self) -> None:
        """None, like `success_callback`."""
        return None

    @property
    def stopped_callback(self) -> None:
        """None, like `success_callback`."""
        return None

    def send_webhooks(self, status: object, *, exc_string: str | None = None) -> None:
        """Do nothing: RQ's webhooks would call any address from inside the worker."""

    def retry(self, queue: Queue, pipeline: Pipeline) -> None:
        """Put the job back into the queue at its front: a client is watching its first
        rows."""
        self.enqueue_at_front_on_retry = True
        self.retry_intervals = None
        super().retry(queue, pipeline)


def queue_of(name: str, redis: Any) -> Queue:
    """Return the RQ queue of this name, with the job class and serializer of this
    package."""
    return Queue(name, connection=redis, job_class=DrawJob, serializer=SERIALIZER)
