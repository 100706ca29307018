"""What the calls that make a job take. Unknown fields are refused: a misspelt one would otherwise pass unnoticed."""

from dataclasses import replace
from typing import Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field

from app.errors import BadParameterError, NotDecodableError, NotVerifiableError
from app.schema import examples
from app.schema.answers import Int64, Model
from app.schema.job_options import JobOptions
from app.webhooks.addresses import MAX_LENGTH as MAX_WEBHOOK_LENGTH
from worker.contract.coded_file import CodedFile
from worker.contract.jobs import (
    MAX_PARTICLES,
    MAX_PARTICLES_OF_JOB,
    MAX_SEED,
    MAX_SWEEPS,
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    PARTICLES,
    SWEEPS,
    Pixel,
    Priority,
)
from worker.contract.kinds import Method
from worker.contract.recipe import Recipe

MAX_IMAGES = 64
MAX_LINK_S = 7 * 24 * 3600

_MODEL = Field(min_length=1, max_length=64, description="A name of `GET /models`.", examples=["mnist-diagonal-bilstm"])
_N = Field(default=1, ge=1, le=MAX_IMAGES, description="How many images.")
_SEED = Field(default=None, ge=0, le=MAX_SEED, description="The same seed gives the same bytes. Drawn when absent.")
_TEMPERATURE = Field(
    default=1.0,
    ge=MIN_TEMPERATURE,
    le=MAX_TEMPERATURE,
    allow_inf_nan=False,
    description="1 samples the model itself; below 1 likelier images, above 1 wilder ones.",
)
_PRIORITY: Any = Field(
    default=None,
    description="`interactive`: before those that wait, and first for free slots; `bulk`: after the others. "
    "Without it, a job of few images is interactive once a worker has it.",
)
WEBHOOK_TOLD = (
    "An https address, of a host that the server's operator allows, to which the job is posted once it has ended, as "
    "`GET /jobs/{id}` gives it; signed as of the Standard Webhooks specification, at least once, for a day."
)
_WEBHOOK: Any = Field(default=None, max_length=MAX_WEBHOOK_LENGTH, description=WEBHOOK_TOLD)
_PriorityWord = Literal["interactive", "bulk"] | None
_IMAGE_FORMATS = "PNG, JPEG or WebP. Transparency is composited on black."
_FIT: Any = Field(
    default="strict",
    description="`strict`: the image must have the size that is asked for. `resize`: it is stretched to it with a box "
    "filter (area average; nearest pixel where it grows).",
)


class SampleRequest(BaseModel):
    """Draw new images."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [examples.SAMPLE]})
    model: str = _MODEL
    n: int = _N
    seed: Int64 | None = _SEED
    temperature: float = _TEMPERATURE
    priority: _PriorityWord = _PRIORITY
    webhook: str | None = _WEBHOOK


_METHOD: Any = Field(
    default=None,
    description="`posterior`: the hole is drawn given everything that is given, also below and to the right of it: "
    "exactly where that is possible, else by particles. `clamp`: each pixel is drawn given what is above and to the "
    "left of it; what is given behind it is kept, but not looked ahead to. Without it the model's first one: "
    "`GET /models` lists them.",
)


class CompleteForm(BaseModel):
    """Fill the hole of an image."""

    model_config = ConfigDict(extra="forbid")
    image: UploadFile = Field(description=_IMAGE_FORMATS)
    mask: UploadFile | None = Field(
        default=None,
        description="White (128 and above) = fill, black = keep. Without it, transparent pixels are filled.",
    )
    model: str = _MODEL
    n: int = _N
    seed: Int64 | None = _SEED
    temperature: float = _TEMPERATURE
    fit: Literal["strict", "resize"] = Field(
        default="strict",
        description="`strict`: image and mask must have the model's size. `resize`: both are stretched to it with a "
        "box filter (area average; nearest pixel where they grow), then the mask is cut at 128.",
    )
    rank: bool = Field(
        default=False,
        description="Score the completions, and list them with the likeliest first in `result.ranking`.",
    )
    method: Literal["posterior", "clamp"] | None = _METHOD
    particles: int | None = Field(
        default=None,
        ge=1,
        le=MAX_PARTICLES,
        description="Of `posterior`, where it is not exact: how many images are weighed against each other for each "
        f"that is returned. More come closer and take longer. {PARTICLES} when absent, or as many as the model's "
        f"`max_particles`, which is the most; all `n` images together may have {MAX_PARTICLES_OF_JOB}.",
    )
    sweeps: int = Field(
        default=SWEEPS,
        ge=0,
        le=MAX_SWEEPS,
        description="Of `posterior`, where it is not exact: how often each image is drawn anew, given the last one. "
        "Each time brings it closer, and takes as long as the first.",
    )
    priority: _PriorityWord = _PRIORITY
    webhook: str | None = _WEBHOOK


class UpsampleForm(BaseModel):
    """Draw large images from a small one."""

    model_config = ConfigDict(extra="forbid")
    image: UploadFile = Field(description=f"The small image, `small_width` x `small_height` pixels. {_IMAGE_FORMATS}")
    model: str = _MODEL
    n: int = _N
    seed: Int64 | None = _SEED
    temperature: float = _TEMPERATURE
    fit: Literal["strict", "resize"] = _FIT
    priority: _PriorityWord = _PRIORITY
    webhook: str | None = _WEBHOOK


class ScoreForm(BaseModel):
    """How likely is this picture?"""

    model_config = ConfigDict(extra="forbid")
    image: UploadFile = Field(description=f"A picture of the model's size. {_IMAGE_FORMATS}")
    model: str = _MODEL
    fit: Literal["strict", "resize"] = _FIT
    x: int | None = Field(
        default=None,
        ge=0,
        description="With `y`: `result.pixel` lists what was expected in this column, counted from 0 at the left.",
    )
    y: int | None = Field(default=None, ge=0, description="With `x`: the row, counted from 0 at the top.")
    influence: bool = Field(
        default=False,
        description="With `x` and `y`: `result.pixel.influence` says how much each earlier pixel mattered there.",
    )
    webhook: str | None = _WEBHOOK


class VerifyForm(BaseModel):
    """Did the model draw this picture?"""

    model_config = ConfigDict(extra="forbid")
    image: UploadFile = Field(
        description="A sample as `GET /jobs/{id}/image` or `pixelrnn sample` wrote it: a PNG that says how "
        "it was drawn."
    )
    webhook: str | None = _WEBHOOK


class EncodeForm(BaseModel):
    """Many pictures as one file, without loss."""

    model_config = ConfigDict(extra="forbid")
    image: list[UploadFile] = Field(
        min_length=1,
        max_length=MAX_IMAGES,
        description=f"1 to {MAX_IMAGES} pictures of the model's size, in their order. PNG, JPEG or WebP, grey or RGB "
        "as the model's are, 8 bits a colour, not transparent, and with no other values than the model's: each comes "
        "back as it is.",
    )
    model: str = _MODEL
    webhook: str | None = _WEBHOOK


class DecodeRequest(BaseModel):
    """The pictures of a file: the body is the file, which says everything but who is told."""

    webhook: str | None = None


class LinksRequest(BaseModel):
    """Signed addresses of a job."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [examples.LINKS]})
    expires_in: int = Field(
        default=3600, ge=1, le=MAX_LINK_S, description="For how many seconds they work; at most a week."
    )


JobRequest = SampleRequest | CompleteForm | UpsampleForm | ScoreForm | VerifyForm | EncodeForm | DecodeRequest
FILES: tuple[Literal["image", "mask"], ...] = ("image", "mask")
"""All fields that are files; no call has others."""


def uploads_of(body: JobRequest) -> dict[str, list[UploadFile]]:
    """The files of this request; none where an optional one was left out."""
    sent = {role: getattr(body, role) for role in FILES if role in type(body).model_fields}
    return {role: found if isinstance(found, list) else [found] if found else [] for role, found in sent.items()}


def may_resize(body: JobRequest) -> bool:
    """Whether pictures of another size are stretched to the one that is asked for."""
    return getattr(body, "fit", None) == "resize"


def asked_of(body: JobRequest) -> dict[str, Any]:
    """What the body says beside its files: by this a repeated request is known. Fields that came later count where
    something is said in them, so that a request means the same before and after an upgrade."""
    said = body.model_dump(exclude=set(FILES))
    later = {name: type(body).model_fields[name].default for name in _LATER if name in said}
    return {name: value for name, value in said.items() if name not in later or value != later[name]}


_LATER = ("method", "particles", "sweeps", "influence", "webhook")


def verification_of(recipe: Recipe, model: Model) -> JobOptions:
    """How a picture says that it was drawn. Raises NotVerifiableError when the model has other weights now."""
    if recipe.digest != model.digest:
        raise NotVerifiableError("the image was drawn with other weights of this model than those that are loaded")
    how = recipe.seed, 1, recipe.temperature
    return JobOptions(*how, sample=recipe.sample, drawn_with=recipe.numerics)


def decoding_of(file: CodedFile) -> JobOptions:
    """As many pictures as a file holds. Raises NotDecodableError for more than a job has."""
    if file.images > MAX_IMAGES:
        raise NotDecodableError(f"the file holds {file.images} pictures: expected at most {MAX_IMAGES} here")
    return JobOptions(seed=0, n=file.images)


def options_of(body: SampleRequest | CompleteForm | UpsampleForm | ScoreForm | EncodeForm, model: Model) -> JobOptions:
    """What the body says of the job. Raises BadParameterError for a pixel that the model's images do not have, and for
    a way to complete that the model does not have or not so far."""
    if isinstance(body, ScoreForm):
        return JobOptions(seed=0, pixel=_pixel(body, model), influence=body.influence)
    if isinstance(body, EncodeForm):
        return JobOptions(seed=0, n=len(body.image), members=len(model.members))
    options = JobOptions(
        seed=body.seed,
        n=body.n,
        temperature=body.temperature,
        priority=None if body.priority is None else Priority(body.priority),
        rank=isinstance(body, CompleteForm) and body.rank,
    )
    return replace(options, **_method(body, model)) if isinstance(body, CompleteForm) else options


def _method(form: CompleteForm, model: Model) -> dict[str, Any]:
    """How a completion is drawn, as fields of JobOptions."""
    method = next(iter(model.methods), Method.CLAMP) if form.method is None else Method(form.method)
    if method is Method.CLAMP:
        return {}
    if method not in model.methods:
        raise BadParameterError(_why_no_posterior(model), field="method")
    particles = form.particles or min(PARTICLES, model.max_particles)
    if particles > model.max_particles:
        detail = f"particles: expected at most {model.max_particles}, for which the model's workers have room"
        raise BadParameterError(detail, field="particles")
    if form.n * particles > MAX_PARTICLES_OF_JOB:
        most = MAX_PARTICLES_OF_JOB // form.n
        detail = f"particles: expected at most {most} for {form.n} images ({MAX_PARTICLES_OF_JOB} for all of them)"
        raise BadParameterError(detail, field="particles")
    return {"method": method, "particles": particles, "sweeps": form.sweeps}


def _why_no_posterior(model: Model) -> str:
    if model.small_height:
        return "method: this is a Multi-Scale model, which has no posterior; expected clamp"
    return "method: no worker that holds this model offers posterior; expected clamp"


def _pixel(form: ScoreForm, model: Model) -> Pixel | None:
    """The pixel that is asked about, if any."""
    if form.x is None and form.y is None:
        if form.influence:
            raise BadParameterError("influence: expected x and y with it, the pixel that it is on", field="influence")
        return None
    for name, place, size in (("x", form.x, model.width), ("y", form.y, model.height)):
        if place is None or place >= size:
            raise BadParameterError(f"{name}: expected 0 to {size - 1}, together with the other coordinate", field=name)
    assert form.x is not None
    assert form.y is not None
    return Pixel(x=form.x, y=form.y)
