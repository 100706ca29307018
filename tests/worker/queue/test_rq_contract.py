"""What RqWorker and DrawJob take for granted about RQ: methods that RQ does not promise to keep.

When one of these fails after an upgrade, read worker/queue/rq_worker.py against the new RQ before changing the test.
"""

import inspect
from collections.abc import Callable

import pytest
from redis import Redis
from rq import SimpleWorker
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.registry import StartedJobRegistry
from rq.worker import BaseWorker

from worker.contract import keys
from worker.queue.rq_job import DrawJob
from worker.queue.rq_worker import RqWorker

OVERRIDDEN = [
    name
    for name, member in vars(RqWorker).items()
    if callable(member) and hasattr(SimpleWorker, name)
]


def parameters(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in OVERRIDDEN
        if name not in ("__init__", "bootstrap", "unsubscribe")
    ],
)
def test_override_takes_the_same_arguments_when_rq_calls_it(name: str) -> None:
    """Each method is still there and has the parameters we were written for."""
    assert parameters(getattr(RqWorker, name)) == parameters(
        getattr(SimpleWorker, name)
    )


def test_overrides_are_still_what_rq_calls_when_it_works() -> None:
    """The work loop goes through the methods that keep it alive without Redis."""
    loop = inspect.getsource(BaseWorker.work)
    for name in (
        "bootstrap",
        "check_for_suspension",
        "should_run_maintenance_tasks",
        "teardown",
        "heartbeat",
    ):
        assert f"self.{name}" in loop
    assert "self.dequeue_job_and_maintain_ttl(" in loop
    assert "self.execute_job(job, queue)" in loop
    assert "self._stop_requested" in loop
    assert "self._shutdown()" in inspect.getsource(BaseWorker.request_stop)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (BaseWorker.increment_successful_job_count, ["self", "pipeline"]),
        (
            BaseWorker.increment_total_working_time,
            ["self", "job_execution_time", "pipeline"],
        ),
        (BaseWorker.increment_failed_job_count, ["self", "pipeline"]),
        (BaseWorker.cleanup_execution, ["self", "job", "pipeline", "execution"]),
        (BaseWorker.serialize, ["self"]),
        (Execution.create, ["job", "ttl", "pipeline", "worker_name"]),
        (Execution.heartbeat, ["self", "started_job_registry", "ttl", "pipeline"]),
        (Execution.delete, ["self", "job", "pipeline"]),
        (Job.restore, ["self", "raw_data"]),
        (Job.prepare_for_execution, ["self", "worker_name", "pipeline"]),
        (Job.retry, ["self", "queue", "pipeline"]),
        (Queue._enqueue_job, ["self", "job", "pipeline", "at_front", "unique"]),
        (StartedJobRegistry.cleanup, ["self", "timestamp", "exception_handlers"]),
    ],
)
def test_private_method_is_as_expected_when_we_call_it(
    function: Callable[..., object], expected: list[str]
) -> None:
    """The parts of RQ that are called, with the arguments that are given."""
    assert parameters(function) == expected


def test_names_of_rq_are_those_that_our_scripts_write() -> None:
    """They look for entries, and for the lease of a job's owner, by themselves."""
    assert Queue.redis_queue_namespace_prefix == keys.RQ_QUEUE
    assert Job.redis_job_namespace_prefix == keys.RQ_JOB
    assert StartedJobRegistry.key_template.format("q") == f"{keys.RQ_STARTED}q"
    lease = Execution("token", "job", connection=Redis())
    assert lease.composite_key == "job:token"


def test_no_name_is_imported_when_rq_asks_a_job_for_code() -> None:
    """Every way by which RQ turns a name from Redis into code or an address is closed."""
    for name in (
        "func",
        "success_callback",
        "failure_callback",
        "stopped_callback",
        "send_webhooks",
    ):
        assert name in vars(DrawJob)
    imports = [
        line
        for line in inspect.getsource(Job).splitlines()
        if "import_attribute(" in line
    ]
    assert len(imports) == 4, "RQ has a new place where it imports by name"
