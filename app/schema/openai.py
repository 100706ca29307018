"""Requests and answers of OpenAI's image API, as far as they apply to models that know
no words but names of labels."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.errors import BadParameterError
from app.schema.answers import Problem
from worker.contract.jobs import MAX_SEED
from worker.contract.record import Described, Int64
from worker.contract.size import PATTERN

PREFIX = "/v1/"
MAX_IMAGES = 10
MAX_PARTIAL_IMAGES = 3
_USUAL_SIDE = 1024
"""Longest side in pixels of an answer's pictures if no size is asked for."""
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_NOTHING_ASKED = (None, "auto", False, 0, "false", "0", "")
"""Values of fields in _WITHOUT_MEANING that ask for nothing."""
_WITHOUT_MEANING = (
    "quality",
    "style",
    "background",
    "moderation",
    "output_compression",
    "input_fidelity",
)
"""Fields that have no meaning for these models."""


class ImageRequest(BaseModel):
    """The fields of both calls. Fields in _WITHOUT_MEANING are accepted if their value
    asks for nothing."""

    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, use_attribute_docstrings=True
    )
    model: str = Field(min_length=1, max_length=64)
    """Name of the model."""
    prompt: str = Field(default="", max_length=32_000)
    """Name of a label, or empty."""
    n: int | None = Field(default=None, ge=1, le=MAX_IMAGES)
    """Number of images; None stands for 1."""
    size: str | None = Field(default=None, max_length=16)
    """WIDTHxHEIGHT in pixels that the answer's pictures may have, or `auto`. They are
    enlarged by a whole number, so that they may be smaller."""
    response_format: Literal["b64_json", "url"] | None = None
    """Whether the answer contains pictures or their addresses."""
    output_format: Literal["png", "webp", "jpeg"] | None = None
    """File format of the pictures."""
    user: str | None = Field(default=None, max_length=1024)
    """Accepted and ignored."""
    seed: Int64 | None = Field(default=None, ge=0, le=MAX_SEED)
    """Seed of the noise; None for a random one. OpenAI has no such field."""
    quality: SkipJsonSchema[Any] = None
    style: SkipJsonSchema[Any] = None
    background: SkipJsonSchema[Any] = None
    moderation: SkipJsonSchema[Any] = None
    output_compression: SkipJsonSchema[Any] = None
    input_fidelity: SkipJsonSchema[Any] = None
    """This field and those above it, from `quality` on, may only ask for nothing."""
    stream: bool | None = None
    """True for an event stream."""
    partial_images: int | None = Field(default=None, ge=0, le=MAX_PARTIAL_IMAGES)
    """Number of unfinished pictures in the event stream, or fewer for an image of few
    rows."""

    def check_applicable(self) -> None:
        """Raise BadParameterError if a field asks for something that these models
        cannot do, or fields contradict each other."""
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
        """Return the label that the prompt names, whatever its case and with spaces
        around it or not, or None for an empty prompt.

        names: labels of the model. Raises BadParameterError for a prompt that is not
        one of them.
        """
        prompt = self.prompt.strip()
        if not prompt:
            return None
        for name in names:
            if name.casefold() == prompt.casefold():
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
        """Return the factor by which pictures of width x height pixels are enlarged:
        the largest that fits into the size asked for, or without one into _USUAL_SIDE,
        at least 1.

        Raises BadParameterError for an invalid size, or one smaller than the model's.
        """
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


class GenerationRequest(ImageRequest):
    """Body of POST /v1/images/generations."""

    field: str | None = Field(default=None, pattern=PATTERN)
    """Size of the drawn picture in the model's pixels, if it is larger than the model's
    own. `size` is that of the enlarged picture in the answer."""


class EditForm(ImageRequest):
    """Form of POST /v1/images/edits: one picture, in the field `image` or `image[]`."""

    image: UploadFile | None = None
    """The picture."""
    images: SkipJsonSchema[list[UploadFile]] = Field(
        default_factory=list, alias="image[]"
    )
    """The picture, under its other name."""
    mask: UploadFile | None = None
    """Transparent pixels of the mask are filled."""

    @property
    def picture(self) -> UploadFile:
        """The picture. Raises BadParameterError if there is none, or more than one."""
        sent = [*([self.image] if self.image else []), *self.images]
        if len(sent) != 1:
            raise BadParameterError(
                "image: expected one picture, part of which is filled", field="image"
            )
        return sent[0]


_NO_TOKENS = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
NO_USAGE = {**_NO_TOKENS, "input_tokens_details": {"image_tokens": 0, "text_tokens": 0}}
"""Token counts of a streamed image, which OpenAI's types require."""


def error_of(problem: Problem) -> tuple[int, dict[str, Any]]:
    """Return (status, body) of an error in the form of OpenAI's API. 422 becomes
    400."""
    status = 400 if problem.status == 422 else problem.status
    kind = "invalid_request_error"
    if status == 429:
        kind = "rate_limit_error"
    elif status >= 500:
        kind = "server_error"
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


class OpenAIModel(Described):
    """A model in OpenAI's form."""

    id: str
    """Name of the model."""
    object: Literal["model"] = "model"
    """Always `model`."""
    created: int = 0
    """Always 0."""
    owned_by: str = "pixelrnn"
    """Always `pixelrnn`."""


class OpenAIModelList(Described):
    """Answer of GET /v1/models."""

    object: Literal["list"] = "list"
    """Always `list`."""
    data: list[OpenAIModel]
    """The models that draw pictures."""


class OpenAIImage(Described):
    """A picture or its address, as `response_format` asks."""

    b64_json: str = ""
    """The picture's file in base64."""
    url: str = ""
    """The picture's address."""


class OpenAIImages(Described):
    """Answer of the calls that draw, unless `stream` asks for events."""

    created: Int64
    """Time of the job's acceptance, in whole seconds since 1970."""
    data: list[OpenAIImage]
    """The pictures, in the order of their samples."""
    output_format: Literal["png", "webp", "jpeg"]
    """Format of the files."""
    size: str
    """Size of the pictures in pixels, as WIDTHxHEIGHT."""
    seed: Int64
    """The seed, from which the same pictures are drawn again."""
    job: str
    """Id of the job that drew the pictures."""


class OpenAIErrorBody(Described):
    """What went wrong."""

    message: str
    """A sentence for people."""
    type: str
    """`invalid_request_error`, `rate_limit_error` for 429, `server_error` from 500 on."""
    param: str | None
    """The field that is wrong; null if it is none or several."""
    code: str
    """The last word of the problem's type that other calls answer, such as
    `unknown-model`."""


class OpenAIError(Described):
    """Body of every error under /v1."""

    error: OpenAIErrorBody
    """The error, as OpenAI's clients read it."""
