"""Bodies of the API's answers; app.schema.request_bodies has those of requests."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from app.schema import examples
from app.schema.results import Result
from worker.contract.cards import ModelFacts
from worker.contract.colours import MovedColourFields
from worker.contract.cutouts import CutoutPlace
from worker.contract.jobs import JobError, JobStatus
from worker.contract.kinds import ALL_KINDS, KINDS
from worker.contract.pixel_options import pixel_options
from worker.contract.record import Described, Int64

PROBLEM_TYPE = "application/problem+json"
"""The media type of a Problem."""


class Links(Described):
    self: str
    """This document."""
    events: str
    """Its event stream."""
    image: str
    """Its first picture; `?sample=`, `?grid=1` and `?follow=1` give others."""


class SignedLinks(Described):
    """Addresses that work without a key, for GET and HEAD."""

    expires_at: datetime
    """End of their time."""
    events: str
    """The event stream of the job. One that is open then goes on to its end."""
    image: str
    """Its first picture; whatever else `GET /jobs/{id}/image` takes may be added, such as `&grid=1`."""
    images: list[str]
    """Each of its pictures, in order."""


class ScoreMap(Described):
    """Bits of every variable given those before it; of a Multi-Scale model the small image's are added where its pixels
    were taken. Their sum, times ln 2, is the score's nats."""

    height: int
    """H."""
    width: int
    """W."""
    channels: int
    """C: 1 or 3."""
    bits: list[list[list[float]]] = Field(
        description="H rows of W pixels of C numbers."
    )


class MarginalMap(Described):
    """The expectation of a completion by `posterior` for each colour of each pixel, given everything that is given."""

    of: Literal["mean", "entropy"]
    """`mean`: the expected value; of a pixel that is given, its value. `entropy`: how uncertain it is, in bits."""
    height: int
    """H."""
    width: int
    """W."""
    channels: int
    """C: 1 or 3."""
    values: int
    """V: how many values a colour takes. A mean is from 0 to V - 1, an entropy from 0 to log2 V."""
    draws: int
    """Number of weighted draws that this is averaged over: all particles of all images."""
    ancestors: int
    """Number of distinct first draws behind them, at least. If it is small, the average is unreliable."""
    map: list[list[list[float]]] = Field(description="H rows of W pixels of C numbers.")


class WebhookStatus(StrEnum):
    """`waiting` for the job's end, or for the next try; `given-up`: the receiver answered that it wants no more."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"


class Webhook(Described):
    """Says whether somebody was told of a job's end."""

    status: WebhookStatus
    """The state of that."""
    tries: int
    """How often it was sent so far, this time included where this is what is sent."""


def _of_pixel_options(explained: Collection[str]) -> type[BaseModel]:
    """Return the fields of a Job for the options that change pixels, null where they
    are not said, but for those that are explained elsewhere."""
    fields: dict[str, Any] = {}
    for kind in KINDS.values():
        for name in pixel_options(kind.options) if kind.draws else ():
            info = kind.options.model_fields[name]
            annotation: Any = info.annotation
            if name not in explained:
                about = Field(description=info.description)
                fields[name] = annotation | None, about
    return create_model("_OfPixelOptions", **fields)


_EXPLAINED = [
    *dict.fromkeys(
        [
            *(kind.job_fields for kind in ALL_KINDS.values() if kind.job_fields),
            MovedColourFields,
        ]
    )
]
_OPTIONS = [
    *_EXPLAINED,
    _of_pixel_options(
        {"first", *(name for each in _EXPLAINED for name in each.model_fields)}
    ),
]
NOT_SHOWN = {name: None for options in _OPTIONS for name in options.model_fields}
"""The fields of a Job that tell of its options, where its kind has others."""

if TYPE_CHECKING:
    JobKind = str
else:
    JobKind = StrEnum("JobKind", {word.upper(): word for word in ALL_KINDS})


class _Asked(Described):
    """The request."""

    id: str
    """Part of all its addresses; nobody can guess it."""
    kind: JobKind
    """The call that made it."""
    status: JobStatus
    """`queued` and `running` may change; `succeeded`, `failed` and `canceled` are final."""
    model: str
    """Name of the model."""
    digest: str
    """sha256 of the weights."""
    identity: str | None
    """Identity of the model: with seed and sample it fixes the bytes; null in jobs of an earlier version."""
    seed: Int64
    """The seed that was given or drawn. For a verification the picture's; 0 for jobs that draw nothing."""
    first: int
    """Number, among the images of the seed, of the first that it draws: its sample 0."""
    n: int
    """How many images."""
    temperature: float
    """The temperature that was given; 1 samples the model itself."""
    height: int
    """Height of each image."""
    width: int
    """Width of each image."""
    channels: int
    """1 = grey, 3 = red, green and blue."""
    palette: list[str] | None
    """The colour of each value of a model of categories: bytes of rows are values then. Null for others."""
    small_height: int
    """Height of the first image of a Multi-Scale model; 0 for others."""
    small_width: int
    """Width of the first image of a Multi-Scale model; 0 for others."""


if TYPE_CHECKING:

    class _Shown(_Asked):
        cutouts: list[CutoutPlace] | None

else:
    _Shown = create_model("_Shown", __base__=(*_OPTIONS, _Asked))


class Job(_Shown):
    """A request and what became of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.JOB]})
    created_at: datetime
    """When it was accepted, by Redis's clock, as all times here."""
    started_at: datetime | None
    """When a worker first took it."""
    finished_at: datetime | None
    """When it ended."""
    expires_at: datetime | None
    """End of the time that results are kept; then the job answers 410."""
    numerics: str | None = Field(
        description="The arithmetic that drew it: `cpu-compiled`, on processors and GPUs, or `cpu-torch`. "
        "Within one of them the bytes are always the same. Earlier versions drew with `cuda-torch` on GPUs. "
        "Several, in their order, when a worker of another kind took the job over; "
        "null until one has it."
    )
    progress: float = Field(
        ge=0,
        le=1,
        description="How much of the work is done: of images that come row by row, the rows; of images that are drawn "
        "by particles, what these have done so far too.",
    )
    rows_done: int
    """Rows that are drawn, of all samples and both stages."""
    rows_total: int
    """Rows of all samples and both stages of a Multi-Scale model; 0 for a score, a verification and an encoding."""
    position: int | None
    """Place in the queue, 1 = next; null once a worker has it."""
    eta_s: float | None
    """Seconds until the last row, from measured rates; null after the end, and where nothing was measured yet."""
    waits_for: str | None
    """The reason why a queued job waits if no worker that is there can do it now: it needs, for example, one with the
    weights that it was accepted for, or its model is still being compiled. Else null."""
    error: JobError | None
    """Why it failed."""
    result: Result
    """Once it has succeeded."""
    links: Links
    """Addresses to go on from here."""
    webhook: Webhook | None
    """The webhook of a job whose end somebody is told; else null."""


class JobList(Described):
    """Newest first."""

    jobs: list[Job]
    """Jobs, at most `limit`."""
    next_cursor: str | None
    """Cursor for the next request; null at the end. There may be more though this answer is short."""


class WorkerPlace(Described):
    """A live worker that holds a model."""

    name: str
    """Its own among live workers."""
    device: str
    """`cpu`, `cuda:0`, ..."""
    slots: int
    """How many images it draws side by side."""
    threads: int
    """In how many threads it draws them, at the most."""
    on_processors: str | None
    """Why its processors draw the model in place of its GPU, which computed something otherwise than they do or could
    not be used; null if they do not. The images have the same bytes, and take longer."""


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class Model(ModelFacts):
    """A model that at least one live worker holds."""

    model_config = ConfigDict(
        json_schema_extra=_without_defaults,
        json_schema_serialization_defaults_required=True,
    )
    identity: str | None
    """SHA-256 of all that gives it its meaning: weights, config, orientations, labels with their priors; null while
    only workers of an earlier version hold it."""
    can: list[JobKind]
    """Kinds of job that take it."""
    state: Literal["loading", "compiling", "ready"]
    """`loading`: nobody can draw from it yet, and its jobs are accepted, and wait. `compiling`: the same, for longer,
    because its loops are made for this kind of processor first, once. `ready`: it is drawn from."""
    compiling: bool
    """It is not `ready`."""
    loaded_on: list[WorkerPlace]
    """Who draws from it."""

    @property
    def identity_or_digest(self) -> str:
        return self.identity or self.digest

    def has_changed_since(self, identity: str) -> bool:
        """Is another identity named than the model's? Earlier versions name none."""
        return bool(identity and self.identity) and identity != self.identity


class PortableModel(Described):
    """Addresses of everything that a browser needs to draw from a model itself."""

    digest: str
    """sha256 of the weights."""
    identity: str | None
    """Identity of the model, which the address names; null while only workers of an earlier version hold it."""
    engine: str
    """Address of the engine's directory on this server: `index.js` and `in_worker.js` in it are ES modules."""
    model: str
    """Address of the model's directory, for the engine's `load`."""


class RefusedModel(Described):
    """A model that a worker was given and does not serve."""

    name: str
    """Name of its directory."""
    reason: str
    """Why, in a sentence."""
    worker: str
    """Who says so."""


class ModelList(Described):
    models: list[Model]
    """Models by name."""
    refused: list[RefusedModel]
    """Models that workers found in their models directories and do not serve."""
    portable: list[str]
    """Names of those that are laid out for browsers, which `GET /models/{name}/portable` leads to."""


class Alive(Described):
    status: Literal["ok"] = "ok"
    """The process answers."""


class Ready(Described):
    status: Literal["ready"] = "ready"
    """Redis answers, and a worker is warm."""
    workers: int
    """How many."""
    models: list[str]
    """Models that they can draw from now."""
    durable: bool
    """Redis keeps all that it has acknowledged, whatever happens to it."""
    weaknesses: list[str]
    """How it may lose accepted jobs, a sentence each."""
    accepts: bool
    """Redis takes writes, without which no job is accepted."""
    refusal: str | None
    """Redis's own word if it takes no writes: it is full, a replica, or cannot write its file."""
    keys_unread_s: int
    """Seconds since this process could last read its file of keys; 0: it can, or there is none."""


class Limits(Described):
    n: int
    """Images of one job."""
    particles: int
    """Particles of one image; a model may have room for fewer."""
    particles_of_job: int
    """Particles of all images of one job together."""
    sweeps: int
    """Sweeps of one completion."""
    seed: Int64
    """The largest."""
    temperature_min: float
    """The lowest."""
    temperature_max: float
    """The highest."""
    upload_bytes: Int64
    """Bytes of one file."""
    field_pixels: int
    """Most pixels of a job's pictures together, where they are larger than the model's."""
    image_pixels: int
    """Pixels of one picture that is sent."""
    image_formats: list[str]
    """Formats of pictures that are read."""
    wait_s: int
    """How long `wait` may be."""
    streams: int
    """Open streams and long polls of this process."""
    result_ttl_s: int
    """Seconds that results are kept: the most that `retention` may be."""
    client_jobs_per_s: float
    """Jobs a second that one client may hand in, on average."""
    client_open_jobs: int
    """Jobs of one client that may be queued or running."""
    queue_jobs: int
    """Jobs that may wait."""
    queue_values: Int64
    """Values (one colour of one pixel) that all open jobs may lack together."""


class Info(Described):
    name: Literal["pixelrnn"] = "pixelrnn"
    """Name of this service."""
    version: str
    """Version of the service."""
    python: str
    """Version of Python that it runs on."""
    needs_key: bool
    """Calls need an API key."""
    portable: bool
    """Models are offered to browsers: `GET /models/{name}/portable`."""
    training: bool
    """Models may be added and trained here, by whoever has the right to: `PUT /models/{name}`, `POST /train`."""
    training_minutes: float
    """Minutes that a training may be asked to take."""
    drawing_threads: int | None
    """In how many threads all live workers together draw; null while Redis does not answer."""
    limits: Limits
    """How much may be asked for."""


class FieldError(Described):
    pointer: str
    """Place in the request: `#/n`, `#/query/limit`."""
    detail: str
    """Sentence on what was expected."""


class Problem(Described):
    """RFC 9457."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PROBLEM]})
    type: str
    """Tells kinds of problems apart, for programs."""
    title: str
    """The kind, for people; always the same for a type."""
    status: int
    """The status of the response."""
    detail: str
    """One sentence on what was expected here."""
    errors: list[FieldError] | None = None
    """Field by field, where fields are wrong."""
