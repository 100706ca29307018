"""The entries of a job's stream, read from what Redis answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from worker.contract.events import EventType


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; `seq` counts 1, 2, ... and `data` is JSON."""

    seq: int
    type: EventType
    data: str

    @property
    def is_last(self) -> bool:
        return self.type.is_terminal


def entries_of(raw: Any) -> list[Entry]:
    """Read the answer to XRANGE, or one stream's part of the answer to XREAD."""
    return [_entry(entry_id, fields) for entry_id, fields in raw or []]


def _entry(entry_id: bytes, fields: Any) -> Entry:
    """The fields are a mapping or, as they come, a list of names and values."""
    if not isinstance(fields, dict):
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    seq = int(entry_id.partition(b"-")[0])
    return Entry(seq, EventType(fields[b"type"].decode()), fields[b"data"].decode())


def streams_of(answer: Any) -> Iterable[tuple[bytes, Any]]:
    """XREAD answers a list of [key, entries], a mapping of them, or nothing."""
    if not answer:
        return []
    return answer.items() if isinstance(answer, dict) else answer
