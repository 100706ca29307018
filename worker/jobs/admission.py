"""From a job id to what the engine thread shall do: claim, read, check, hand over to the publisher and the runner."""

from collections.abc import Callable, Sequence

import structlog
from pydantic import ValidationError

from worker.contract.cards import WorkerInfo
from worker.contract.events import RowDrawn
from worker.contract.jobs import JobSpec
from worker.contract.record import OtherVersionError
from worker.jobs.ledger import Ledger, Opened, Unclaimed
from worker.jobs.publisher import Publisher
from worker.orders.build import Material, build
from worker.orders.claims import Claim, Outcome, failed
from worker.orders.faults import JobRefusedError, malformed_spec, model_unavailable
from worker.orders.orders import Order


class Admission:
    """Opens jobs. `info`: what this worker announces of itself. `announced`: what all live workers do; RedisError."""

    def __init__(
        self,
        ledger: Ledger,
        info: WorkerInfo,
        announced: Callable[[], Sequence[WorkerInfo]],
        publisher: Publisher,
        submit: Callable[[Order], None],
    ) -> None:
        self._ledger = ledger
        self._info = info
        self._announced = announced
        self._cards = {card.name: card for card in info.models}
        self._publisher = publisher
        self._submit = submit
        self._log = structlog.get_logger("admission")

    def ours(self, job_ids: Sequence[str]) -> list[bool]:
        """Shall this worker open it? Not a job that it cannot do and another may, now or later: one of a later version,
        or one for weights that this worker does not hold. It waits for those. What nobody can do with these weights is
        opened, and fails with a reason. RedisError."""
        return [spec is None or self._is_ours(spec) for spec in self._ledger.open_specs(job_ids)]

    def _is_ours(self, spec_json: bytes) -> bool:
        try:
            spec = JobSpec.read(spec_json)
        except OtherVersionError:
            return False
        except ValidationError:
            return True
        if self._info.takes(spec):
            return True
        others = (worker for worker in self._announced() if worker.queue == self._info.queue)
        return self._info.holds(spec) and not any(worker.takes(spec) for worker in others)

    def open(self, job_id: str, token: str) -> bool:
        """Begin or continue a job under a new claim. False when there was nothing left to do.

        A job that cannot be drawn is handed to the publisher too, to be settled as failed. Raises RedisError.
        """
        opened = self._ledger.open(job_id, token)
        if isinstance(opened, Unclaimed):
            return False
        claim = opened.claim
        try:
            spec = _read_spec(opened.spec_json)
            order = self._order(opened, spec)
        except JobRefusedError as refusal:
            self._publisher.open(claim)
            self._publisher.end(token, failed(refusal.error))
            return True
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
        return True

    def refuse(self, job_id: str, outcome: Outcome) -> None:
        """End a job whose queue entry is not one of ours, whoever owns it; nothing when there is no such job."""
        self._ledger.settle(job_id, "", outcome)

    def _order(self, opened: Opened, spec: JobSpec) -> Order:
        """What is to be drawn or scored. JobRefusedError when this worker cannot."""
        card = self._cards.get(spec.model)
        if card is None:
            raise JobRefusedError(model_unavailable(spec.model, sorted(self._cards)))
        rows = self._rows(opened.claim)
        return build(spec, card, Material(opened.claim, opened.pixels, opened.keep, rows))

    def _rows(self, claim: Claim) -> list[RowDrawn]:
        """What earlier attempts published."""
        try:
            return self._ledger.rows(claim)
        except (KeyError, ValueError) as error:
            raise JobRefusedError(malformed_spec(f"The job's stored rows make no sense: {error}")) from error


def _read_spec(text: bytes) -> JobSpec:
    try:
        return JobSpec.read(text)
    except OtherVersionError as error:
        raise JobRefusedError(malformed_spec(str(error))) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise JobRefusedError(malformed_spec(f"{where or 'spec'}: {first['msg']}")) from error
