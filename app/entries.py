"""The entries of a job's stream, read from Redis's replies. Rows that were written in
one entry become one Entry each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from worker.contract.events import EventType, rows_of


@dataclass(frozen=True, slots=True)
class Entry:
    """A row, or the end of the job."""

    seq: int
    """Its number in the stream: 1, 2, ..."""
    type: EventType
    data: str
    """JSON."""

    @property
    def is_last(self) -> bool:
        """True for the end of the job."""
        return self.type.is_terminal


def entries_of(raw: Any) -> list[Entry]:
    """Read the reply to XRANGE, or one stream's part of the reply to XREAD. None is an
    empty reply."""
    entries: list[Entry] = []
    for entry_id, fields in raw or []:
        entries += _parts(entry_id, fields)
    return entries


def _parts(entry_id: bytes, fields: Any) -> list[Entry]:
    """Return the entries in one of Redis. Its id is the number of the last of them.

    fields: a mapping, or names and values in turn, as Redis sends them.
    """
    if not isinstance(fields, dict):
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    seq = int(entry_id.partition(b"-")[0])
    rows = rows_of(fields[b"type"], fields[b"data"])
    if not rows:
        type_ = EventType(fields[b"type"].decode())
        return [Entry(seq, type_, fields[b"data"].decode())]
    first = seq + 1 - len(rows)
    return [Entry(first + i, EventType.ROW, row) for i, row in enumerate(rows)]


def streams_of(answer: Any) -> Iterable[tuple[bytes, Any]]:
    """Return key and entries of each stream in a reply to XREAD, which is a list of
    pairs, a mapping, or None."""
    if not answer:
        return []
    return answer.items() if isinstance(answer, dict) else answer
