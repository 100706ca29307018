"""What a job's stream says, as Redis answers it."""

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
    """From the answer to XRANGE, or one stream's part of the answer to XREAD."""
    return [
        Entry(int(entry_id.partition(b"-")[0]), EventType(fields[b"type"].decode()), fields[b"data"].decode())
        for entry_id, fields in raw or []
    ]


def streams_of(answer: Any) -> Iterable[tuple[bytes, Any]]:
    """XREAD answers a list of [key, entries], a mapping of them, or nothing, depending on the client's version."""
    if not answer:
        return []
    return answer.items() if isinstance(answer, dict) else answer
