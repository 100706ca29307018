"""A job's event stream, as it arrives: rows, and where to go on when it breaks."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from pixelrnn.client import documents
from pixelrnn.client.answers import check_type
from pixelrnn.client.errors import ApiError, UnexpectedAnswerError
from pixelrnn.client.patience import Patience
from pixelrnn.client.settings import Habits

_EVENTS = "text/event-stream"
_END_OF_LINE = re.compile(r"\r\n|\n|\r")
"""The ends of lines of a stream, and nothing else: httpx ends lines wherever Unicode does, also within what is told."""
_ENDS = frozenset({"done", "error", "canceled"})


@dataclass(frozen=True)
class Row:
    """Row y of an image is final: W * C bytes, pixel by pixel, colour by colour."""

    sample: int
    y: int
    pixels: bytes
    stage: documents.Stage = "final"
    """`small`: of the image that a Multi-Scale model draws first."""
    cutout: int | None = None
    """Number of the cut-out that it is a row of, where holes of a larger picture are filled (`fit="crop"`)."""


@dataclass(frozen=True)
class Estimate:
    """The expectation so far of a completion that is drawn by particles."""

    sample: int
    """The image that is being drawn."""
    share: float
    """How much of the job's work is done, 0 to 1."""
    mean: bytes
    """H * W * C bytes 0..255: the expected value of each colour of each pixel, the rows from the top down."""
    cutout: int | None = None
    """Number of the cut-out, as of a row."""


OnEstimate = Callable[[Estimate], None]


class Feed:
    """The part of one job's stream that has arrived. on_estimate hears what is expected so far, as that comes."""

    def __init__(self, on_estimate: OnEstimate | None = None) -> None:
        self._on_estimate = on_estimate
        self.state: documents.Job | None = None
        """The job as the stream last told it."""
        self.has_ended = False
        self._last_id = ""
        self._fields: dict[str, str] = {}
        self._begun = ""

    def headers(self) -> dict[str, str]:
        """Headers of the request that goes on where this feed is."""
        self._fields, self._begun = {}, ""
        resume = {"Last-Event-ID": self._last_id} if self._last_id else {}
        return {"Accept": _EVENTS, **resume}

    def take(self, text: str) -> list[Row | None]:
        """Take what came next: the events that it completes, each as its row, if it is one. Raises ApiError when the
        job is gone, UnexpectedAnswerError for what is no event of a job."""
        *lines, self._begun = _END_OF_LINE.split(self._begun + text)
        if self._begun == "" and text.endswith(
            "\r"
        ):  # perhaps the first half of an end
            self._begun = lines.pop() + "\r"
        try:
            return [
                self._event(fields.get("event", ""), fields)
                for fields in map(self._line, lines)
                if fields
            ]
        except (ValueError, KeyError, TypeError):
            raise UnexpectedAnswerError(
                "an event that is none of a job's came: is this the service?"
            ) from None

    def _line(self, line: str) -> dict[str, str] | None:
        """The fields of the event that this line ends, where it ends one."""
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        return fields if "data" in fields else None

    def _event(self, name: str, fields: dict[str, str]) -> Row | None:
        data = json.loads(fields["data"])
        self._last_id = fields.get("id", self._last_id)
        if name == "row":
            place = data.get("stage", "final"), data.get("cutout")
            return Row(
                data["sample"], data["y"], base64.b64decode(data["pixels"]), *place
            )
        if name == "estimate" and self._on_estimate is not None:
            mean = base64.b64decode(data["mean"])
            self._on_estimate(
                Estimate(data["sample"], data["share"], mean, data.get("cutout"))
            )
        if name == "snapshot" or name in _ENDS:
            if "id" not in data:  # the job is gone, and a problem says why
                raise ApiError(data["status"], data)
            data.pop("type", None)  # the event's name once more
            self.state = data
            self.has_ended = name in _ENDS
        return None


class Reading:
    """A feed that is read to its end, over as many connections as it takes: what to do as each opens and breaks."""

    def __init__(self, feed: Feed, habits: Habits) -> None:
        self.feed = feed
        self.pause_s = 0.0
        """How long to wait before the next connection."""
        self._patience = Patience(habits)

    def opened(self, response: httpx.Response) -> bool:
        """True if events follow; a refusal must have been read in full. Raises ApiError when trying again is of no use,
        UnexpectedAnswerError if something else than events is answered."""
        pause_s = self._patience.after_answer(response)
        self.pause_s = pause_s or 0.0
        if pause_s is None:
            check_type(response, _EVENTS)
        return pause_s is None

    def take(self, text: str) -> list[Row]:
        """Take what came next; returns the rows that it completes. A row is progress; any other event says at least
        that the service is there, so a job that waits is waited for."""
        events = self.feed.take(text)
        rows = [row for row in events if row is not None]
        if rows:
            self._patience.renew()
        elif events:
            self._patience.keep_on()
        return rows

    def closed(self, error: httpx.TransportError | None = None) -> None:
        """The connection has ended or failed. Raises UnreachableError after the last try."""
        if error is not None or not self.feed.has_ended:
            self.pause_s = self._patience.after_silence(error)
