"""What became of one job: what its readers were told, and what the service has of it, held to what it should be."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pixelrnn.client.errors import ApiError, ServiceError
from pixelrnn.client.feed import Feed, Row

ENDS = {"done": "succeeded", "error": "failed", "canceled": "canceled"}


class Verdict(StrEnum):
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    TOLD_LOST = "told lost"
    """The store came back without it, and whoever asked was told that there is no such job."""
    LOST = "lost"
    """It was accepted, and has no result: it failed, is unknown though nothing was forgotten, or does not end."""
    DOUBLED = "doubled"
    """A row or an end is there twice, or one request made two jobs."""
    DIFFERING = "differing"
    """Other bytes than those of an undisturbed run."""
    MISLED = "misled"
    """A reader was told something that is not so, or not all of it, or something twice."""
    REFUSED = "refused"
    """A good request was answered with something else than "later" (429, 502, 503, 504)."""


HARMS = (
    Verdict.LOST,
    Verdict.DOUBLED,
    Verdict.DIFFERING,
    Verdict.MISLED,
    Verdict.REFUSED,
)


@dataclass(frozen=True)
class Finding:
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True)
class Event:
    name: str
    number: int | None
    data: Any


class Account(Feed):
    """A reader's stream, over all its connections, with everything that it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def _event(self, name: str, fields: dict[str, str]) -> Row | None:
        number = fields["id"].partition("-")[0] if "id" in fields else None
        self.events.append(Event(name, number and int(number), fields["data"]))  # pyright: ignore[reportArgumentType]
        return super()._event(name, fields)

    @property
    def rows(self) -> list[str]:
        return [event.data for event in self.events if event.name == "row"]


@dataclass(frozen=True)
class Outcome:
    """What a job comes to, whenever it is drawn."""

    rows: frozenset[str]
    rest: str = ""
    """A digest of its result and its pictures."""


@dataclass
class Seen:
    """All that was seen of a job. `accounts`: of its readers, those that read to the end; `record`: its stream, read
    from the beginning once it had ended."""

    accounts: list[Account] = field(default_factory=list)
    record: Account | None = None
    status: str = ""
    rows_total: int = 0
    rest: str = ""
    accepted: float | None = None
    """By our monotonic clock."""
    trouble: ServiceError | TimeoutError | None = None
    """Why no more was seen."""
    by_link: Account | None = None
    """Its stream as a signed link shows it, where one was asked for."""
    shown_alike: bool = True
    """A signed link shows the picture that the job's own address does."""
    others_see_it: bool = False
    """It is shown to another owner."""

    @property
    def outcome(self) -> Outcome:
        assert self.record is not None
        return Outcome(frozenset(self.record.rows), self.rest)


def judge(
    seen: Seen, right: Outcome, forgotten: bool = False, turned_back: bool = False
) -> list[Finding]:
    """What harm came to it; else the one finding of how it ended. forgotten: Redis may have come back without it;
    turned_back: Redis came back with an older state of it, so that its readers may have been ahead."""
    harms = list(_harms(seen, right, forgotten, turned_back))
    if harms:
        return harms
    return [Finding(Verdict.TOLD_LOST if seen.trouble else Verdict(seen.status))]


def _harms(
    seen: Seen, right: Outcome, forgotten: bool, turned_back: bool
) -> Iterator[Finding]:
    if seen.trouble is not None:
        if not (forgotten and _is_gone(seen)):
            yield Finding(_of_trouble(seen), repr(seen.trouble))
        return
    assert seen.record is not None
    if seen.status not in (Verdict.SUCCEEDED, Verdict.CANCELED):
        yield Finding(Verdict.LOST, f"it is {seen.status}")
        return
    rows = seen.record.rows
    if len(set(rows)) < len(rows):
        yield Finding(Verdict.DOUBLED, "a row is there twice")
    if seen.status == Verdict.SUCCEEDED and seen.outcome != right:
        what = "rows" if seen.outcome.rows != right.rows else "result"
        yield Finding(
            Verdict.DIFFERING, f"{what} differ from those of an undisturbed run"
        )
    if not right.rows.issuperset(rows):
        yield Finding(
            Verdict.DIFFERING, "a row differs from that of an undisturbed run"
        )
    if seen.others_see_it:
        yield Finding(Verdict.MISLED, "another owner is shown it")
    if not seen.shown_alike:
        yield Finding(Verdict.MISLED, "a link shows another picture")
    by_link = [] if seen.by_link is None else [seen.by_link]
    for account in (
        [seen.record] if turned_back else [*seen.accounts, seen.record, *by_link]
    ):
        for why in _lies(account, seen):
            yield Finding(Verdict.MISLED, why)


def _is_gone(seen: Seen) -> bool:
    """It was accepted, and then there was no such job."""
    return seen.accepted is not None and getattr(seen.trouble, "status", None) in (
        404,
        410,
    )


def _of_trouble(seen: Seen) -> Verdict:
    is_refusal = isinstance(seen.trouble, ApiError) and not _is_gone(seen)
    return Verdict.REFUSED if is_refusal else Verdict.LOST


def _lies(account: Account, seen: Seen) -> Iterator[str]:
    """What is wrong with what a reader was told."""
    assert seen.record is not None
    numbers = [event.number for event in account.events if event.number is not None]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"its events were {numbers}"
    ends = [event for event in account.events if event.name in ENDS]
    if len(ends) != 1 or account.events[-1] is not ends[0]:
        yield f"it was told {len(ends)} ends"
    elif ENDS[ends[0].name] != seen.status:
        yield f"it was told {ends[0].name} of a job that is {seen.status}"
    if account.rows != seen.record.rows:
        yield f"it was given {len(account.rows)} rows, other than the {len(seen.record.rows)} of the stream"
    if seen.status == "succeeded" and len(account.rows) != seen.rows_total:
        yield f"it was given {len(account.rows)} rows of {seen.rows_total}"
