"""The event stream of a job: its rows, and where to continue after the connection
breaks."""

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
"""The line ends of an event stream. httpx would also split lines at other characters
that Unicode defines as line ends, which may be part of an event."""
_ENDS = frozenset({"done", "error", "canceled"})


@dataclass(frozen=True)
class Row:
    """A row of an image, which is final.

    sample: number of the image.
    y: index of the row, from the top.
    pixels: W * C bytes, pixel by pixel and colour by colour.
    """

    sample: int
    y: int
    pixels: bytes
    stage: documents.Stage = "final"
    """`small`: a row of the small image that a Multi-Scale model draws first."""
    cutout: int | None = None
    """Index of the cut-out, if holes of a larger picture are filled (`fit="crop"`);
    else None."""


@dataclass(frozen=True)
class Estimate:
    """The expected image so far, in a completion by particles."""

    sample: int
    """Number of the image that is being drawn."""
    share: float
    """Share of the job's work that is done, 0 to 1."""
    mean: bytes
    """H * W * C bytes, row by row: the mean of each colour of each pixel, 0..255; of a
    model with a palette the index of the likeliest colour."""
    cutout: int | None = None
    """Index of the cut-out, like that of a row."""


OnEstimate = Callable[[Estimate], None]


class Feed:
    """Parses the event stream of one job."""

    def __init__(self, on_estimate: OnEstimate | None = None) -> None:
        """on_estimate: called with each estimate as it arrives; None: estimates are
        left out."""
        self._on_estimate = on_estimate
        self.state: documents.Job | None = None
        """The last state of the job in the stream."""
        self.has_ended = False
        """True after the event with which the job ends."""
        self._last_id = ""
        self._fields: dict[str, str] = {}
        self._incomplete_line = ""

    def headers(self) -> dict[str, str]:
        """Return the headers of a request that continues after the last event, or
        starts from the first if there was none. Call it before each connection: it
        discards an event that has arrived in part."""
        self._fields = {}
        self._incomplete_line = ""
        resume = {"Last-Event-ID": self._last_id} if self._last_id else {}
        return {"Accept": _EVENTS, **resume}

    def take(self, text: str) -> list[Row | None]:
        """Parse the next text of the stream, which may end anywhere; update `state` and
        `has_ended`, and call on_estimate. Return an entry for each event that the text
        completes: the row, or None for any other event.

        Raises ApiError if the job no longer exists, UnexpectedAnswerError for an event
        whose data is not a job's.
        """
        # A ValueError, KeyError or TypeError of on_estimate becomes an
        # UnexpectedAnswerError, too.
        *lines, self._incomplete_line = _END_OF_LINE.split(self._incomplete_line + text)
        if self._incomplete_line == "" and text.endswith("\r"):
            # The "\r" may be the first half of "\r\n".
            self._incomplete_line = lines.pop() + "\r"
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
        """Parse a line. Return the fields of the event that it completes; None if it
        completes none."""
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return None
        fields = self._fields
        self._fields = {}
        return fields if "data" in fields else None

    def _event(self, name: str, fields: dict[str, str]) -> Row | None:
        """Apply an event to this feed. Return its row, if it is one."""
        data = json.loads(fields["data"])
        self._last_id = fields.get("id", self._last_id)
        if name == "row":
            return Row(
                data["sample"],
                data["y"],
                base64.b64decode(data["pixels"]),
                data.get("stage", "final"),
                data.get("cutout"),
            )
        if name == "estimate" and self._on_estimate is not None:
            mean = base64.b64decode(data["mean"])
            self._on_estimate(
                Estimate(data["sample"], data["share"], mean, data.get("cutout"))
            )
        if name == "snapshot" or name in _ENDS:
            if "id" not in data:  # the job no longer exists: this is a problem document
                raise ApiError(data["status"], data)
            data.pop("type", None)  # a copy of the event's name
            self.state = data
            self.has_ended = name in _ENDS
        return None


class Reading:
    """Decides, as connections to one event stream open and break, what to do next,
    until the feed has been read to its end."""

    def __init__(self, feed: Feed, habits: Habits) -> None:
        """habits: how often, and for how long, a new connection is tried."""
        self.feed = feed
        self.pause_s = 0.0
        """Seconds to wait before the next connection."""
        self._patience = Patience(habits)
        self._has_heard = False
        """True if an event has arrived by this connection."""

    def on_open(self, response: httpx.Response) -> bool:
        """Return True if events follow; False if the connection has to be tried again
        after `pause_s` seconds. The body of an unsuccessful response must have been
        read.

        Raises ApiError if a further try is useless or was the last one,
        UnexpectedAnswerError if the response is no event stream.
        """
        pause_s = self._patience.after_answer(response)
        self.pause_s = pause_s or 0.0
        if pause_s is None:
            check_type(response, _EVENTS)
        return pause_s is None

    def take(self, text: str) -> list[Row]:
        """Parse the next text of the stream, and return the rows that it completes. If
        the text completes an event, failures are counted from zero again. Errors are
        those of `Feed.take`."""
        events = self.feed.take(text)
        self._has_heard = self._has_heard or bool(events)
        rows = [row for row in events if row is not None]
        if rows:
            self._patience.renew()
        elif events:
            # No progress, but the service responds: the job may be waiting.
            self._patience.keep_on()
        return rows

    def on_close(self, error: httpx.TransportError | None = None) -> None:
        """Call it after the connection has ended or failed: sets `pause_s`, the seconds
        to wait before the next one. If the job has ended and there is no error, nothing
        changes. Raises UnreachableError after the last try."""
        has_heard = self._has_heard
        self._has_heard = False
        if has_heard and isinstance(error, httpx.ReadTimeout):
            # The stream was quiet for longer than the client's timeout: its job may be
            # waiting. The next connection begins with an event if the service responds.
            self.pause_s = 0.0
            return
        if error is not None or not self.feed.has_ended:
            self.pause_s = self._patience.after_silence(error)
