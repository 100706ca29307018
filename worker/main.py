"""The worker process: start the engine's, register, take jobs until told to stop, give back what is unfinished.

main thread      takes jobs from RQ (intake) and opens them (admission)
engine link      hears rows and ends from the engine's process, which loads the models, warms up and draws
publisher        rows out, jobs settled     finisher      tells RQ how jobs ended
heartbeat        leases and announcement    cancellation  hears of cancels       recovery  jobs of dead workers
"""

import sys
import time

import structlog
from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError

from worker.contract import jobs, logs
from worker.contract.cards import WorkerInfo
from worker.engine_link import EngineLink, EngineLostError, RefusedError
from worker.jobs.admission import Admission
from worker.jobs.announcement import Announcement, announced
from worker.jobs.cancellation import Cancellation
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.ledger import Ledger
from worker.jobs.publisher import Publisher
from worker.metrics import MetricsPortError, UsageCollector, serve
from worker.orders.catalogue import Catalogue
from worker.orders.claims import Outcome
from worker.process import crash, processors
from worker.process.crash import EXIT_CRASHED
from worker.process.redis_clients import BLOCKING_TIMEOUT_S, COMMAND_TIMEOUT_S, HEARTBEAT_TIMEOUT_S, connect
from worker.queue.finisher import Finisher
from worker.queue.intake import BatchWorker, NameTakenError
from worker.queue.recovery import Recovery, RecoveryThread
from worker.settings import Settings

EXIT_BAD_SETTINGS = 2
RQ_LOGGERS = ("rq", "rq.worker", "rq.job")
"""All of them: RQ sets the last two to INFO when it is imported."""
STOP_S = 0.5
"""How long each part may take to stop; together under two seconds."""


class Worker:
    """Everything one worker process is made of, wired up and not yet running."""

    def __init__(self, settings: Settings, engine: EngineLink, catalogue: Catalogue) -> None:
        self._settings = settings
        self._engine = engine
        self._heart = connect(settings.redis_url, HEARTBEAT_TIMEOUT_S)
        ledger = Ledger(connect(settings.redis_url, COMMAND_TIMEOUT_S), catalogue.numerics)
        self._publisher = Publisher(
            ledger,
            on_stopped=engine.withdraw,
            on_closed=lambda claim, outcome: self._finisher.put(claim, outcome),
        )
        name = settings.name()
        info = _info(name, settings, catalogue)
        self._admission = Admission(ledger, info, lambda: announced(self._heart), self._publisher, engine.submit)
        self._intake = BatchWorker(
            settings.queue,
            connect(settings.redis_url, BLOCKING_TIMEOUT_S),
            name,
            settings.max_jobs,
            ours=self._admission.ours,
            open_job=self._open,
            refuse_job=self._admission.refuse,
            release=ledger.release,
            drain=self._drain,
        )
        self._finisher = Finisher(self._intake.finish)
        self._announcement = Announcement(info)
        self._heartbeat = Heartbeat(self._heart, [self._intake.beat, self._announcement.beat])
        self._cancellation = Cancellation(
            connect(settings.redis_url, BLOCKING_TIMEOUT_S), self._publisher.open_jobs, self._publisher.cancel
        )
        self._metrics = UsageCollector(engine.usage, catalogue.slots, lambda: len(self._intake.executions))
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
        self._engine.start(self._publisher.publish, self._end)
        for part in (self._publisher, self._finisher, self._heartbeat, self._cancellation, self._recovery):
            part.start()

    def _open(self, job_id: str, token: str) -> bool:
        return self._admission.open(job_id, token) is not None

    def _end(self, token: str, outcome: Outcome) -> None:
        self._publisher.end(token, outcome)
        self._intake.drawn(token)

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
        self._engine.stop(STOP_S)
        self._publisher.stop(STOP_S)
        self._finisher.stop(STOP_S)
        self._cancellation.stop()
        self._heartbeat.stop(STOP_S)


def _info(name: str, settings: Settings, catalogue: Catalogue) -> WorkerInfo:
    return WorkerInfo(
        name=name,
        device=settings.device,
        slots=settings.slots,
        models=tuple(card for _, card in sorted(catalogue.cards.items())),
        started_at=time.time(),
        queue=settings.queue,
        version=jobs.VERSION,
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


def run(settings: Settings) -> int:
    """The whole life of a worker process; the exit status."""
    logs.configure(settings.log_level, quiet=RQ_LOGGERS)
    log = structlog.get_logger("worker")
    crash.end_with_any_thread()
    engine = EngineLink()
    processors.keep_off(settings.engine_cpus)
    processors.wait_for_turn()  # not before: the engine's process would take it over
    try:
        catalogue = engine.catalogue()
        _await_redis(connect(settings.redis_url, COMMAND_TIMEOUT_S))
        stopped = Worker(settings, engine, catalogue).run()
    except (RefusedError, NameTakenError, MetricsPortError) as error:
        log.critical("cannot_start", reason=str(error))
        return EXIT_BAD_SETTINGS
    except EngineLostError as error:
        log.critical("cannot_start", reason=str(error))
        return EXIT_CRASHED
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
