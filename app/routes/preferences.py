"""What kind of response the client of a POST wants: its headers Accept, Prefer and
Idempotency-Key.

app.schema.preference_headers describes them. They are read here and not by FastAPI,
which takes as long for each parameter as all of this together.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from starlette.datastructures import Headers

from app.errors import BadParameterError
from app.imaging.render import PictureFormat
from app.routes.waiting import preferred_wait_s
from app.schema.preference_headers import MAX_KEY_LENGTH, MAX_WAIT_S, PICTURES, Media

_QUALITY = re.compile(r"(?i);\s*q=([0-9.]+)")

PICTURE_FORMATS = MappingProxyType(
    {
        Media.PNG: PictureFormat.PNG,
        Media.WEBP: PictureFormat.WEBP,
        Media.JPEG: PictureFormat.JPEG,
        Media.NPY: PictureFormat.NPY,
    }
)


@dataclass(frozen=True)
class Preferences:
    """What a client prefers; `preferences_of` reads it from the headers."""

    media: Media
    """Media type of the response."""
    wait_s: int
    """Seconds to wait for the end of the job; 0: respond at once."""
    was_asked_to_wait: bool
    """False if it waits only because nothing but a picture is accepted."""
    idempotency_key: str | None
    """None if the client sent none."""
    scale: int = 1
    """Side of the square that each pixel of a picture becomes."""

    def with_picture(self, scale: int, picture: str | None) -> "Preferences":
        """Return a copy with this scale and picture format, which overrides the Accept
        header.

        picture: name of the format; None for none.
        """
        for media, kind in PICTURE_FORMATS.items():
            if kind.value == picture:
                return replace(self, scale=scale, media=media)
        return replace(self, scale=scale)

    @property
    def keep_the_connection(self) -> bool:
        """True if the response takes as long as the job."""
        return self.wait_s > 0 or self.media is Media.EVENTS


def preferences_of(headers: Headers) -> Preferences:
    """Read a request's headers. Raises BadParameterError for an `Idempotency-Key` that
    is empty or too long."""
    key = headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise BadParameterError(
            f"Idempotency-Key: expected 1 to {MAX_KEY_LENGTH} characters"
        )
    accept, prefer = headers.get("accept", ""), headers.get("prefer", "")
    media = preferred_media(accept, tuple(Media))
    if not prefer and _names_pictures_alone(accept):
        return Preferences(
            media, MAX_WAIT_S, was_asked_to_wait=False, idempotency_key=key
        )
    wait_s = preferred_wait_s(prefer)
    return Preferences(media, wait_s, was_asked_to_wait=wait_s > 0, idempotency_key=key)


def preferred_media(accept: str, among: Sequence[Media]) -> Media:
    """Return the media type that an Accept header prefers among some; of equal ones,
    and if it accepts none, the first. `image/*` and `*/*` stand for types that it does
    not name (RFC 9110, section 12.5.1)."""
    ranges = {
        part.partition(";")[0].strip().lower(): _quality(part)
        for part in accept.split(",")
    }
    return max(among, key=lambda media: _liking(media, ranges))


def _names_pictures_alone(accept: str) -> bool:
    ranges = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return all(name in (*PICTURES, "image/*") for name in ranges)


def _liking(media: Media, ranges: Mapping[str, float]) -> float:
    """Return the quality of a type, 0 to 1, by the most specific range that matches."""
    names = media.value, f"{media.partition('/')[0]}/*", "*/*"
    return next((ranges[name] for name in names if name in ranges), 0.0)


def _quality(part: str) -> float:
    """Return the value of `q=` in a part of an Accept header. Default: 1."""
    found = _QUALITY.search(part)
    try:
        return float(found[1]) if found else 1.0
    except ValueError:
        return 0.0
