"""The engine thread: seat waiting images, advance a model by one step, hand the new rows on, let finished jobs go; or
make one step of an image that is drawn by particles; or score a picture; or code some rows of a file. All of these take
turns by the time that they use.

It owns the engines and the scheduler; other threads only leave orders in its inbox. It knows no Redis and no queue.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from model_core.posterior.island import ImpossibleError
from worker.contract.cards import ModelCard
from worker.engine.assessment import Assessment, Pass, kind_of
from worker.engine.coding import Coding
from worker.engine.cohort import Cohort, CohortRow
from worker.engine.deadlines import IDLE_S, Deadlines
from worker.engine.drawings import Drawing, Drawings
from worker.engine.inbox import Inbox
from worker.engine.islands import IslandError, Islands, Stepped
from worker.engine.scheduler import Scheduler
from worker.engine.turns import Turns
from worker.engine.usage_told import UsageTold
from worker.orders.catalogue import kept_name
from worker.orders.claims import SUCCEEDED, Outcome, failed
from worker.orders.faults import drawing_failed, impossible_picture, scoring_failed
from worker.orders.images import NewRow, PlannedImage, row_pixels
from worker.orders.orders import (
    CodeOrder,
    DecodeOrder,
    EncodeOrder,
    Order,
    ParticleOrder,
    ScoreOrder,
    VerifyOrder,
)
from worker.orders.usage import Usage

TURN_S = 0.003
"""How long a model draws, at the least, before others have their turn and new rows go out, which costs as much for one
step as for several."""

FULL_TURN_S = 0.006
"""The same while no slot is free: whoever comes could not begin sooner."""

SCORING = ""
"""What scoring is called among those that take turns; no model has this name."""

CODING = "files of coded images"
"""What encoding and decoding are called there; nor has any model this name."""

PARTICLES_OF = "particles of "
"""Before the name of a model: its images that are drawn by particles, among those that take turns."""


Brought = tuple[ModelCard, Cohort]
"""A model whose weights were exchanged, and its cohort."""


class Outlet(Protocol):
    """Where rows and ends go, and how much was drawn. The engine's process writes them to its worker."""

    def publish(self, rows: Mapping[str, Sequence[NewRow]], /) -> None: ...
    def progress(self, token: str, share: float, /) -> None: ...
    def end(self, token: str, outcome: Outcome, /) -> None: ...
    def used(self, usage: Mapping[str, Usage], /) -> None: ...
    def brought(self, card: ModelCard, /) -> None: ...
    def compiled(self, model: str, /) -> None: ...
    def send(self) -> None:
        """What was said so far goes out."""
        ...


class Runner:
    """Carries out orders until told to stop.

    cohorts: one for each loaded model, by name. score: one pass; None when another is needed. inbox: where others than
    those with a Runner at hand leave orders. islands: what draws by particles. coding: what makes and reads files.
    deadlines: told what begins and ends. bring(name, digest): loads weights that were exchanged.
    """

    def __init__(
        self,
        cohorts: Mapping[str, Cohort],
        outlet: Outlet,
        score: Callable[[Pass], Outcome | None],
        step_delay_s: float = 0.0,
        inbox: Inbox | None = None,
        islands: Islands | None = None,
        deadlines: Deadlines | None = None,
        bring: Callable[[str, str], Brought | None] = lambda name, digest: None,
        coding: Coding | None = None,
    ) -> None:
        self._cohorts = dict(cohorts)
        self._bring = bring
        self._outlet = outlet
        self._score = score
        self._step_delay_s = step_delay_s
        self._inbox = inbox or Inbox()
        self._islands = islands or Islands(_no_particles)
        self._coding = coding or Coding(_no_files)
        self._deadlines = deadlines or Deadlines()
        self._scheduler: Scheduler[PlannedImage] = Scheduler()
        self._turns = Turns()
        self._usage = UsageTold(cohorts, outlet.used)
        self._drawings = Drawings(self._scheduler, outlet.publish)
        self._unscored: dict[str, Pass] = {}
        self._stopping = False
        self._words: dict[str, Callable[..., None]] = {
            "submit": self._accept,
            "withdraw": self._forget,
            "bring": self._fetch,
            "compiled": self._compiled,
            "stop": self._stop,
        }
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._log = structlog.get_logger("runner")

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until it has stopped."""
        self._thread.join(timeout_s)

    def submit(self, order: Order) -> None:
        self._inbox.put("submit", order)

    def withdraw(self, token: str) -> None:
        """Do no more for this claim from the next step on."""
        self._inbox.put("withdraw", token)

    def stop(self) -> None:
        """After the step that is being made; rows drawn so far have been handed on."""
        self._inbox.put("stop")

    def _run(self) -> None:
        while not self._stopping:
            self._follow_orders()
            if ready := self._with_work():
                self._take_turn(self._turns.next(ready))
            self._usage.now_and_then()
            self._outlet.send()
        self._usage.tell()
        self._usage.log()
        self._outlet.send()

    def _with_work(self) -> list[str]:
        models = [name for name, cohort in self._cohorts.items() if cohort.busy or self._scheduler.has_waiting(name)]
        islands = [PARTICLES_OF + name for name in self._islands.models]
        others = [*([SCORING] if self._unscored else []), *([CODING] if self._coding.current else [])]
        return [*models, *islands, *others]

    def _take_turn(self, name: str) -> None:
        began = time.perf_counter()
        self._deadlines.opening()
        if name == SCORING:
            self._score_one()
        elif name == CODING:
            self._code()
        elif name.startswith(PARTICLES_OF):
            self._advance_island(name.removeprefix(PARTICLES_OF))
        else:
            self._advance(name, self._cohorts[name])
        self._deadlines.end()
        self._turns.charge(name, time.perf_counter() - began)

    def _follow_orders(self) -> None:
        """Carry out what is in the inbox; with nothing to do, wait for it."""
        idle = not self._drawings and not self._unscored and not self._islands.models and not self._coding.current
        if idle:
            self._usage.tell()
            self._outlet.send()
        while True:
            if idle:
                self._deadlines.idle()
            message = self._inbox.next(IDLE_S if idle else 0.0)
            if message is not None:
                word, *arguments = message
                self._words[word](*arguments)
                idle = False
            elif not idle:
                break
        self._outlet.send()

    def _advance(self, name: str, cohort: Cohort) -> None:
        """Steps of one model, for as long as a turn lasts; their rows are handed on together."""
        self._seat_waiting(name, cohort)
        self._deadlines.begin(name, cohort.busy)
        rows: list[CohortRow] = []
        until = time.perf_counter() + (TURN_S if cohort.free else FULL_TURN_S)
        try:
            while cohort.busy:
                rows += self._step(name, cohort)
                if time.perf_counter() > until:
                    break
                self._seat_waiting(name, cohort)
        except Exception as error:  # the engine's edge: whatever breaks ends these jobs, and not the process
            self._hand_on(rows)
            for token in cohort.renew():
                self._fail(token, error)
        else:
            self._hand_on(rows)

    def _step(self, name: str, cohort: Cohort) -> list[CohortRow]:
        began, busy = time.perf_counter(), cohort.busy
        new = cohort.step()
        self._usage[name].step(time.perf_counter() - began, busy, len(new), left=busy - cohort.busy)
        if new:
            self._pause()
        return new

    def _seat_waiting(self, name: str, cohort: Cohort) -> None:
        while cohort.free and (found := self._scheduler.next_image(name, cohort.only_express)) is not None:
            token, image = found
            try:
                cohort.seat(token, image)
            except Exception as error:  # the engine's edge: it would not take this image
                self._fail(token, error)

    def _hand_on(self, rows: Sequence[CohortRow]) -> None:
        for drawing in self._drawings.hand_on(rows):
            self._all_drawn(drawing)

    def _all_drawn(self, drawing: Drawing) -> None:
        order = drawing.order
        if drawing.images is None:
            self._outlet.end(order.claim.token, SUCCEEDED)
        else:
            self._unscored[order.claim.token] = Assessment(
                order.claim, order.model, drawing.images, order.rank, order.hole, values=order.values
            )

    def _advance_island(self, model: str) -> None:
        """One step of one image by particles: at most a row of each."""
        began = time.perf_counter()
        self._deadlines.begin(PARTICLES_OF + model, self._islands.particles(model))
        try:
            stepped = self._islands.step(model)
        except IslandError as error:
            self._island_failed(error.order, error.reason)
            return
        rows = 0 if stepped.image is None else stepped.image.shape[1]
        self._usage[model].step(time.perf_counter() - began, 1, rows, left=int(stepped.image is not None))
        self._pause()
        self._hand_on_step(stepped)

    def _hand_on_step(self, stepped: Stepped) -> None:
        order, token = stepped.order, stepped.order.claim.token
        if stepped.image is not None:
            self._hand_on_image(order, stepped.sample, stepped.image)
        if stepped.share is not None:
            self._outlet.progress(token, stepped.share)
        if stepped.images is not None:
            self._unscored[token] = Assessment(
                order.claim, order.model, stepped.images, order.rank, found=stepped.found, values=order.values
            )

    def _hand_on_image(self, order: ParticleOrder | DecodeOrder, sample: int, image: NDArray[np.integer]) -> None:
        """Whole, but for the rows that an earlier attempt published."""
        rows = image.transpose(1, 0, 2)  # (H, C, W)
        new = [(sample, y, row_pixels(row, order.values), False) for y, row in enumerate(rows)]
        if left := new[order.published[sample] :]:
            self._outlet.publish({order.claim.token: left})

    def _code(self) -> None:
        """Some rows of a file, or one image of it."""
        order = self._coding.current
        assert order is not None
        self._pause()
        self._deadlines.begin(f"file of {order.model}")
        turn = self._coding.turn()
        if turn.image is not None:
            assert isinstance(order, DecodeOrder)
            self._hand_on_image(order, turn.sample, turn.image)
        if turn.outcome is not None:
            self._outlet.end(order.claim.token, turn.outcome)

    def _island_failed(self, order: ParticleOrder, error: Exception) -> None:
        if isinstance(error, ImpossibleError):
            self._outlet.end(order.claim.token, failed(impossible_picture(error)))
            return
        self._log.error("drawing_failed", model=order.model, job_id=order.claim.job_id, exc_info=error)
        self._outlet.end(order.claim.token, failed(drawing_failed(error)))

    def _score_one(self) -> None:
        """One at a time: images that are being drawn wait for one pass at most."""
        self._pause()
        token = next(iter(self._unscored))
        task = self._unscored.pop(token)
        self._deadlines.begin(f"{kind_of(task)} of {task.model}")
        try:
            outcome = self._score(task)
        except Exception as error:  # the engine's edge: whatever breaks ends this job, and not the process
            self._log.error("scoring_failed", model=task.model, job_id=task.claim.job_id, exc_info=error)
            outcome = failed(scoring_failed(error))
        if outcome is None:
            self._unscored[token] = task  # behind the others that wait
        else:
            self._outlet.end(token, outcome)

    def _pause(self) -> None:
        if self._step_delay_s:
            time.sleep(self._step_delay_s)

    def _accept(self, order: Order) -> None:
        token = order.claim.token
        if isinstance(order, ScoreOrder | VerifyOrder):
            self._unscored[token] = order
            return
        if isinstance(order, ParticleOrder):
            self._islands.add(order)
            return
        if isinstance(order, EncodeOrder | DecodeOrder):
            self._coding.add(order)
            return
        drawing = Drawing.of(order)
        if order.images:
            self._drawings.begin(drawing)
        else:
            self._all_drawn(drawing)

    def _fetch(self, name: str, digest: str) -> None:
        """What is drawn meanwhile waits: it takes a moment, and happens once after an exchange."""
        self._deadlines.loading()
        if (brought := self._bring(name, digest)) is not None:
            card, cohort = brought
            self._cohorts[kept_name(card)] = cohort
            self._usage.add(kept_name(card))
            self._outlet.brought(card)

    def _compiled(self, model: str) -> None:
        """It is said first, because somebody may wait for it."""
        self._outlet.compiled(model)
        self._outlet.send()
        self._cohorts[model].prepare()

    def _forget(self, token: str) -> None:
        """Free everything the claim holds here."""
        self._unscored.pop(token, None)
        self._islands.forget(token)
        self._coding.forget(token)
        if (order := self._drawings.forget(token)) is not None:
            self._cohorts[order.model].withdraw(token)

    def _fail(self, token: str, error: Exception) -> None:
        order = self._drawings.order_of(token)
        self._log.error("drawing_failed", model=order.model, job_id=order.claim.job_id, exc_info=error)
        self._forget(token)
        self._outlet.end(token, failed(drawing_failed(error)))

    def _stop(self) -> None:
        self._stopping = True


def _no_files(order: CodeOrder) -> NoReturn:
    raise AssertionError("nothing here makes or reads files")


def _no_particles(order: ParticleOrder) -> NoReturn:
    raise AssertionError("nothing here draws by particles")
