"""The worker process: load and warm up, register, draw until told to stop, give back what is unfinished.

main thread      takes jobs from RQ (intake) and opens them (admission)
engine           draws (runner)             publisher     rows out, jobs settled
finisher         tells RQ how jobs ended    heartbeat     leases and announcement
cancellation     hears of cancels           recovery      jobs of dead workers
"""

import os
import sys
import threading
import time
from collections.abc import Callable

import structlog
from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError

from model_core.errors import ModelError
from worker import logs
from worker.admission import Admission
from worker.announcement import Announcement
from worker.cancellation import Cancellation
from worker.clients import BLOCKING_TIMEOUT_S, COMMAND_TIMEOUT_S, HEARTBEAT_TIMEOUT_S, connect
from worker.cohort import Cohort, Engine
from worker.contract.cards import WorkerInfo
from worker.finisher import Finisher
from worker.heartbeat import Heartbeat
from worker.intake import BatchWorker, NameTakenError
from worker.ledger import Ledger
from worker.metrics import MetricsPortError, UsageCollector, serve
from worker.model_pool import ModelPool, Room, load_pool
from worker.publisher import Publisher
from worker.recovery import Recovery, RecoveryThread
from worker.runner import Runner
from worker.scores import passed
from worker.settings import Settings

EXIT_BAD_SETTINGS = 2
EXIT_CRASHED = 70
SWITCH_INTERVAL_S = 0.0005
"""How long a thread may make others wait for the interpreter. The engine comes back from compiled code for it after
every step, of a millisecond or so; Python's 5 ms would cost it more than the drawing."""

STOP_S = 0.5
"""How long each part may take to stop; together under two seconds."""


class Worker:
    """Everything one worker process is made of, wired up and not yet running."""

    def __init__(self, settings: Settings, pool: ModelPool) -> None:
        self._settings = settings
        self._heart = connect(settings.redis_url, HEARTBEAT_TIMEOUT_S)
        ledger = Ledger(connect(settings.redis_url, COMMAND_TIMEOUT_S), pool.numerics)
        self._publisher = Publisher(
            ledger,
            on_stopped=lambda token: self._runner.withdraw(token),
            on_closed=lambda claim, outcome: self._finisher.put(claim, outcome),
        )
        self._runner = Runner(
            _cohorts(pool), self._publisher, lambda order: passed(order, pool.model(order.model)), settings.step_delay_s
        )
        self._admission = Admission(ledger, pool.cards, self._publisher, self._runner.submit)
        name = settings.name()
        self._intake = BatchWorker(
            settings.queue,
            connect(settings.redis_url, BLOCKING_TIMEOUT_S),
            name,
            settings.max_jobs,
            open_job=self._open,
            refuse_job=self._admission.refuse,
            release=ledger.release,
            drain=self._drain,
        )
        self._finisher = Finisher(self._intake.finish)
        self._announcement = Announcement(_info(name, settings, pool))
        self._heartbeat = Heartbeat(self._heart, [self._intake.beat, self._announcement.beat])
        self._cancellation = Cancellation(
            connect(settings.redis_url, BLOCKING_TIMEOUT_S), self._publisher.open_jobs, self._publisher.cancel
        )
        slots = {name: room.slots + room.express for name, room in pool.rooms.items()}
        self._metrics = UsageCollector(self._runner.usage, slots, lambda: len(self._intake.executions))
        self._recovery = RecoveryThread(Recovery(connect(settings.redis_url, COMMAND_TIMEOUT_S), settings.queue))

    def run(self) -> bool:
        """Work until SIGTERM or SIGINT. False when something else ended it. Raises NameTakenError, MetricsPortError."""
        self._intake.on_registered = self._start_threads
        port = self._settings.metrics_port
        stop_metrics = serve(self._metrics, port) if port else lambda: None
        try:
            self._intake.work()
        finally:
            stop_metrics()
        return self._intake.stopping

    def _start_threads(self) -> None:
        for part in (
            self._runner,
            self._publisher,
            self._finisher,
            self._heartbeat,
            self._cancellation,
            self._recovery,
        ):
            part.start()

    def _open(self, job_id: str, token: str) -> bool:
        return self._admission.open(job_id, token) is not None

    def _drain(self) -> None:
        """Let running jobs finish within the grace; then nothing is drawn, written or renewed any more."""
        try:
            self._announcement.end(self._heart)
        except RedisError:
            structlog.get_logger("worker").warning("announcement_left_to_expire")
        self._recovery.stop(STOP_S)
        deadline = time.monotonic() + self._settings.drain_grace_s
        while self._intake.executions and time.monotonic() < deadline:
            if self._intake.force_stop.wait(0.05):
                break
        self._runner.stop(STOP_S)
        self._publisher.stop(STOP_S)
        self._finisher.stop(STOP_S)
        self._cancellation.stop()
        self._heartbeat.stop(STOP_S)


def _cohorts(pool: ModelPool) -> dict[str, Cohort]:
    def engines(name: str) -> Callable[[], Engine]:
        return lambda: pool.engine(name)

    return {name: Cohort(engines(name), card.height, pool.rooms[name].express) for name, card in pool.cards.items()}


def _info(name: str, settings: Settings, pool: ModelPool) -> WorkerInfo:
    return WorkerInfo(
        name=name,
        device=settings.device,
        slots=settings.slots,
        models=tuple(pool.cards[model] for model in pool.names()),
        started_at=time.time(),
        queue=settings.queue,
    )


def _await_redis(redis: Redis) -> None:
    """Return when Redis answers: in a composed start it may come up after its clients."""
    log, wait_s = structlog.get_logger("worker"), 0.1
    while True:
        try:
            redis.ping()
        except RedisError as error:
            log.warning("waiting_for_redis", error=str(error))
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, 2.0)
        else:
            return


def _crash(arguments: threading.ExceptHookArgs) -> None:
    """A thread died of a bug: a worker that is half alive would hold its jobs for ever. Its leases lapse instead."""
    thread = arguments.thread.name if arguments.thread else "?"
    structlog.get_logger("worker").critical("thread_crashed", thread=thread, exc_info=arguments.exc_value)
    sys.stderr.flush()
    os._exit(EXIT_CRASHED)


def run(settings: Settings) -> int:
    """The whole life of a worker process; the exit status."""
    logs.configure(settings.log_level)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    log = structlog.get_logger("worker")
    threading.excepthook = _crash
    try:
        room = Room(settings.slots, settings.express_slots, settings.slot_memory_mib)
        pool = load_pool(settings.models_dir, settings.models, settings.device, room, settings.threads)
        _await_redis(connect(settings.redis_url, COMMAND_TIMEOUT_S))
        stopped = Worker(settings, pool).run()
    except (ModelError, NameTakenError, MetricsPortError) as error:
        log.critical("cannot_start", reason=str(error))
        return EXIT_BAD_SETTINGS
    log.info("worker_stopped", on_request=stopped)
    return 0 if stopped else EXIT_CRASHED


def main() -> int:
    """Run with the settings of the environment."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        sys.stderr.write(f"worker: PIXELRNN_{str(first['loc'][0]).upper()}: {first['msg']}\n")
        return EXIT_BAD_SETTINGS
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
