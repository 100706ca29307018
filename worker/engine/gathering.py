"""Jobs of several pictures: each picture is worked on as a job of its own, and what is said of these is gathered here.
So are the cut-outs of one picture, one after the other, because the next one is given what those before drew.

The first picture that fails ends the job; the others are forgotten when the turn is over.
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
class _Gathered:
    order: SeveralOrder
    shares: list[float]
    ends: dict[int, Outcome] = field(default_factory=dict)
    filled: defaultdict[int, FilledPixels] = field(
        default_factory=lambda: defaultdict(FilledPixels)
    )
    """The holes of each picture that is completed in cut-outs, as far as they are drawn."""

    def fill(self, part: int, y: int, pixels: bytes) -> None:
        if isinstance(cutout := self.order.parts[part], CutoutOrder):
            self.filled[part // self.order.chain].add(cutout, y, pixels)

    def ready(self, part: int) -> Order:
        """The order of a part whose turn has come."""
        order = self.order.parts[part]
        if isinstance(order, CutoutOrder):
            order = order.after(self.filled[part // self.order.chain])
        return replace(order, model=self.order.model)


class Gathering:
    """Hands on what is said of a picture as said of its job, and all else as it is."""

    def __init__(self, outlet: JobOutlet) -> None:
        self._outlet = outlet
        self._open: dict[str, _Gathered] = {}
        self._failed: list[SeveralOrder] = []
        self._next: list[Order] = []

    def opened(self, order: Order) -> Iterator[Order]:
        """The orders to carry out for this one."""
        job, part = _job_and_part(order.claim.token)
        if isinstance(order, SeveralOrder):
            gathered = self._open[job] = _Gathered(order, [0.0] * len(order.parts))
            for i, cutout in enumerate(order.parts):
                for row in (
                    cutout.material.rows if isinstance(cutout, CutoutOrder) else ()
                ):
                    gathered.fill(i, row.y, row.pixel_bytes())
            for i in range(0, len(order.parts), order.chain):
                yield gathered.ready(i)
        elif part is None:
            yield order
        elif job in self._open:
            yield self._open[job].ready(part)

    def next_ones(self) -> Iterator[Order]:
        """The cut-outs, each once, whose turn has come meanwhile."""
        while self._next:
            yield self._next.pop(0)

    def models(self) -> set[str]:
        """Return the names in the engine of the models that open jobs use: a cut-out
        may wait for those before it."""
        return {gathered.order.model for gathered in self._open.values()}

    def close(self, token: str) -> list[str]:
        """Gather no more for this job. Returns the tokens of its pictures."""
        gathered = self._open.pop(token, None)
        return [] if gathered is None else _tokens(gathered.order)

    def failed(self) -> list[str]:
        """The tokens of pictures, each once, whose jobs have failed meanwhile."""
        orders, self._failed = self._failed, []
        return [token for order in orders for token in _tokens(order)]

    def publish(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
        found: defaultdict[str, list[NewRow]] = defaultdict(list)
        for token, new in rows.items():
            job, part = _job_and_part(token)
            if part is None:
                found[job] += new
            elif job in self._open:
                gathered, first = self._open[job], part * self._open[job].order.samples
                for _, y, pixels, _ in new:
                    gathered.fill(part, y, pixels)
                found[job] += [
                    (first + sample, y, pixels, of_small)
                    for sample, y, pixels, of_small in new
                ]
        if found:
            self._outlet.publish(found)

    def progress(self, token: str, share: float, estimate: str = "") -> None:
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
        job, part = _job_and_part(token)
        if part is None:
            self._outlet.end(job, outcome)
        elif job in self._open:
            self._part_ended(job, part, outcome)

    def exhausted(self, token: str) -> None:
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
        self._outlet.end(
            job, _together([gathered.ends[i] for i in range(len(gathered.ends))])
        )


def _tokens(order: SeveralOrder) -> list[str]:
    return [part.claim.token for part in order.parts]


def _job_and_part(token: str) -> tuple[str, int | None]:
    job, _, part = token.partition(PART)
    return job, int(part) if part else None


def _moved(estimate: str, first: int, share: float) -> str:
    told = json.loads(estimate)
    return json.dumps(
        {**told, "sample": first + told["sample"], "share": round(share, 4)},
        separators=(",", ":"),
    )


def _together(ends: Sequence[Outcome]) -> Outcome:
    """The end of a job whose pictures have all succeeded; what is kept of each lies one behind the other."""
    results = [end.result or StoredResult("{}") for end in ends]
    kept = {
        name: b"".join(result.pictures[name] for result in results)
        for name in results[0].pictures
    }
    summary = f'{{"pictures":[{",".join(result.summary for result in results)}]}}'
    return Outcome(JobStatus.SUCCEEDED, result=StoredResult(summary, kept))
