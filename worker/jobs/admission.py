"""Turns a job id into what the engine thread shall do: claim, read, check, hand over to the publisher and the
runner."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError
from redis.exceptions import ResponseError

from worker.contract.added import JobFiles
from worker.contract.cards import ModelCard, RefusedModel, WorkerInfo
from worker.contract.events import RowDrawn
from worker.contract.jobs import JobSpec, JobStatus
from worker.contract.kinds import KINDS
from worker.contract.kinds.add import KIND as ADD
from worker.contract.kinds.add import AddSummary
from worker.contract.kinds.train import TrainOptions
from worker.contract.record import OtherVersionError
from worker.contract.tracing import trace_id
from worker.contract.trouble import is_store_trouble
from worker.jobs.announcement import Announcement
from worker.jobs.ledger import Ledger, Opened, Unclaimed
from worker.jobs.publisher import Publisher
from worker.orders.build import build
from worker.orders.claims import Claim, Outcome, StoredResult, failed
from worker.orders.faults import (
    JobRefusedError,
    malformed_spec,
    model_changed,
    not_served,
)
from worker.orders.order import Material, Order, TrainOrder

UNSUPPORTED_S = 60.0
"""Seconds for which a job waits for a worker whose device supports its kind: the only
one may be starting again."""

ASK_AGAIN_S = 30.0
"""Seconds until weights that were not there are asked for again."""

LOADING_S = 5.0
"""Seconds for which a job that waits for weights is looked at more often."""


class Admission:
    """Opens jobs. `announcement`: of this worker. `announced`: what all live workers announce; RedisError.
    `bring(name, identity)`: make a model ready that a job waits for, or fetch it where the job was accepted for another
    than those that this worker was started with; then `brought` is called. `opened`: hears of each job that is
    opened. added_dir: where models are put that jobs add. `unload(called, proposal)`: answer the engine's proposal to
    unload a model."""

    def __init__(
        self,
        ledger: Ledger,
        announcement: Announcement,
        announced: Callable[[], Sequence[WorkerInfo]],
        publisher: Publisher,
        submit: Callable[[Order], None],
        bring: Callable[[str, str], None] = lambda name, identity: None,
        opened: Callable[[Claim, JobSpec], None] = lambda claim, spec: None,
        added_dir: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        unload: Callable[[str, int], None] = lambda called, proposal: None,
    ) -> None:
        self._ledger = ledger
        self._announcement = announcement
        self._announced = announced
        self._has_ready = threading.Event()
        if announcement.info.ready or announcement.info.is_trainer:
            self._has_ready.set()
        self._publisher = publisher
        self._submit = submit
        self._bring = bring
        self._opened = opened
        self._added_dir = added_dir
        self._called: dict[tuple[str, str], str] = {}
        """Names in the engine of models that came later, by name and identity."""
        self._asked_at: dict[tuple[str, str], float] = {}
        self._clock = clock
        self._unload = unload
        self._unloadable: deque[tuple[str, int]] = deque()
        """Models that the engine proposes to unload, by their names there."""
        self._unsupported_since: dict[str, float] = {}
        """Times at which jobs were first found that no worker's device supports."""
        self._log = structlog.get_logger("admission")

    def compiled(self) -> None:
        """One more model is ready."""
        self._has_ready.set()

    @property
    def is_compiling(self) -> bool:
        """True if jobs may be parked here for a model that will be ready in a moment."""
        info = self._announcement.info
        since = self._clock() - LOADING_S
        # A copy, because another thread forgets what it has asked for.
        again_at = list(self._asked_at.values())
        is_loading = any(at - ASK_AGAIN_S > since for at in again_at)
        return is_loading or len(info.ready) < len(info.models)

    def wait_until_ready(self, timeout_s: float) -> bool:
        """True if there is a model that can be drawn from, now or within so many seconds."""
        return self._has_ready.wait(timeout_s)

    def ours(self, job_ids: Sequence[str]) -> list[bool]:
        """Decide for several jobs by their ids, like `is_ours`. Raises RedisError."""
        return [self.is_ours(spec) for spec in self._ledger.open_specs(job_ids)]

    def is_ours(self, spec: bytes | None) -> bool:
        """Shall this worker open the job of this description, None when it has ended? Not a job that it cannot do and
        another may, now or later: one of a later version, one for weights that this worker does not hold, or one whose
        model is still being compiled here. It waits for those. What nobody can do with these weights is opened, and
        fails with a reason. RedisError."""
        return spec is None or self._can_open(spec)

    def _can_open(self, spec_json: bytes) -> bool:
        try:
            spec = JobSpec.read(spec_json)
        except OtherVersionError:
            return False
        except ValidationError:
            return True
        if self._announcement.info.takes(spec):
            if not (is_ready := self._announcement.info.is_ready(spec)):
                self._ask_for((spec.model, spec.identity_or_digest))
                second = self._announcement.info.second_card_of(spec)
                if second is not None and not second.draws:
                    self._ask_for((second.name, second.identity_or_digest))
            return is_ready
        if spec.kind == ADD.word:  # it waits until it is examined, or gone
            return (
                self._added_dir is not None
                and not JobFiles(self._added_dir, spec.id, spec.model).is_there
            )
        others = (
            worker
            for worker in self._announced()
            if worker.queue == self._announcement.info.queue
        )
        if any(worker.takes(spec) for worker in others):
            return False
        if self._announcement.info.refusal_of(spec):
            return True
        if not self._announcement.info.holds(spec):
            self._ask_for((spec.model, spec.identity_or_digest))
            return False
        return not self._may_be_supported_soon(spec)

    def _may_be_supported_soon(self, spec: JobSpec) -> bool:
        """Return whether a job shall wait for a worker with another kind of device.

        No worker that is there supports the job's kind. If the reason can be this
        worker's device, the job waits for UNSUPPORTED_S, and then fails here.
        """
        card = self._announcement.info.card_of(spec)
        if card is None or spec.kind in card.can or card.small_height:
            return False
        if not KINDS[spec.kind].needs_codec:
            return False
        now = self._clock()
        self._unsupported_since = {
            job_id: since
            for job_id, since in self._unsupported_since.items()
            if now - since < 2 * UNSUPPORTED_S
        }
        since = self._unsupported_since.setdefault(spec.id, now)
        return now - since < UNSUPPORTED_S

    def _ask_for(self, weights: tuple[str, str]) -> None:
        """Once in a while: another worker may have kept them meanwhile."""
        now = self._clock()
        if now >= self._asked_at.get(weights, now):
            self._asked_at[weights] = now + ASK_AGAIN_S
            self._bring(*weights)

    def brought(self, card: ModelCard, called: str) -> None:
        """These weights are here; called: their name in the engine."""
        self._called[card.name, card.identity_or_digest] = called
        self._forget_asking(card)
        self._announcement.brought(card)

    def unloadable(self, called: str, proposal: int) -> None:
        """The engine can do without this model; see `let_go`."""
        self._unloadable.append((called, proposal))

    def let_go(self) -> None:
        """Let the engine unload what it has proposed.

        Call it from the thread that takes and opens jobs, between two of them: no job
        that was found to be ours may lose its model before its order is sent.
        """
        while self._unloadable:
            called, proposal = self._unloadable.popleft()
            info = self._announcement.info
            for card in (*info.models, *info.kept):
                weights = card.name, card.identity_or_digest
                if self._called.get(weights, card.name) == called:
                    self._announcement.unloaded(card)
                    self._called.pop(weights, None)
                    self._forget_asking(card)
            self._unload(called, proposal)

    def _forget_asking(self, card: ModelCard) -> None:
        """Let the next job ask for these weights at once."""
        for asked in (card.identity, card.digest):
            self._asked_at.pop((card.name, asked), None)

    def served(self, card: ModelCard, called: str) -> None:
        """This model has come, or other weights of it; called: its name in the engine."""
        self._called[card.name, card.identity_or_digest] = called
        self._has_ready.set()

    def ask_to_open(self, job_id: str, pipeline: Any, token: str) -> None:
        """Add to a pipeline what `open` wants to know."""
        self._ledger.ask_to_open(pipeline, job_id, token)

    def open(
        self, job_id: str, token: str, answers: Sequence[Any], deaths: int = 0
    ) -> bool:
        """Begin or continue a job under a new claim, by the answers to `ask_to_open`. False when there was nothing left
        to do. deaths: as in Claim.

        A job that cannot be drawn is handed to the publisher too, to be settled as failed. Raises RedisError.
        """
        opened = self._ledger.opened(job_id, token, answers, deaths)
        if isinstance(opened, Unclaimed):
            return False
        claim = opened.claim
        try:
            spec = _read_spec(opened.spec_json)
            self._opened(claim, spec)
            order = self._order(opened, spec)
        except JobRefusedError as refusal:
            self._publisher.open(claim)
            self._publisher.end(token, failed(refusal.error))
            return True
        self._publisher.open(claim)
        if isinstance(order, Outcome):
            self._publisher.end(token, order)
            return True
        self._submit(order)
        self._log.info(
            "job_opened",
            job_id=job_id,
            request_id=spec.request_id,
            trace_id=trace_id(spec.traceparent) or None,
            kind=spec.kind,
            model=order.model,
            images=spec.n,
            attempt=claim.attempts,
            resumed_after=claim.last_seq,
        )
        return True

    def drop(self, name: bytes, outcome: Outcome) -> None:
        """End a job whose queue entry is not one of ours, whoever owns it; nothing when there is no such job, or where
        its record is none. Raises RedisError."""
        try:
            self._ledger.settle(name.decode(), "", outcome)
        except (ResponseError, UnicodeDecodeError) as error:
            if is_store_trouble(error):
                raise
            self._log.error(
                "job_record_unreadable",
                job_id=name.decode(errors="replace"),
                error=str(error),
            )

    def _order(self, opened: Opened, spec: JobSpec) -> Order | Outcome:
        """The order to draw or score, or the end of a job that has added a model. Raises JobRefusedError if this worker
        cannot do it."""
        info = self._announcement.info
        if spec.kind == ADD.word:
            return _told(info.examined(spec))
        if info.is_trainer and isinstance(spec.options, TrainOptions):
            return TrainOrder(opened.claim, spec.model, spec.options)
        card = info.card_of(spec)
        if card is None and (refused := info.refusal_of(spec)) is not None:
            raise JobRefusedError(not_served(refused.reason))
        if card is None:
            raise JobRefusedError(model_changed(spec.model))
        if named := spec.options.second_model:
            second = info.second_card_of(spec)
            if second is None:
                raise JobRefusedError(model_changed(named))
            asked = self._called.get(
                (second.name, second.identity_or_digest), second.name
            )
            spec = spec.model_copy(
                update={"options": spec.options.model_copy(update={"against": asked})}
            )
        order = build(
            spec,
            card,
            Material(
                opened.claim, opened.pixels, opened.keep, self._rows(opened.claim)
            ),
        )
        return replace(
            order,
            model=self._called.get((card.name, card.identity_or_digest), card.name),
        )

    def _rows(self, claim: Claim) -> list[RowDrawn]:
        """Rows that earlier attempts published."""
        try:
            return self._ledger.rows(claim)
        except (KeyError, ValueError) as error:
            raise JobRefusedError(
                malformed_spec(f"The job's stored rows make no sense: {error}")
            ) from error


def _told(examined: ModelCard | RefusedModel | None) -> Outcome:
    """The end of a job that has added this model; None: it is gone. Raises JobRefusedError where it is not served."""
    if not isinstance(examined, ModelCard):
        why = "It was taken away, or exchanged, before a worker had looked at it."
        raise JobRefusedError(not_served(examined.reason if examined else why))
    summary = AddSummary(
        name=examined.name, digest=examined.digest, identity=examined.identity
    )
    return Outcome(JobStatus.SUCCEEDED, result=StoredResult(summary.model_dump_json()))


def _read_spec(text: bytes) -> JobSpec:
    try:
        return JobSpec.read(text)
    except OtherVersionError as error:
        raise JobRefusedError(malformed_spec(str(error))) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise JobRefusedError(
            malformed_spec(f"{where or 'spec'}: {first['msg']}")
        ) from error
