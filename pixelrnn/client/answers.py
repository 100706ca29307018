"""Checks of successful responses. Each raises UnexpectedAnswerError if the response is
not the service's."""

from typing import Any

import httpx

from pixelrnn.client.errors import UnexpectedAnswerError


def document(response: httpx.Response, *needed: str) -> Any:
    """Return the JSON object of a response. Raise UnexpectedAnswerError if it is none,
    or lacks one of the fields `needed`."""
    check_type(response, "application/json")
    try:
        content = response.json()
    except ValueError:
        content = None
    if not isinstance(content, dict) or not content.keys() >= set(needed):
        raise UnexpectedAnswerError(
            f"{_place(response)} answered with no such document as the service's"
        )
    return content


def check_type(response: httpx.Response, media: str) -> None:
    """Raise UnexpectedAnswerError unless the response's media type is `media`, or
    begins with it."""
    content_type = response.headers.get("content-type", "")
    if not content_type.startswith(media):
        raise UnexpectedAnswerError(
            f"{_place(response)} answered with {content_type or 'nothing'}: expected "
            f"{media}"
        )


def _place(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url}"
