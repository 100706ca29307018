"""Requests and answers as OpenAI's clients have them, as far as a model can that knows no words but names of labels."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field

from app.errors import BadParameterError
from app.schema.answers import Problem
from worker.contract.jobs import MAX_SEED
from worker.contract.size import PATTERN

PREFIX = "/v1/"
MAX_IMAGES = 10
MAX_PARTIAL_IMAGES = 3
_USUAL_SIDE = 1024
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_NOTHING_ASKED = (None, "auto", False, 0, "false", "0", "")
_WITHOUT_MEANING = (
    "quality",
    "style",
    "background",
    "moderation",
    "output_compression",
    "input_fidelity",
)


class Asked(BaseModel):
    """The fields of both calls. Those of _WITHOUT_MEANING may be there, and may ask for nothing."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    model: str = Field(min_length=1, max_length=64)
    prompt: str = Field(default="", max_length=32_000)
    n: int | None = Field(default=None, ge=1, le=MAX_IMAGES)
    size: str | None = Field(default=None, max_length=16)
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png", "webp", "jpeg"] | None = None
    user: str | None = Field(default=None, max_length=1024)
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    quality: Any = None
    style: Any = None
    background: Any = None
    moderation: Any = None
    output_compression: Any = None
    input_fidelity: Any = None
    stream: bool | None = None
    partial_images: int | None = Field(default=None, ge=0, le=MAX_PARTIAL_IMAGES)

    def expect_what_applies(self) -> None:
        """Raises BadParameterError for a wish that no model here can have."""
        for name in _WITHOUT_MEANING:
            if getattr(self, name) not in _NOTHING_ASKED:
                raise BadParameterError(
                    f"{name}: it does not apply to these models; leave it out",
                    field=name,
                )
        if self.partial_images and not self.stream:
            raise BadParameterError(
                "partial_images: expected stream as well, or 0", field="partial_images"
            )
        if self.stream and self.n not in (None, 1):
            raise BadParameterError("n: expected 1 with stream", field="n")
        if self.stream and self.response_format == "url":
            raise BadParameterError(
                "response_format: expected b64_json with stream",
                field="response_format",
            )

    def label_among(self, names: Sequence[str]) -> str | None:
        """The label that the prompt names, in capitals or not, of those that the model has; None for an empty prompt.
        Raises BadParameterError."""
        asked = self.prompt.strip()
        if not asked:
            return None
        for name in names:
            if name.casefold() == asked.casefold():
                return name
        expected = (
            f"one of its labels, {', '.join(names)}, or an empty prompt"
            if names
            else "an empty prompt"
        )
        raise BadParameterError(
            f"prompt: this model draws without words; expected {expected}",
            field="prompt",
        )

    def scale_for(self, width: int, height: int) -> int:
        """How many times the model's size fits into the one that is asked for. Raises BadParameterError."""
        if self.size in (None, "", "auto"):
            return max(1, _USUAL_SIDE // max(width, height))
        found = _SIZE.fullmatch(self.size or "")
        if found is None:
            raise BadParameterError(
                "size: expected WIDTHxHEIGHT, such as 1024x1024, or auto", field="size"
            )
        scale = min(int(found[1]) // width, int(found[2]) // height)
        if not scale:
            raise BadParameterError(
                f"size: expected {width}x{height}, the model's own, or more",
                field="size",
            )
        return scale


class GenerationRequest(Asked):
    """POST /v1/images/generations. field: a size in the model's pixels, larger than its own; `size` is that of the
    answer's pictures."""

    field: str | None = Field(default=None, pattern=PATTERN)


class EditForm(Asked):
    """POST /v1/images/edits: one picture, by either name."""

    image: UploadFile | None = None
    images: list[UploadFile] = Field(default_factory=list, alias="image[]")
    mask: UploadFile | None = None

    @property
    def picture(self) -> UploadFile:
        """The picture. Raises BadParameterError where there is not just one."""
        sent = [*([self.image] if self.image else []), *self.images]
        if len(sent) != 1:
            raise BadParameterError(
                "image: expected one picture, part of which is filled", field="image"
            )
        return sent[0]


_NO_TOKENS = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
NO_USAGE = {**_NO_TOKENS, "input_tokens_details": {"image_tokens": 0, "text_tokens": 0}}
"""Tokens of a streamed image, which OpenAI's types ask for."""


def error_of(problem: Problem) -> tuple[int, dict[str, Any]]:
    """The status and the body by which OpenAI's clients know an error."""
    status = 400 if problem.status == 422 else problem.status
    kind = (
        "server_error"
        if status >= 500
        else "rate_limit_error"
        if status == 429
        else "invalid_request_error"
    )
    pointer = problem.errors[0].pointer.rpartition("/")[2] if problem.errors else None
    slug = problem.type.rpartition(":")[2]
    return status, {
        "error": {
            "message": problem.detail,
            "type": kind,
            "param": pointer,
            "code": slug,
        }
    }


def model_of(name: str) -> dict[str, Any]:
    """A model of the list."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "pixelrnn"}
