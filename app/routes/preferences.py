"""How the client of a POST wants to be answered: its headers Accept, Prefer and Idempotency-Key.

app.schema.preference_headers describes them. They are read here, because FastAPI would take as long to look at each as
all of this together.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from starlette.datastructures import Headers

from app.errors import BadParameterError
from app.imaging.render import PictureFormat
from app.routes.waiting import preferred_wait_s
from app.schema.preference_headers import MAX_KEY_LENGTH, Media

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
    media: Media
    wait_s: int
    """How long to wait for the end of the job; 0 = answer at once."""
    idempotency_key: str | None
    scale: int = 1
    """Side of the square that each pixel of a picture becomes."""

    def with_picture(self, scale: int, picture: str | None) -> "Preferences":
        """The same, with a picture so large; picture: the name of its format, which wins over `Accept`."""
        media = next(
            (media for media, kind in PICTURE_FORMATS.items() if kind.value == picture),
            self.media,
        )
        return replace(self, scale=scale, media=media)

    @property
    def keep_the_connection(self) -> bool:
        """True if the answer takes as long as the job."""
        return self.wait_s > 0 or self.media is Media.EVENTS


def preferences_of(headers: Headers) -> Preferences:
    """BadParameterError for an `Idempotency-Key` that is too short or too long."""
    key = headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise BadParameterError(
            f"Idempotency-Key: expected 1 to {MAX_KEY_LENGTH} characters"
        )
    wait_s = preferred_wait_s(headers.get("prefer", ""))
    return Preferences(
        preferred_media(headers.get("accept", ""), tuple(Media)), wait_s, key
    )


def preferred_media(accept: str, among: Sequence[Media]) -> Media:
    """The type among some that this `Accept` prefers; of equals, and where it takes none, the first. `image/*` and
    `*/*` speak for types that are not named (RFC 9110, section 12.5.1)."""
    ranges = {
        part.partition(";")[0].strip().lower(): _quality(part)
        for part in accept.split(",")
    }
    return max(among, key=lambda media: _liking(media, ranges))


def _liking(media: Media, ranges: Mapping[str, float]) -> float:
    names = media.value, f"{media.partition('/')[0]}/*", "*/*"
    return next((ranges[name] for name in names if name in ranges), 0.0)


def _quality(part: str) -> float:
    found = _QUALITY.search(part)
    try:
        return float(found[1]) if found else 1.0
    except ValueError:
        return 0.0
