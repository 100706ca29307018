"""A job's event stream, line by line: rows, and where to go on when it breaks."""

import base64
import json
from dataclasses import dataclass
from typing import Any

_ENDS = frozenset({"done", "error", "canceled"})


@dataclass(frozen=True)
class Row:
    """Row y of an image is final: W * C bytes, pixel by pixel, colour by colour."""

    sample: int
    y: int
    pixels: bytes
    stage: str = "final"
    """`small`: of the image that a Multi-Scale model draws first."""


class Feed:
    """What has arrived of one job's stream."""

    def __init__(self) -> None:
        self.state: dict[str, Any] | None = None
        """The job as the stream last told it."""
        self.has_ended = False
        self._last_id = ""
        self._fields: dict[str, str] = {}

    def headers(self) -> dict[str, str]:
        """Of the request that goes on where this feed is."""
        self._fields = {}
        resume = {"Last-Event-ID": self._last_id} if self._last_id else {}
        return {"Accept": "text/event-stream", **resume}

    def take(self, line: str) -> Row | None:
        """The next line without its end; the row that it completes."""
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        return self._event(fields.get("event", ""), fields) if "data" in fields else None

    def _event(self, name: str, fields: dict[str, str]) -> Row | None:
        data = json.loads(fields["data"])
        self._last_id = fields.get("id", self._last_id)
        if name == "row":
            return Row(data["sample"], data["y"], base64.b64decode(data["pixels"]), data.get("stage", "final"))
        if name == "snapshot" or name in _ENDS:
            self.state = data
            self.has_ended = name in _ENDS
        return None
