"""From a job id to what the engine thread shall do: claim, read, check, hand over to the publisher and the runner."""

from collections.abc import Callable, Mapping

import structlog
from pydantic import ValidationError

from worker.claims import Outcome, failed
from worker.contract.cards import ModelCard
from worker.contract.jobs import JobKind, JobSpec
from worker.faults import JobRefusedError, malformed_spec, model_unavailable
from worker.images import check_spec, drawn_images, given_image, plan_images, scored_values
from worker.ledger import Ledger, Opened, Unclaimed
from worker.orders import DrawOrder, Order, ScoreOrder
from worker.priorities import priority_of
from worker.publisher import Publisher


class Admission:
    """Opens jobs. `cards`: the models this worker holds, by name."""

    def __init__(
        self, ledger: Ledger, cards: Mapping[str, ModelCard], publisher: Publisher, submit: Callable[[Order], None]
    ) -> None:
        self._ledger = ledger
        self._cards = cards
        self._publisher = publisher
        self._submit = submit
        self._log = structlog.get_logger("admission")

    def open(self, job_id: str, token: str) -> Unclaimed | None:
        """Begin or continue a job under a new claim. Unclaimed when there is nothing to do.

        A job that cannot be drawn is handed to the publisher too, to be settled as failed. Raises RedisError.
        """
        opened = self._ledger.open(job_id, token)
        if isinstance(opened, Unclaimed):
            return opened
        claim = opened.claim
        try:
            spec = _read_spec(opened.spec_json)
            order = self._order(opened, spec)
        except JobRefusedError as refusal:
            self._publisher.open(claim)
            self._publisher.end(token, failed(refusal.error))
            return None
        self._publisher.open(claim)
        self._submit(order)
        self._log.info(
            "job_opened",
            job_id=job_id,
            request_id=spec.request_id,
            kind=spec.kind.value,
            model=order.model,
            images=spec.n,
            attempt=claim.attempts,
            resumed_after=claim.last_seq,
        )
        return None

    def refuse(self, job_id: str, outcome: Outcome) -> None:
        """End a job whose queue entry is not one of ours, whoever owns it; nothing when there is no such job."""
        self._ledger.settle(job_id, "", outcome)

    def _order(self, opened: Opened, spec: JobSpec) -> Order:
        """What is to be drawn or scored. JobRefusedError when this worker cannot."""
        card = self._cards.get(spec.model)
        if card is None:
            raise JobRefusedError(model_unavailable(spec.model, sorted(self._cards)))
        check_spec(spec, card)
        claim = opened.claim
        try:
            if spec.kind is JobKind.SCORE:
                return ScoreOrder(claim, spec.model, *scored_values(spec, card.values, opened.pixels), spec.pixel)
            given = given_image(spec, card.values, opened.pixels, opened.keep)
            rows = self._ledger.rows(claim)
            images = plan_images(spec, card.values, given, rows)
            drawn = drawn_images(spec, card.values, rows) if spec.rank else None
        except (KeyError, ValueError, IndexError) as error:
            raise JobRefusedError(malformed_spec(f"The job's stored image or rows make no sense: {error}")) from error
        return DrawOrder(claim, spec.model, card.values, images, priority_of(spec), drawn)


def _read_spec(text: bytes) -> JobSpec:
    try:
        return JobSpec.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise JobRefusedError(malformed_spec(f"{where or 'spec'}: {first['msg']}")) from error
