"""Rows and ends of a job's stream, read from what Redis answers: where rows were written together, each by itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from worker.contract.events import EventType, rows_of


@dataclass(frozen=True, slots=True)
class Entry:
    """A row, or how the job ended; `seq` counts 1, 2, ... and `data` is JSON."""

    seq: int
    type: EventType
    data: str

    @property
    def is_last(self) -> bool:
        return self.type.is_terminal


def entries_of(raw: Any) -> list[Entry]:
    """Read the answer to XRANGE, or one stream's part of the answer to XREAD."""
    return [
        entry for entry_id, fields in raw or [] for entry in _parts(entry_id, fields)
    ]


def _parts(entry_id: bytes, fields: Any) -> list[Entry]:
    """The fields are a mapping or, as they come, a list of names and values. The id is the number of the last row."""
    if not isinstance(fields, dict):
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    seq, type_, data = (
        int(entry_id.partition(b"-")[0]),
        fields[b"type"],
        fields[b"data"],
    )
    rows = rows_of(type_, data)
    if not rows:
        return [Entry(seq, EventType(type_.decode()), data.decode())]
    return [
        Entry(number, EventType.ROW, row)
        for number, row in enumerate(rows, start=seq + 1 - len(rows))
    ]


def streams_of(answer: Any) -> Iterable[tuple[bytes, Any]]:
    """XREAD answers a list of [key, entries], a mapping of them, or nothing."""
    if not answer:
        return []
    return answer.items() if isinstance(answer, dict) else answer
