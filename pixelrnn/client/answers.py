"""Checks of a good answer; whatever else came is an UnexpectedAnswerError."""

from typing import Any

import httpx

from pixelrnn.client.errors import UnexpectedAnswerError


def document(response: httpx.Response, *needed: str) -> Any:
    """The JSON object that was answered, which has these fields."""
    check_type(response, "application/json")
    try:
        said = response.json()
    except ValueError:
        said = None
    if not isinstance(said, dict) or not said.keys() >= set(needed):
        raise UnexpectedAnswerError(
            f"{_place(response)} answered with no such document as the service's"
        )
    return said


def check_type(response: httpx.Response, media: str) -> None:
    """UnexpectedAnswerError unless the answer says that it is of this type, or of one that begins so."""
    said = response.headers.get("content-type", "")
    if not said.startswith(media):
        raise UnexpectedAnswerError(
            f"{_place(response)} answered with {said or 'nothing'}: expected {media}"
        )


def _place(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url}"
