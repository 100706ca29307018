"""Public bodies. Unknown fields are refused, because a misspelt one would otherwise be silently ignored."""

from datetime import datetime
from typing import Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field

from app import examples
from worker.contract.jobs import MAX_SEED, MAX_TEMPERATURE, MIN_TEMPERATURE, JobError, JobKind, JobStatus
from worker.contract.scores import ScoreSummary

MAX_IMAGES = 64
MAX_WAIT_S = 30
MAX_KEY_LENGTH = 255

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
PriorityWord = Literal["interactive", "bulk"] | None
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
    seed: int | None = _SEED
    temperature: float = _TEMPERATURE
    priority: PriorityWord = _PRIORITY


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
    seed: int | None = _SEED
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
    priority: PriorityWord = _PRIORITY


class UpsampleForm(BaseModel):
    """Draw large images from a small one."""

    model_config = ConfigDict(extra="forbid")
    image: UploadFile = Field(description=f"The small image, `small_width` x `small_height` pixels. {_IMAGE_FORMATS}")
    model: str = _MODEL
    n: int = _N
    seed: int | None = _SEED
    temperature: float = _TEMPERATURE
    fit: Literal["strict", "resize"] = _FIT
    priority: PriorityWord = _PRIORITY


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


class Links(BaseModel):
    self: str
    events: str
    image: str


class RankedImage(BaseModel):
    """A completion and how likely the model finds the whole image, given pixels included."""

    sample: int
    nats: float = Field(description="-ln p(image); less is likelier.")
    image: str


class JobResult(BaseModel):
    images: list[str]
    """Where each sample is, in order."""
    ranking: list[RankedImage] | None = None
    """Of a completion with `rank`: likeliest first."""


class ScoreResult(ScoreSummary):
    """What the model says of the picture, and where to see it."""

    images: list[str]
    """The heat map."""
    map: str
    """The bits of every variable."""


class ScoreMap(BaseModel):
    """Bits of every variable given those before it; of a Multi-Scale model the small image's are added where its pixels
    were taken. Their sum, times ln 2, is the score's nats."""

    height: int
    width: int
    channels: int
    bits: list[list[list[float]]] = Field(description="H rows of W pixels of C numbers.")


class Job(BaseModel):
    """A request and what became of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.JOB]})
    id: str
    kind: JobKind
    status: JobStatus
    model: str
    digest: str
    """sha256 of the weights: together with seed and sample it fixes the bytes."""
    seed: int
    """0 for a score, which draws nothing."""
    n: int
    temperature: float
    height: int
    width: int
    channels: int
    small_height: int
    small_width: int
    """Size of the first image of a Multi-Scale model; 0 for others."""
    filled_pixels: int | None
    """How many pixels of a completion are drawn; the others are kept."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    numerics: str | None = Field(
        description="With which arithmetic it was drawn: `cpu-compiled`, `cpu-torch` or `cuda-torch`. Within one of "
        "them the bytes are always the same. Several, in their order, when a worker of another kind took the job over; "
        "null until one has it."
    )
    progress: float = Field(ge=0, le=1)
    rows_done: int
    rows_total: int
    """Over all samples and both stages of a Multi-Scale model; 0 for a score."""
    position: int | None
    """Place in the queue, 1 = next; null once a worker has it."""
    eta_s: float | None
    """Seconds until the last row, from measured rates; null after the end, and where nothing was measured yet."""
    error: JobError | None
    result: ScoreResult | JobResult | None
    links: Links


class JobList(BaseModel):
    """Newest first."""

    jobs: list[Job]
    next_cursor: str | None
    """For the next request; null at the end. There may be more though this answer is short."""


class WorkerPlace(BaseModel):
    """A live worker that holds a model."""

    name: str
    device: str
    slots: int


class Model(BaseModel):
    """A model that at least one live worker holds."""

    name: str
    network: str
    height: int
    width: int
    channels: int
    small_height: int
    small_width: int
    """Size of the image that a Multi-Scale model draws first and upsampling takes; 0 for others."""
    values: int
    parameters: int
    data: str
    test_nats: float | None
    test_bits_per_dim: float | None
    digest: str
    can: list[JobKind]
    loaded_on: list[WorkerPlace]


class ModelList(BaseModel):
    models: list[Model]


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    status: Literal["ready"] = "ready"
    workers: int
    models: list[str]


class Limits(BaseModel):
    n: int
    seed: int
    temperature_min: float
    temperature_max: float
    upload_bytes: int
    image_pixels: int
    image_formats: list[str]
    wait_s: int
    streams: int
    result_ttl_s: int
    client_jobs_per_s: float
    client_open_jobs: int
    queue_jobs: int
    queue_values: int


class Info(BaseModel):
    name: Literal["pixelrnn"] = "pixelrnn"
    version: str
    python: str
    needs_key: bool
    limits: Limits


class FieldError(BaseModel):
    pointer: str
    detail: str


class Problem(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PROBLEM]})
    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None
