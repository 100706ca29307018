"""How the client of a POST wants to be answered: its headers Accept, Prefer and Idempotency-Key.

They are declared in app.openapi, and read here: FastAPI would take as long to look at each as all of this together.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from starlette.datastructures import Headers

from app.errors import BadParameterError

MAX_WAIT_S = 30
MAX_KEY_LENGTH = 255
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\b", re.IGNORECASE)
_QUALITY = re.compile(r";\s*q=([0-9.]+)")


class Media(StrEnum):
    JSON = "application/json"
    EVENTS = "text/event-stream"
    PNG = "image/png"


@dataclass(frozen=True)
class Preferences:
    media: Media
    wait_s: int
    """How long to wait for the end of the job; 0 = answer at once."""
    idempotency_key: str | None

    @property
    def keep_the_connection(self) -> bool:
        """Whether the answer takes as long as the job."""
        return self.wait_s > 0 or self.media is Media.EVENTS


def preferences_of(headers: Headers) -> Preferences:
    """BadParameterError for an `Idempotency-Key` that is too short or too long."""
    key = headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise BadParameterError(f"Idempotency-Key: expected 1 to {MAX_KEY_LENGTH} characters")
    wanted = _WAIT.search(headers.get("prefer", ""))
    wait_s = min(int(wanted[1]), MAX_WAIT_S) if wanted else 0
    return Preferences(liked(headers.get("accept", ""), tuple(Media)), wait_s, key)


def liked(accept: str, among: Sequence[Media]) -> Media:
    """The type that a client with this `Accept` likes best of some; the first one where it names none of them."""
    best, liking = among[0], 0.0
    for part in accept.split(","):
        name = part.partition(";")[0].strip().lower()
        if name in among and (quality := _quality(part)) > liking:
            best, liking = Media(name), quality
    return best


def _quality(part: str) -> float:
    found = _QUALITY.search(part)
    try:
        return float(found[1]) if found else 1.0
    except ValueError:
        return 0.0
