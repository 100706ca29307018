"""The worker process: waits for its engine process, registers, takes jobs until it is stopped, and gives back the rest.

main thread      takes jobs from RQ (taking) and begins them (beginning, admission)
engine link      hears rows and ends from the engine process, which loads the models, warms up and draws
publisher        rows out, jobs settled     finisher      tells RQ how jobs ended
heartbeat        leases and announcement    cancellation  hears of cancels       recovery  jobs of dead workers
names            reserves the names of the models directory
portable         removes models for browsers that nobody serves
"""

import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from model_core.models_directory import default_models_dir
from worker.contract import jobs, logs
from worker.contract.cards import ExaminedDraft, ModelCard, WorkerInfo
from worker.contract.tracing import Spans
from worker.contract.trouble import locked_out
from worker.engine_link import EngineLink, EngineLostError, RefusedError
from worker.jobs.admission import Admission
from worker.jobs.announcement import Announcement, ReservedNames, live_workers
from worker.jobs.cancellation import Cancellation
from worker.jobs.drain import Drain
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.ledger import Ledger
from worker.jobs.portable_folder import PortableFolder
from worker.jobs.publisher import Publisher
from worker.jobs.spans import JobSpans
from worker.jobs.watch import Watch
from worker.metrics import MetricsPortError, UsageCollector, serve
from worker.orders.catalogue import Catalogue
from worker.orders.claims import GIVEN_BACK, Claim, Outcome
from worker.process import crash, processors
from worker.process.backoff import Backoff
from worker.process.crash import EXIT_CRASHED
from worker.process.redis_clients import (
    BLOCKING_TIMEOUT_S,
    COMMAND_TIMEOUT_S,
    HEARTBEAT_TIMEOUT_S,
    connect,
    unusable_reason,
    weaknesses_of,
)
from worker.process.turn_thread import TurnThread
from worker.queue.beginning import Beginning
from worker.queue.ending import Ending, Finisher
from worker.queue.held_jobs import HeldJobs
from worker.queue.recovery import Recovery
from worker.queue.rq_worker import NameTakenError, RqWorker, TakenJob
from worker.queue.taking import Taking
from worker.settings import EXIT_BAD_SETTINGS, Settings
from worker.teaching_link import TeachingLink

T = TypeVar("T")

RQ_LOGGERS = ("rq", "rq.worker", "rq.job")
"""All of them: RQ sets the last two to INFO when it is imported."""
STOP_S = 0.5
"""How long each part may take to stop: together three seconds at most, since the publisher has two turns."""


class Worker:
    """All parts of one worker process, connected. Carries out the duties of RQ's loop."""

    def __init__(
        self,
        settings: Settings,
        engine: EngineLink | TeachingLink,
        catalogue: Catalogue,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._heart = connect(settings.redis_url, HEARTBEAT_TIMEOUT_S)
        ledger = Ledger(
            connect(settings.redis_url, COMMAND_TIMEOUT_S), catalogue.numerics
        )
        info = _info(settings, catalogue)
        self._announcement = Announcement(info, settings.health_file)

        self._rq = RqWorker(
            settings.queue, connect(settings.redis_url, BLOCKING_TIMEOUT_S), info.name
        )
        self._held = HeldJobs(self._rq, settings.max_jobs, engine.is_late)
        self._ending = Ending(self._rq, self._held, ledger.release)
        self._finisher = Finisher(self._ending.finish)
        self._spans = JobSpans(Spans("pixelrnn-worker"))
        self._publisher = Publisher(
            ledger, on_stopped=engine.withdraw, on_closed=self._closed
        )
        others = partial(live_workers, self._heart)
        announcement, bring = self._announcement, engine.bring
        self._admission = Admission(
            ledger,
            announcement,
            others,
            self._publisher,
            engine.submit,
            bring,
            self._spans.begin,
            settings.added_dir,
            unload=engine.unload,
        )
        drain = Drain(
            announcement, self._held.tokens, self._give_back, settings.drain_grace_s
        )
        self._taking = Taking(self._rq, self._held, self._admission, drain.turn)
        self._beginning = Beginning(self._rq, self._held, self._ending, self._admission)

        watch = Watch(engine.is_hung, self._held.beat, engine.kill)
        heartbeat = Heartbeat(self._heart, [watch.beat, self._announcement.beat])
        cancels = connect(settings.redis_url, BLOCKING_TIMEOUT_S)
        cancellation = Cancellation(
            cancels, self._publisher.open_jobs, self._publisher.cancel
        )
        recovery = Recovery(
            connect(settings.redis_url, COMMAND_TIMEOUT_S), settings.queue
        )
        names = connect(settings.redis_url, COMMAND_TIMEOUT_S)
        models_dir = settings.models_dir or default_models_dir()
        self._names = ReservedNames(names, models_dir)
        self._naming = TurnThread("names", self._names.turn)
        self._cleaning = list[TurnThread]()
        if settings.portable_dir is not None and not info.is_trainer:
            live = partial(live_workers, names)
            portable = PortableFolder(settings.portable_dir, info.name, live)
            self._cleaning.append(TurnThread("portable", portable.turn))
        self._heartbeat = TurnThread("heartbeat", heartbeat.turn)
        self._cancellation = TurnThread("cancellation", cancellation.turn)
        self._recovery = TurnThread("recovery", recovery.turn)
        self._private = {name for name, card in catalogue.cards.items() if card.owner}
        self._metrics = UsageCollector(
            engine.usage,
            catalogue.slots,
            partial(len, self._held),
            self._private,
            lambda: engine.drawn_s,
        )

    def run(self) -> bool:
        """Work until SIGTERM or SIGINT; return False if something else ended it. Raises
        NameTakenError, MetricsPortError."""
        port = self._settings.metrics_port
        stop_metrics = serve(self._metrics, port) if port else lambda: None
        try:
            self._rq.carry_out(self)
        finally:
            stop_metrics()
        return self._rq.stopping and not self._engine.has_given_up

    def on_registered(self) -> None:
        """Announce the worker, and start everything that runs beside RQ's loop."""
        words = {
            "progress": self._publisher.progress,
            "end": self._end,
            "brought": self._brought,
            "compiled": self._compiled,
            "coming": partial(self._announcement.add_model, redis=self._heart),
            "served": self._served,
            "dropped": self._announcement.remove_model,
            "refused": self._announcement.add_refusal,
            "card_failed": self._gpu_failed,
            "examined": self._examined,
            "draft_gone": self._announcement.remove_draft,
            "unloadable": self._admission.on_unload_proposed,
        }
        self._engine.start(self._publisher.publish, self._exhausted, words)
        # Before the first heartbeat: whoever sees a worker finds these names reserved.
        self._names.turn()
        for part in (
            self._naming,
            *self._cleaning,
            self._publisher,
            self._finisher,
            self._heartbeat,
            self._cancellation,
            self._recovery,
        ):
            part.start()

    def take(self) -> TakenJob | None:
        """Return the next job as soon as there is one and room for it; None once the
        worker stops."""
        return self._taking.next()

    def begin(self, taken: TakenJob) -> None:
        """Begin a job that `take` returned."""
        self._beginning.begin(taken)

    def stop(self) -> None:
        """Let running jobs finish within the grace period. Then nothing is drawn,
        written or renewed any more, and unfinished jobs go back to the queue."""
        try:
            self._announcement.end(self._heart)
            self._taking.put_back()
        except RedisError:
            structlog.get_logger("worker").warning("announcement_left_to_expire")
        self._recovery.stop(STOP_S)
        self._wait_for_jobs()
        self._engine.stop(STOP_S)
        self._publisher.stop(STOP_S)
        self._finisher.stop(STOP_S)
        self._cancellation.stop()
        for thread in (self._naming, *self._cleaning):
            thread.stop()
        self._heartbeat.stop(STOP_S)
        self._ending.give_all_back(
            but=self._engine.exhausted, counted=not self._engine.has_given_up
        )

    def _wait_for_jobs(self) -> None:
        deadline = time.monotonic() + self._settings.drain_grace_s
        while (
            len(self._held)
            and not self._engine.has_given_up
            and time.monotonic() < deadline
        ):
            if self._rq.force_stop.wait(0.05):
                break

    def _compiled(self, model: str) -> None:
        self._announcement.mark_compiled(model, self._heart)
        self._admission.on_compiled()

    def _exhausted(self) -> None:
        structlog.get_logger("worker").critical("engine_out_of_memory")
        self._rq.stop_soon()

    def _gpu_failed(self, reason: str) -> None:
        """End, so that the next worker waits until the GPU works. The attempts at the
        jobs do not count."""
        structlog.get_logger("worker").critical("card_failed", reason=reason)
        self._rq.stop_soon()

    def _served(self, card: ModelCard, called: str) -> None:
        if card.owner:
            self._private.add(called)
        self._admission.on_served(
            card, called
        )  # first, so that no job asks the engine by another name
        self._announcement.add_model(card, self._heart)

    def _brought(self, card: ModelCard, called: str) -> None:
        # A copy of weights does not say whose they are. Metrics name only models that
        # everybody sees now.
        served = self._announcement.info.models
        if card.name not in {one.name for one in served if not one.owner}:
            self._private.add(called)
        self._admission.on_fetched(card, called)

    def _examined(self, draft: ExaminedDraft) -> None:
        self._announcement.add_draft(draft, self._heart)

    def _closed(self, claim: Claim, outcome: Outcome) -> None:
        self._engine.closed(claim, outcome)
        self._finisher.put(claim, outcome)
        self._spans.end(claim, outcome)

    def _give_back(self, token: str) -> None:
        # First, so that a training has stopped before another trainer continues it.
        self._engine.withdraw(token)
        self._publisher.end(token, GIVEN_BACK)

    def _end(self, token: str, outcome: Outcome) -> None:
        self._publisher.end(token, outcome)
        self._held.mark_drawn(token)


def _info(settings: Settings, catalogue: Catalogue) -> WorkerInfo:
    return WorkerInfo(
        name=settings.name(),
        device=settings.device,
        slots=settings.slots
        or max(catalogue.slots.values(), default=settings.express_slots)
        - settings.express_slots,
        models=tuple(card for _, card in sorted(catalogue.cards.items())),
        started_at=time.time(),
        queue=settings.queue,
        threads=catalogue.threads,
        version=jobs.VERSION,
        host=socket.gethostname(),
        release=version("pixelrnn"),
        refused=catalogue.refused,
    )


def _say_why(error: Exception) -> None:
    """Print the reason as one line to a person at a terminal, else log it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"worker: {error}\n")
    else:
        structlog.get_logger("worker").critical("cannot_start", reason=str(error))


def once_redis_answers(action: Callable[[], T]) -> T:
    """Return the action's result, as soon as it succeeds: Redis may come up after its
    clients. Raises RefusedError if it does not let this worker in."""
    log, backoff = structlog.get_logger("worker"), Backoff(0.1, 2.0)
    while True:
        try:
            return action()
        except RedisError as error:
            if why := locked_out(error):
                raise RefusedError(
                    f"Redis does not let this worker in: {why}; see REDIS_URL"
                ) from None
            log.warning("waiting_for_redis", error=str(error))
            time.sleep(backoff.failed())


def run(settings: Settings, engine: EngineLink | TeachingLink) -> int:
    """Run a worker whose engine process, or trainer, has just been started. Return the
    exit status."""
    logs.configure(settings.log_level, quiet=RQ_LOGGERS)
    log = structlog.get_logger("worker")
    crash.end_with_any_thread()
    processors.keep_off(settings.engine_cpus)
    try:
        catalogue = engine.catalogue()
        redis = connect(settings.redis_url, COMMAND_TIMEOUT_S)
        if why := once_redis_answers(lambda: unusable_reason(redis)):
            raise RefusedError(f"{why}; see REDIS_URL")
        for weakness in once_redis_answers(lambda: weaknesses_of(redis)):
            log.warning("redis_may_lose_jobs", reason=weakness)
        stopped = once_redis_answers(lambda: Worker(settings, engine, catalogue)).run()
    except (RefusedError, NameTakenError, MetricsPortError) as error:
        _say_why(error)
        return EXIT_BAD_SETTINGS
    except EngineLostError as error:
        _say_why(error)
        return EXIT_CRASHED
    log.info("worker_stopped", on_request=stopped)
    return 0 if stopped else EXIT_CRASHED
