"""Decides which jobs this worker opens, and opens them: claim, read, check, and pass to
the publisher and the engine process."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
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
from worker.jobs.ledger import Ledger, OpenedJob, Unclaimed
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
such worker may be restarting."""

ASK_AGAIN_S = 30.0
"""Seconds until weights that are not in memory are requested from the engine again."""

LOADING_S = 5.0
"""Seconds after such a request in which parked jobs are looked at more often."""


class Admission:
    """Decides about jobs of the queue and opens those that this worker can do. Its
    methods are called by the thread that takes and opens jobs; those named `on_` by the
    thread that receives the engine process's messages. `called` is a model's name in
    that process."""

    def __init__(
        self,
        ledger: Ledger,
        announcement: Announcement,
        live_workers: Callable[[], Sequence[WorkerInfo]],
        publisher: Publisher,
        submit: Callable[[Order], None],
        fetch: Callable[[str, str], None] = lambda name, identity: None,
        on_opened: Callable[[Claim, JobSpec], None] = lambda claim, spec: None,
        added_dir: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        unload: Callable[[str, int], None] = lambda called, proposal: None,
    ) -> None:
        """ledger: the jobs' records.
        announcement: this worker's.
        live_workers: returns what all workers announce, and may raise RedisError.
        publisher: publishes rows and ends.
        submit: sends an order to the engine.
        fetch(name, identity): asks the engine to load a model for which a job waits;
            `on_fetched` reports it.
        on_opened: called for each opened job.
        added_dir: the directory of added models.
        clock: seconds.
        unload(called, proposal): accepts the engine's proposal to unload a model."""
        self._ledger = ledger
        self._announcement = announcement
        self._live_workers = live_workers
        self._has_ready = threading.Event()
        if announcement.info.ready or announcement.info.is_trainer:
            self._has_ready.set()
        self._publisher = publisher
        self._submit = submit
        self._fetch = fetch
        self._on_opened = on_opened
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

    def on_compiled(self) -> None:
        """Let `wait_until_ready` return."""
        self._has_ready.set()

    @property
    def is_compiling(self) -> bool:
        """True if a parked job may soon become possible here: a model is being
        compiled, or weights were requested a moment ago."""
        info = self._announcement.info
        since = self._clock() - LOADING_S
        # A copy, because another thread forgets what it has asked for.
        again_at = list(self._asked_at.values())
        is_loading = any(at - ASK_AGAIN_S > since for at in again_at)
        return is_loading or len(info.ready) < len(info.models)

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` seconds for the first model that can be drawn from;
        return whether there is one. A trainer is always ready."""
        return self._has_ready.wait(timeout_s)

    def are_ours(self, job_ids: Sequence[str]) -> list[bool]:
        """Return `is_ours` for each job id. The other workers' announcements are read
        once, if at all. Raises RedisError."""
        workers = cache(self._live_workers)
        specs = self._ledger.open_specs(job_ids)
        return [spec is None or self._can_open(spec, workers) for spec in specs]

    def is_ours(self, spec: bytes | None) -> bool:
        """Return True if this worker shall open a job. Raises RedisError.

        False if another worker may do the job, or this one later: the job has a later
        version, needs weights that this worker does not have in memory (which are then
        requested), or its model is still compiled. True for an invalid job and for one
        that no worker can do with these weights: it is opened, and fails with a reason.

        spec: the job's description as JSON. None if it has ended or shall be canceled;
            such a job is opened, which only ends it and removes its entry.
        """
        return spec is None or self._can_open(spec, self._live_workers)

    def _can_open(
        self, spec_json: bytes, live_workers: Callable[[], Sequence[WorkerInfo]]
    ) -> bool:
        try:
            spec = JobSpec.read(spec_json)
        except OtherVersionError:
            return False
        except ValidationError:
            return True  # no worker can do it: it fails here

        info = self._announcement.info
        if info.takes(spec):
            is_ready = info.is_ready(spec)
            if not is_ready:
                self._request_models_of(spec)
            return is_ready
        if spec.kind == ADD.word:
            if self._added_dir is None:
                # This worker never examines it, but may have been given the job: an API
                # does not know which queues have workers that look for added models.
                return _examined_by(live_workers(), spec) is not None
            # The job waits until its model is examined, and fails if its files are gone.
            return not JobFiles(self._added_dir, spec.id, spec.model).is_there

        others = (one for one in live_workers() if one.queue == info.queue)
        if any(worker.takes(spec) for worker in others):
            return False
        if info.refusal_of(spec):
            return True  # it fails here, with the reason of the refusal
        if not info.holds(spec):
            self._request((spec.model, spec.identity_or_digest))
            return False
        return not self._may_be_supported_soon(spec)

    def _request_models_of(self, spec: JobSpec) -> None:
        self._request((spec.model, spec.identity_or_digest))
        second = self._announcement.info.second_card_of(spec)
        if second is not None and not second.draws:
            self._request((second.name, second.identity_or_digest))

    def _may_be_supported_soon(self, spec: JobSpec) -> bool:
        """Return whether a job that no live worker supports shall wait for one with
        another kind of device, at most UNSUPPORTED_S seconds."""
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

    def _request(self, weights: tuple[str, str]) -> None:
        """Ask for these weights (name and identity), unless that was done less than
        ASK_AGAIN_S ago."""
        now = self._clock()
        # Asked again, because another worker may have kept the weights meanwhile.
        if now >= self._asked_at.get(weights, now):
            self._asked_at[weights] = now + ASK_AGAIN_S
            self._fetch(*weights)

    def on_fetched(self, card: ModelCard, called: str) -> None:
        """Note that the engine has loaded these weights.

        called: their name in the engine.
        """
        self._called[card.name, card.identity_or_digest] = called
        self._forget_request(card)
        self._announcement.add_kept(card)

    def on_unload_proposed(self, called: str, proposal: int) -> None:
        """Store the engine's proposal to unload a model, for `unload_proposed_models`.

        called: the model's name in the engine.
        proposal: number of the proposal.
        """
        self._unloadable.append((called, proposal))

    def unload_proposed_models(self) -> None:
        """Accept the proposals to unload models, and announce these as unloaded. Call
        it from the thread that takes and opens jobs, between two of them: a job that
        was found to be ours must not lose its model before its order is sent."""
        while self._unloadable:
            called, proposal = self._unloadable.popleft()
            info = self._announcement.info
            for card in (*info.models, *info.kept):
                weights = card.name, card.identity_or_digest
                if self._called.get(weights, card.name) == called:
                    self._announcement.mark_unloaded(card)
                    self._called.pop(weights, None)
                    self._forget_request(card)
            self._unload(called, proposal)

    def _forget_request(self, card: ModelCard) -> None:
        """Let the next job request these weights at once."""
        for asked in (card.identity, card.digest):
            self._asked_at.pop((card.name, asked), None)

    def on_served(self, card: ModelCard, called: str) -> None:
        """Note that the engine serves a new model, or other weights of a known one.

        called: its name in the engine.
        """
        self._called[card.name, card.identity_or_digest] = called
        self._has_ready.set()

    def add_open_commands(self, job_id: str, pipeline: Any, token: str) -> None:
        """Add to a Redis pipeline the commands whose replies `open` needs."""
        self._ledger.add_open_commands(pipeline, job_id, token)

    def open(
        self, job_id: str, token: str, answers: Sequence[Any], deaths: int = 0
    ) -> bool:
        """Begin or continue a job under a new claim, and send its order to the engine
        process. Return False if the job has ended or is missing.

        A job that cannot be done is opened, and ended as failed by the publisher. Raises
        RedisError if one of the replies is an error.

        answers: replies to `add_open_commands`.
        token: the new claim's.
        deaths: as in Claim.
        """
        opened = self._ledger.parse_open_replies(job_id, token, answers, deaths)
        if isinstance(opened, Unclaimed):
            return False
        claim = opened.claim
        try:
            spec = _read_spec(opened.spec_json)
            self._on_opened(claim, spec)
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
        """End a job whose queue entry is invalid, whoever owns it. Nothing happens if
        there is no such job; a record that is no job's is logged. Raises RedisError.

        name: the job's id as the queue has it.
        """
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

    def _order(self, opened: OpenedJob, spec: JobSpec) -> Order | Outcome:
        """Return the order, or the outcome of a job that has added a model. Raises
        JobRefusedError if this worker cannot do the job."""
        info = self._announcement.info
        if spec.kind == ADD.word:
            if self._added_dir is None:
                return _added_outcome(_examined_by(self._live_workers(), spec))
            return _added_outcome(info.examined(spec))
        if info.is_trainer and isinstance(spec.options, TrainOptions):
            return TrainOrder(opened.claim, spec.model, spec.options)
        card = info.card_of(spec)
        if card is None and (refused := info.refusal_of(spec)) is not None:
            raise JobRefusedError(not_served(refused.reason))
        if card is None:
            raise JobRefusedError(model_changed(spec.model))
        if spec.options.second_model:
            spec = self._with_second_model(spec)
        rows = self._rows(opened.claim)
        material = Material(opened.claim, opened.pixels, opened.keep, rows)
        order = build(spec, card, material)
        return replace(order, model=self._name_in_engine(card))

    def _with_second_model(self, spec: JobSpec) -> JobSpec:
        second = self._announcement.info.second_card_of(spec)
        if second is None:
            raise JobRefusedError(model_changed(spec.options.second_model))
        against = self._name_in_engine(second)
        options = spec.options.model_copy(update={"against": against})
        return spec.model_copy(update={"options": options})

    def _name_in_engine(self, card: ModelCard) -> str:
        return self._called.get((card.name, card.identity_or_digest), card.name)

    def _rows(self, claim: Claim) -> list[RowDrawn]:
        """Return the rows that earlier attempts published. Raises JobRefusedError if
        they are damaged."""
        try:
            return self._ledger.rows(claim)
        except (KeyError, ValueError) as error:
            raise JobRefusedError(
                malformed_spec(f"The job's stored rows are invalid: {error}")
            ) from error


def _examined_by(
    workers: Iterable[WorkerInfo], spec: JobSpec
) -> ModelCard | RefusedModel | None:
    """Return what one of these workers announces about the model that this job adds;
    None if none has examined it."""
    found = (worker.examined(spec) for worker in workers)
    return next((one for one in found if one is not None), None)


def _added_outcome(examined: ModelCard | RefusedModel | None) -> Outcome:
    if examined is None:
        why = "It was taken away, or exchanged, before a worker had examined it."
        raise JobRefusedError(not_served(why))
    if isinstance(examined, RefusedModel):
        raise JobRefusedError(not_served(examined.reason))
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
