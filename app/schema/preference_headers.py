"""Headers with which the client of a POST chooses the form of the answer, for the
schema. app.routes.preferences reads them."""

from enum import StrEnum
from typing import Any

MAX_KEY_LENGTH = 255
"""Most characters of an `Idempotency-Key`."""
MAX_WAIT_S = 30
"""Most seconds that `Prefer: wait` and `?wait=` may ask for."""


class Media(StrEnum):
    """Media types of answers that a client may prefer."""

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
    "description": "`wait=N`: answer when the job has ended, or after N seconds, at "
    f"most {MAX_WAIT_S}, which is also the meaning of `wait` without a number. Other "
    "preferences and invalid numbers are ignored (RFC 7240).",
    "schema": {"type": "string"},
    "example": "wait=10",
}


def preference_headers() -> dict[str, Any]:
    """Return the argument `openapi_extra` of a POST that makes a job: the parameters
    `Prefer` and `Idempotency-Key`."""
    key = (
        "A text of your choice: for a day, repeating the same key and request returns "
        "the same job."
    )
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
