"""Jobs of several pictures: each picture is treated as a job of its own, and its rows,
progress and end are gathered here into those of the whole job. Cut-outs of one picture
follow each other, because each is given what those before it drew.

The first picture that fails ends the job; the others are dropped after the turn.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.contract.jobs import JobStatus
from worker.engine.activities.activity import JobOutlet
from worker.orders.claims import Outcome, StoredResult
from worker.orders.cutouts import CutoutOrder, FilledPixels
from worker.orders.images import NewRow
from worker.orders.order import Order
from worker.orders.several import PART, SeveralOrder


@dataclass
class _GatheredJob:
    """An open job of several pictures."""

    order: SeveralOrder
    """The job's order."""
    shares: list[float]
    """Progress of each part, 0 to 1."""
    ends: dict[int, Outcome] = field(default_factory=dict)
    """Outcomes of the parts that have ended, by index."""
    filled: defaultdict[int, FilledPixels] = field(
        default_factory=lambda: defaultdict(FilledPixels)
    )
    """For each picture that is completed in cut-outs, the pixels drawn so far."""

    def fill(self, part: int, y: int, pixels: bytes) -> None:
        if isinstance(cutout := self.order.parts[part], CutoutOrder):
            self.filled[part // self.order.chain].add(cutout, y, pixels)

    def ready(self, part: int) -> Order:
        order = self.order.parts[part]
        if isinstance(order, CutoutOrder):
            order = order.after(self.filled[part // self.order.chain])
        return replace(order, model=self.order.model)


class Gathering:
    """An outlet that turns messages about the parts of a job of several pictures into
    messages about that job, and forwards all others unchanged. Messages about parts of
    a job that is no longer open here are dropped."""

    def __init__(self, outlet: JobOutlet) -> None:
        self._outlet = outlet
        self._open: dict[str, _GatheredJob] = {}
        self._failed: list[SeveralOrder] = []
        self._next: list[Order] = []

    def begin(self, order: Order) -> Iterator[Order]:
        """Yield the orders that an order consists of: the pictures of a SeveralOrder,
        or the first cut-out of each; otherwise the order itself. A cut-out gets the
        pixels that were drawn before it; nothing is yielded for one whose job has
        ended."""
        job, part = _job_and_part(order.claim.token)
        if isinstance(order, SeveralOrder):
            gathered = self._open[job] = _GatheredJob(order, [0.0] * len(order.parts))
            for i, cutout in enumerate(order.parts):
                # Rows of an earlier attempt count as drawn.
                rows = cutout.material.rows if isinstance(cutout, CutoutOrder) else ()
                for row in rows:
                    gathered.fill(i, row.y, row.pixel_bytes())
            for i in range(0, len(order.parts), order.chain):
                yield gathered.ready(i)
        elif part is None:
            yield order
        elif job in self._open:
            yield self._open[job].ready(part)

    def take_next(self) -> Iterator[Order]:
        """Yield the cut-outs whose turn has come since the last call."""
        while self._next:
            yield self._next.pop(0)

    def models(self) -> set[str]:
        """Return the names of the models of open jobs, whose cut-outs may still wait."""
        return {gathered.order.model for gathered in self._open.values()}

    def close(self, token: str) -> list[str]:
        """Forget a job. Return the tokens of its pictures, none if it is not of
        several."""
        gathered = self._open.pop(token, None)
        return [] if gathered is None else _tokens(gathered.order)

    def take_failed(self) -> list[str]:
        """Return the tokens of the pictures of jobs that failed since the last call."""
        orders = self._failed
        self._failed = []
        return [token for order in orders for token in _tokens(order)]

    def publish(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
        """Forward rows; rows of a picture become rows of its job."""
        found: defaultdict[str, list[NewRow]] = defaultdict(list)
        for token, new in rows.items():
            job, part = _job_and_part(token)
            if part is None:
                found[job] += new
            elif job in self._open:
                gathered = self._open[job]
                first = part * gathered.order.samples
                for _, y, pixels, _ in new:
                    gathered.fill(part, y, pixels)
                found[job] += [
                    (first + sample, y, pixels, of_small)
                    for sample, y, pixels, of_small in new
                ]
        if found:
            self._outlet.publish(found)

    def progress(self, token: str, share: float, estimate: str = "") -> None:
        """Forward progress; that of a picture becomes the mean of its job's pictures."""
        job, part = _job_and_part(token)
        if part is not None:
            if job not in self._open:
                return
            gathered = self._open[job]
            gathered.shares[part] = share
            share = sum(gathered.shares) / len(gathered.shares)
            estimate = estimate and _moved(
                estimate, part * gathered.order.samples, share
            )
        self._outlet.progress(job, share, estimate)

    def end(self, token: str, outcome: Outcome) -> None:
        """Forward the end of a job. The end of a picture ends its job if it is the last
        picture, or the first that fails."""
        job, part = _job_and_part(token)
        if part is None:
            self._outlet.end(job, outcome)
        elif job in self._open:
            self._part_ended(job, part, outcome)

    def exhausted(self, token: str) -> None:
        """Report that a job, or the job of a part, has run out of memory."""
        self._outlet.exhausted(_job_and_part(token)[0])

    def card_failed(self, reason: str) -> None:
        self._outlet.card_failed(reason)

    def _part_ended(self, job: str, part: int, outcome: Outcome) -> None:
        gathered = self._open[job]
        if outcome.status is not JobStatus.SUCCEEDED:
            self._failed.append(self._open.pop(job).order)
            self._outlet.end(job, outcome)
            return
        gathered.ends[part] = outcome
        if len(gathered.ends) < len(gathered.shares):
            self.progress(f"{job}{PART}{part}", 1.0)
            if (part + 1) % gathered.order.chain:
                self._next.append(gathered.order.parts[part + 1])
            return
        del self._open[job]
        ends = [gathered.ends[i] for i in range(len(gathered.ends))]
        self._outlet.end(job, _together(ends))


def _tokens(order: SeveralOrder) -> list[str]:
    return [part.claim.token for part in order.parts]


def _job_and_part(token: str) -> tuple[str, int | None]:
    job, _, part = token.partition(PART)
    return job, int(part) if part else None


def _moved(estimate: str, first: int, share: float) -> str:
    fields = json.loads(estimate)
    fields["sample"] += first
    fields["share"] = round(share, 4)
    return json.dumps(fields, separators=(",", ":"))


def _together(ends: Sequence[Outcome]) -> Outcome:
    """Return the outcome of a job whose pictures have all succeeded. Stored bytes are
    concatenated."""
    results = [end.result or StoredResult("{}") for end in ends]
    kept = {
        name: b"".join(result.pictures[name] for result in results)
        for name in results[0].pictures
    }
    summary = f'{{"pictures":[{",".join(result.summary for result in results)}]}}'
    return Outcome(JobStatus.SUCCEEDED, result=StoredResult(summary, kept))
