"""Headers that say how the client of a POST wants to be answered, as described. app.routes.preferences reads them."""

from enum import StrEnum
from typing import Any

MAX_KEY_LENGTH = 255
"""Characters of an `Idempotency-Key`."""
MAX_WAIT_S = 30
"""Seconds that `Prefer: wait` and `?wait=` may ask for."""


class Media(StrEnum):
    JSON = "application/json"
    EVENTS = "text/event-stream"
    PNG = "image/png"
    WEBP = "image/webp"
    JPEG = "image/jpeg"
    NPY = "application/x-npy"


PICTURES = Media.PNG, Media.WEBP, Media.JPEG, Media.NPY
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "description": f"`wait=N`: answer when the job has ended, or after N seconds: {MAX_WAIT_S} at most, and for `wait` "
    "without a number. Other words, and a number that cannot be read, are passed over (RFC 7240).",
    "schema": {"type": "string"},
    "example": "wait=10",
}


def preference_headers() -> dict[str, Any]:
    """`openapi_extra=` of a POST that makes a job: the headers that say how it wants to be answered."""
    key = "Any text of your own: the same key and request mean the same job, for a day."
    text = {"type": "string"}
    return {
        "parameters": [
            PREFER,
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": key,
                "schema": {**text, "minLength": 1, "maxLength": MAX_KEY_LENGTH},
            },
        ]
    }
