"""A job's event stream, line by line: rows, and where to go on when it breaks."""

import base64
import json
from dataclasses import dataclass

import httpx

from pixelrnn.client import documents
from pixelrnn.client.errors import ApiError
from pixelrnn.client.patience import Patience

_ENDS = frozenset({"done", "error", "canceled"})


@dataclass(frozen=True)
class Row:
    """Row y of an image is final: W * C bytes, pixel by pixel, colour by colour."""

    sample: int
    y: int
    pixels: bytes
    stage: documents.Stage = "final"
    """`small`: of the image that a Multi-Scale model draws first."""


class Feed:
    """What has arrived of one job's stream."""

    def __init__(self) -> None:
        self.state: documents.Job | None = None
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
        """The next line without its end; the row that it completes. Raises ApiError when the job is gone."""
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
            if "id" not in data:  # the job is gone, and a problem says why
                raise ApiError(data["status"], data)
            data.pop("type", None)  # the event's name once more
            self.state = data
            self.has_ended = name in _ENDS
        return None


class Reading:
    """A feed that is read to its end, over as many connections as it takes: what to do as each opens and breaks."""

    def __init__(self, feed: Feed, tries: int) -> None:
        self.feed = feed
        self.pause_s = 0.0
        """How long to wait before the next connection."""
        self._patience = Patience(tries)

    def opened(self, response: httpx.Response) -> bool:
        """Whether lines follow; a refusal must have been read in full. Raises ApiError when trying again is of no
        use."""
        pause_s = self._patience.after_answer(response)
        self.pause_s = pause_s or 0.0
        return pause_s is None

    def take(self, line: str) -> Row | None:
        """The next line, and the row that it completes."""
        row = self.feed.take(line)
        if row is not None:
            self._patience.renew()
        return row

    def closed(self, error: httpx.TransportError | None = None) -> None:
        """The connection has ended or failed. Raises UnreachableError after the last try."""
        if error is not None or not self.feed.has_ended:
            self.pause_s = self._patience.after_silence(error)
