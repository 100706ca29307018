"""A trainer's end of the processes that train, one for each job: it takes the place of
a worker's EngineLink.

A model is published here, under the lock that a cancel takes too, so that a model that
was canceled before is never visible.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from redis.exceptions import RedisError

from worker.contract import keys
from worker.contract.added import (
    ANYONE,
    OWNER,
    SUMMARY,
    JobFiles,
    Owner,
    uploads_in,
)
from worker.contract.jobs import JobStatus
from worker.engine_link import RefusedError
from worker.jobs.announcement import live_workers
from worker.jobs.brake import Brake
from worker.jobs.ledger import OPEN
from worker.orders.catalogue import Catalogue
from worker.orders.claims import RETRY, Claim, Outcome, StoredResult, failed
from worker.orders.faults import training_died, training_failed
from worker.orders.order import Order, TrainOrder
from worker.orders.usage import Usage
from worker.process.crash import EXIT_STOPPED
from worker.process.group import end_group
from worker.process.redis_clients import COMMAND_TIMEOUT_S, connect
from worker.process.turn_thread import TurnThread
from worker.settings import Settings

_SWEEP_S = 10.0
_YOUNG_S = 60.0
"""Seconds: a younger place may belong to a job that is just being handed in."""

ATTEMPTS = 5
"""Deaths of its process, in all its life, with which a training's job fails."""
FIRST_DELAY_S = 0.5
"""Seconds from the first death to the next attempt; after each further death twice as
many. Memory that others use may be free again by then."""
_ANNOUNCED_S = 120.0
"""Seconds at most from a model's publication to the end of its job: on a busy machine a
worker takes its time, and one whose PIXELRNN_MODELS_LOOK_S is 0 never looks."""
_LOOK_S = 0.5
_TOLD_TO_STOP = (EXIT_STOPPED, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)
_WITHOUT_MODEL = (JobStatus.FAILED.value.encode(), JobStatus.CANCELED.value.encode())
_NOTHING_LEARNED = "No round was better than what it began with: more pictures would help, or other ones."


@dataclass
class _Training:
    """A training and its process, which leads a process group."""

    order: TrainOrder
    process: "subprocess.Popen[bytes]"
    may_be_stopped: bool = False
    """The process has reported that the kernel kills it if the trainer dies. If it were
    stopped earlier, it would stay stopped for ever after the trainer's death."""
    has_ended: bool = False
    """The process has reported its end, and is about to exit."""


class TeachingLink:
    """Runs the trainings of a trainer, each in a process of its own. It has the methods
    of EngineLink, whose place it takes."""

    def __init__(self, settings: Settings) -> None:
        self._added = settings.added_dir or Path()
        self._redis: Any = connect(settings.redis_url, COMMAND_TIMEOUT_S)
        self._brake = Brake(settings.redis_url)
        self._one_at_a_time = threading.Lock()
        self._under_way: dict[str, _Training] = {}
        """Trainings that have neither ended nor been withdrawn, by their tokens."""
        self._withdrawn: set[str] = set()
        self._stopping = threading.Event()
        self._words: Mapping[str, Callable[..., None]] = {}
        self._sweeper = TurnThread("sweeper", self._sweep)
        self._braking = TurnThread("brake", self._hold)
        self._log = structlog.get_logger("trainer")
        self.usage: dict[str, Usage] = {}
        self.drawn_s: list[float] = []
        self.exhausted: set[str] = set()
        self.gpu_has_failed = self.has_given_up = False

    def catalogue(self) -> Catalogue:
        """Return a catalogue without models. Raises RefusedError if there is no
        directory in which to publish one."""
        if self._added == Path():
            raise RefusedError(
                "expected PIXELRNN_ADDED_DIR, the directory of added models that the API has"
            )
        return Catalogue({}, {}, "")

    def start(
        self,
        publish: object,
        exhausted: object,
        words: Mapping[str, Callable[..., None]],
    ) -> None:
        """Begin to clean up and to pause trainings while jobs are drawn.

        words: the functions that receive messages, by name, such as `end`.
        """
        self._words = words
        self._sweeper.start()
        self._braking.start()

    def submit(self, order: Order) -> None:
        assert isinstance(order, TrainOrder)
        files = JobFiles(self._added, order.claim.job_id, order.model)
        if (summary := files.summary()) is not None:
            # Redis was restored to a state of before the end: it ends once more.
            outcome = Outcome(JobStatus.SUCCEEDED, result=StoredResult(summary))
            self._words["end"](order.claim.token, outcome)
            return
        try:
            self._start_process(order)
        except (OSError, RuntimeError) as error:
            # The system has no process, thread or memory left, which may pass.
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._end_attempt(order, f"the error {reason!r}", self._count_death(order))

    def _start_process(self, order: TrainOrder) -> None:
        """Start the process of a training, and a thread that listens to it, unless the
        training was withdrawn. If one of them cannot be started, there is none: raises
        OSError or RuntimeError."""
        what = [
            str(os.getpid()),
            str(self._added),
            order.claim.job_id,
            order.model,
            order.options.model_dump_json(),
        ]
        command = [sys.executable, "-P", "-m", "worker.engine.teaching_start", *what]
        token = order.claim.token
        with self._one_at_a_time:
            if token in self._withdrawn:
                return
            # A group of its own, so that one signal reaches all of its processes.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                process_group=0,
            )
            training = _Training(order, process)
            listener = threading.Thread(
                target=self._listen, args=(training,), name="teaching", daemon=True
            )
            self._under_way[token] = training
            try:
                listener.start()
            except RuntimeError:
                del self._under_way[token]
                end_group(process)
                raise

    def withdraw(self, token: str) -> None:
        """Stop this training. If it was canceled, its files are deleted when this
        returns; else another trainer may continue it."""
        with self._one_at_a_time:
            self._withdrawn.add(token)
            training = self._under_way.pop(token, None)
            if training is None:
                return
            order = training.order
            job_id = order.claim.job_id
            end_group(training.process)
            if self._is_canceled(order):
                # If Redis fails, `closed` deletes the rest, or the sweeper.
                with suppress(RedisError):
                    self._redis.hdel(keys.image(job_id), "grid")
                    JobFiles(self._added, job_id, order.model).forget()

    def _is_canceled(self, order: TrainOrder) -> bool:
        record = keys.job(order.claim.job_id)
        try:
            return bool(self._redis.hexists(record, "cancel_requested"))
        except RedisError:
            return False

    def closed(self, claim: Claim, outcome: Outcome) -> None:
        """Delete the files of a job that has ended."""
        if outcome.status is not None:
            self._forget(claim.job_id, outcome.status is JobStatus.SUCCEEDED)

    def bring(self, name: str, identity: str) -> None:
        """Do nothing: no job waits for a model."""

    def unload(self, called: str, proposal: int) -> None:
        """Do nothing: no model stays in memory."""

    def is_late(self) -> bool:
        """False: a training need not report in time."""
        return False

    is_hung = is_late

    def kill(self) -> None:
        """Do nothing: it never hangs."""

    def stop(self, timeout_s: float) -> None:
        """Let the training write a checkpoint, if that is quick; else it continues from
        the one before."""
        self._stopping.set()
        self._sweeper.stop()
        self._braking.stop()
        for training in list(self._under_way.values()):
            # The leader alone: the others learn it from its next update.
            training.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                training.process.wait(timeout_s)
            end_group(training.process)

    def _listen(self, training: "_Training") -> None:
        order, process = training.order, training.process
        assert process.stdout is not None
        token = order.claim.token
        with process.stdout as lines:
            for line in lines:
                try:
                    said = json.loads(line)
                except ValueError:  # the process was killed while it wrote this line
                    continue
                if said.get("begun"):
                    training.may_be_stopped = True
                    self._braking.hurry()
                    continue
                if (progress := said.get("progress")) is not None:
                    self._count(said["trained"])
                    self._words["progress"](
                        token,
                        progress["share"],
                        json.dumps(progress),
                        _grid(said["grid"]),
                    )
                    continue
                training.has_ended = True
                self._end(order, said)
        status = process.wait()
        end_group(process)
        if token in self._under_way and not training.has_ended:
            self._note_death(order, status)

    def _end(self, order: TrainOrder, said: Mapping[str, Any]) -> None:
        token = order.claim.token
        with self._one_at_a_time:
            # A cancel is withdrawn here in a moment, or has ended the job already, if
            # this trainer was taken for dead.
            if token not in self._under_way or self._is_canceled(order):
                return
            outcome = self._outcome(order, said)
        if outcome.status is JobStatus.SUCCEEDED:
            self._wait_until_announced(order)
        with self._one_at_a_time:
            is_ours = self._under_way.pop(token, None) is not None
            if is_ours and not self._stopping.is_set():
                self._words["end"](token, outcome)

    def _wait_until_announced(self, order: TrainOrder) -> None:
        """Wait until calls for the model are accepted, if there is a worker."""
        job_id = order.claim.job_id
        until = time.monotonic() + _ANNOUNCED_S
        while time.monotonic() < until and order.claim.token in self._under_way:
            if self._stopping.is_set():
                return
            try:
                workers = live_workers(self._redis)
            except RedisError:
                return
            drawing = [worker for worker in workers if not worker.is_trainer]
            if not drawing or any(worker.knows_job(job_id) for worker in drawing):
                return
            self._stopping.wait(_LOOK_S)

    def _note_death(self, order: TrainOrder, status: int) -> None:
        """Count a process that ended without a last message as a failed attempt, unless
        it was told to stop."""
        if self._stopping.is_set():
            return
        how = f"signal {-status}" if status < 0 else f"status {status}"
        # Ctrl-C and service managers signal the trainer and its children together.
        deaths = 0 if status in _TOLD_TO_STOP else self._count_death(order)
        self._end_attempt(order, how, deaths)

    def _end_attempt(self, order: TrainOrder, how: str, deaths: int) -> None:
        """End an attempt without a result: return the job to the queue after a delay,
        or fail it at the ATTEMPTS-th death. Do neither if it was withdrawn or the
        worker stops.

        how: the process's end, for the log.
        deaths: of this training's processes; 0 if it was told to stop.
        """
        self._log.error(
            "training_died", job_id=order.claim.job_id, how=how, deaths=deaths
        )
        outcome = failed(training_died(deaths, how))
        if deaths < ATTEMPTS:
            outcome = RETRY
            self._stopping.wait(FIRST_DELAY_S * 2 ** max(0, deaths - 1))
        with self._one_at_a_time:
            # A worker that stops gives its jobs back, and a job that was canceled
            # meanwhile has been withdrawn.
            token = order.claim.token
            self._under_way.pop(token, None)
            if token not in self._withdrawn and not self._stopping.is_set():
                self._words["end"](token, outcome)

    def _count_death(self, order: TrainOrder) -> int:
        deaths = JobFiles(self._added, order.claim.job_id, order.model).deaths
        try:
            with deaths.open("ab") as file:
                file.write(b".")
            return deaths.stat().st_size
        except OSError:  # no attempt could write its checkpoint either
            return ATTEMPTS

    def _hold(self) -> float:
        for training in list(self._under_way.values()):
            if training.may_be_stopped:
                self._brake.hold(training.process, partial(self._is_ending, training))
        return _SWEEP_S

    def _is_ending(self, training: "_Training") -> bool:
        """Return True if the training ends by itself now, and must not be stopped any
        more."""
        order = training.order
        finish = JobFiles(self._added, order.claim.job_id, order.model).finish
        return (
            self._stopping.is_set()
            # It publishes nothing more, but holds memory until its process ends.
            or training.has_ended
            or order.claim.token not in self._under_way
            or finish.exists()
        )

    def _count(self, trained: Mapping[str, int]) -> None:
        with suppress(RedisError):  # they are figures for an operator alone
            for what, number in trained.items():
                self._redis.hincrby(keys.TRAINED, what, number)
            self._redis.expire(keys.TRAINED, keys.ACTIVE_TTL_S)

    def _outcome(self, order: TrainOrder, said: Mapping[str, Any]) -> Outcome:
        """Return the outcome of a job whose process has ended; a trained model is
        published by then."""
        summary, why = said.get("done"), said.get("failed")
        if why or summary is None:
            return failed(training_failed(why or _NOTHING_LEARNED))
        try:
            if summary.get("published", True):
                self._publish(order, json.dumps(summary))
        except OSError as error:
            is_taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            why = (
                "Another model of this name came meanwhile."
                if is_taken
                else f"The server's disk: {error.strerror}."
            )
            return failed(training_failed(why))
        return Outcome(JobStatus.SUCCEEDED, result=StoredResult(json.dumps(summary)))

    def _publish(self, order: TrainOrder, summary: str) -> None:
        files = JobFiles(self._added, order.claim.job_id, order.model)
        if files.is_published:  # in an earlier life of this job
            return
        owner, made = order.options.owner, files.place / "model" / order.model
        facts = Owner(
            owner=owner,
            job=files.job_id,
            shared=order.options.shared or owner == ANYONE,
        )
        (made / SUMMARY).write_text(summary, encoding="utf-8")
        (made / OWNER).write_text(facts.model_dump_json(), encoding="utf-8")
        files.model.parent.mkdir(exist_ok=True)
        made.rename(files.model)

    def _sweep(self) -> float:
        """Delete the files of jobs that ended while no trainer ran, or that were never
        taken."""
        for place in uploads_in(self._added).glob("[!.]*"):
            try:
                is_old = place.stat().st_mtime < time.time() - _YOUNG_S
                status = (
                    self._redis.hget(keys.job(place.name), "status")
                    if is_old
                    else OPEN[0]
                )
            except (OSError, RedisError):
                continue
            if status not in OPEN:
                # The model goes only if the job is known to have no model: a record
                # that is missing may have expired long after a success.
                self._forget(place.name, is_kept=status not in _WITHOUT_MODEL)
        return _SWEEP_S

    def _forget(self, job_id: str, is_kept: bool) -> None:
        try:
            for run in (uploads_in(self._added) / job_id / "run").glob("[!.]*"):
                JobFiles(self._added, job_id, run.name).forget(is_kept)
        except OSError as error:
            self._log.error("files_not_deleted", job_id=job_id, error=error.strerror)


def _grid(path: str | None) -> bytes:
    if path is None:
        return b""
    try:
        return Path(path).read_bytes()
    except OSError:  # the job was canceled, and its files are deleted
        return b""
