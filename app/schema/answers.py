"""Bodies of the API's answers; app.schema.request_bodies has those of requests."""

from collections.abc import Collection
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    create_model,
    model_serializer,
)

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
    """Addresses of a job's documents on this server."""

    self: str
    """The job."""
    events: str
    """Its event stream."""
    image: str
    """Its first picture; `?sample=`, `?grid=1` and `?follow=1` give others."""


class SignedLinks(Described):
    """Addresses that work without a key, for GET and HEAD."""

    expires_at: datetime
    """When they stop working."""
    events: str
    """The event stream of the job. A stream that is open at that time continues to its
    end."""
    image: str
    """Its first picture; other parameters of `GET /jobs/{id}/image` may be added, such
    as `&grid=1`."""
    images: list[str]
    """Each of its pictures, in order."""


class ScoreMap(Described):
    """Bits of every variable given those before it. For a Multi-Scale model, those of
    the small image are added at the pixels where it was sampled.

    For a mixture, the bits are those of one of its networks, and for a model with
    labels, those given one label. Their sum, times ln 2, is `member_nats` of the score
    if it has that, else `nats`.
    """

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
    """Statistics of each colour of each pixel, from a completion by `posterior`, given
    all given pixels."""

    of: Literal["mean", "entropy"]
    """`mean`: the expected value, or for a model with a palette the likeliest one; for
    a given pixel, its value. `entropy`: the uncertainty of the value, in bits."""
    height: int
    """H."""
    width: int
    """W."""
    channels: int
    """C: 1 or 3."""
    values: int
    """V: number of values of a colour. A mean is between 0 and V - 1, an entropy
    between 0 and log2 V."""
    draws: int
    """Number of weighted draws from which this is estimated: all particles of all
    images, or for exact draws the images."""
    ancestors: int
    """Least number of distinct first draws from which these descend. If it is small,
    the average is unreliable."""
    map: list[list[list[float]]] = Field(description="H rows of W pixels of C numbers.")


class WebhookStatus(StrEnum):
    """`waiting` for the job's end or for the next try; `delivered`; or `given-up`: the
    receiver answered that it wants no more calls."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"


class Webhook(Described):
    """State of the call that reports a job's end."""

    status: WebhookStatus
    """Whether the call was delivered."""
    tries: int
    """Number of calls so far; in the body of a call, that call is included."""


def _of_pixel_options(explained: Collection[str]) -> type[BaseModel]:
    """Return the fields of a Job for the options that change pixels, null if an option
    is not used; options in `explained` are left out, because other fields describe
    them."""
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
OPTION_FIELDS: dict[str, Any] = {
    name: None for options in _OPTIONS for name in options.model_fields
}
"""The fields of a Job that show options of some kinds -> None."""

if TYPE_CHECKING:
    JobKind = str
else:
    JobKind = StrEnum("JobKind", {word.upper(): word for word in ALL_KINDS})


class _RequestFields(Described):
    """The fields of a Job that describe the request."""

    id: str
    """Id of the job, part of all its addresses; it cannot be guessed."""
    kind: JobKind
    """The call that made it."""
    status: JobStatus
    """`queued` and `running` may change; `succeeded`, `failed` and `canceled` are
    final."""
    model: str
    """Name of the model."""
    digest: str
    """SHA-256 of the weights."""
    identity: str | None
    """Identity of the model: together with seed and sample it determines the bytes.
    Null in jobs of an earlier version."""
    seed: Int64
    """The seed that was given or chosen. For a verification that of the picture; 0 for
    jobs that draw nothing."""
    first: int
    """Number, among the images of the seed, of the job's first image, its sample 0."""
    n: int
    """Number of images."""
    temperature: float
    """The temperature; 1 samples the model itself."""
    height: int
    """Height of each image in pixels."""
    width: int
    """Width of each image in pixels."""
    channels: int
    """1 = grey, 3 = red, green and blue."""
    palette: list[str] | None
    """The colour of each value, for a model whose values are categories: bytes of rows
    are then values. Null for others."""
    small_height: int
    """Height of the small image of a Multi-Scale model; 0 for others."""
    small_width: int
    """Width of the small image of a Multi-Scale model; 0 for others."""


if TYPE_CHECKING:

    class _JobFields(_RequestFields):
        cutouts: list[CutoutPlace] | None

else:
    _JobFields = create_model(
        "_JobFields",
        __base__=_RequestFields,
        **{
            name: (info.annotation, Field(None, description=info.description))
            for options in _OPTIONS
            for name, info in options.model_fields.items()
        },
    )


def _example_without_defaults(schema: dict[str, Any]) -> None:
    schema["examples"] = [examples.JOB]
    _without_defaults(schema)


class Job(_JobFields):
    """A request and its state. Jobs of a kind have the fields of that kind's options."""

    model_config = ConfigDict(json_schema_extra=_example_without_defaults)
    created_at: datetime
    """When it was accepted, by Redis's clock, like all times here."""
    started_at: datetime | None
    """When a worker first took it; null before."""
    finished_at: datetime | None
    """When it ended; null before."""
    expires_at: datetime | None
    """When its results are deleted; then the job answers 410. Null while it is open."""
    numerics: str | None = Field(
        description="The arithmetic that drew it: `cpu-compiled`, on processors "
        "and GPUs, or `cpu-pass`. The same arithmetic always gives the same bytes. "
        "Earlier versions had `cpu-torch` and `cuda-torch`. Several, in their order, "
        "if a worker of another kind took the job over; null until a worker takes "
        "it."
    )
    progress: float = Field(
        ge=0,
        le=1,
        description="The part of the work that is done, 0 to 1: of the rows, for "
        "images that are published row by row; for images drawn by particles, the "
        "progress of the particles counts too.",
    )
    rows_done: int
    """Number of drawn rows, of all samples and both stages."""
    rows_total: int
    """Number of rows of all samples, and of both stages of a Multi-Scale model; 0 for
    kinds of job that draw no rows, such as a score."""
    position: int | None
    """Place in the queue, 1 = next; null once a worker has it."""
    eta_s: float | None
    """Seconds until the last row, estimated from measured rates; the time until a model
    is loaded or compiled is not included. Null after the end, if nothing was measured
    yet, while no worker can do the job, and for a training or an added model that
    waits."""
    waits_for: str | None
    """What the job waits for, apart from its turn: for example a worker with the
    weights for which it was accepted, or the compilation of its model; for a running
    job, larger pictures of other widths. Else null."""
    error: JobError | None
    """Why it failed; null if it did not."""
    result: Result
    """The result of a job that has succeeded; else null."""
    links: Links
    """Addresses of its documents."""
    webhook: Webhook | None
    """State of its webhook; null if it has none."""

    @model_serializer(mode="wrap")
    def _without_others(self, serialize: SerializerFunctionWrapHandler):
        """Leave out options that were not set. A type of the result would replace the
        schema of the model."""
        shown = serialize(self)
        for name in OPTION_FIELDS.keys() - self.model_fields_set:
            del shown[name]
        return shown


class JobList(Described):
    """A page of jobs, the newest first."""

    jobs: list[Job]
    """At most `limit` jobs."""
    next_cursor: str | None
    """Cursor for the next request; null at the end. Pages may be shorter than `limit`
    although more follow."""


class WorkerPlace(Described):
    """A live worker that holds a model, even if it is not ready there yet."""

    name: str
    """Its name, unique among live workers."""
    device: str
    """`cpu`, `cuda:0`, ..."""
    slots: int
    """Number of images that it draws at once."""
    threads: int
    """Most threads in which it draws them."""
    on_processors: str | None
    """Why its processors draw the model instead of its GPU, whose results differed or
    which could not be used; null if they do not. The images have the same bytes, but
    take longer."""


class WorkerModel(Described):
    """A model on one worker."""

    name: str
    """Name of the model."""
    state: Literal["ready", "unloaded", "compiling"]
    """unloaded: its next job loads it again."""


class Worker(Described):
    """A live worker, as operators see it."""

    name: str
    """Its name, unique among live workers."""
    host: str
    """Its machine or container; empty for a worker of 0.4.0."""
    version: str
    """Version of its software; empty for 0.4.0."""
    device: str
    """`cpu`, `cuda:0`, ..."""
    threads: int
    """Number of drawing threads."""
    queue: str
    """The queue that it takes jobs from; `pixelrnn-train` is that of trainers."""
    started_at: datetime
    """Time of its start."""
    state: Literal["starting", "idle", "working", "draining", "drained"]
    """starting: no model is ready. draining: it takes no more jobs, and still holds
    some. drained: it holds none, and stays until it is stopped."""
    jobs: int
    """Number of jobs that it holds."""
    load: Int64
    """Values (one colour of one pixel) that these jobs still have to draw."""
    models: list[WorkerModel]
    """Its models, sorted by name."""


class WorkerList(Described):
    """All live workers."""

    workers: list[Worker]
    """Latest started first."""


class OpenJob(Described):
    """An open job of any owner, as operators see it: without its input."""

    id: str
    """Its id."""
    owner: str
    """Name of the key that made it; `anyone` without keys."""
    kind: JobKind
    """Kind of the job."""
    model: str
    """Name of its model."""
    n: int
    """Number of its images."""
    status: JobStatus
    """Its status."""
    progress: float
    """Part of its work that is done, 0 to 1."""
    created_at: datetime
    """Time at which it was accepted."""


class QueueState(Described):
    """The open jobs of all owners."""

    closed: bool
    """True if new jobs are stopped."""
    open: int
    """Number of all open jobs."""
    jobs: list[OpenJob]
    """The oldest ones first."""


class Usage(Described):
    """What one owner's jobs that ended on one day have used."""

    day: date
    """The day, in UTC."""
    owner: str
    """Name of the key; `anyone` without keys."""
    images: int
    """Images of jobs that succeeded."""
    values: Int64
    """Values (one colour of one pixel) that were drawn, in any job."""
    seconds: float
    """Time from start to end, summed over jobs, also of those drawn side by side."""


class UsageList(Described):
    """The usage of all owners in the last 35 days."""

    usage: list[Usage]
    """Today first, then by owner."""


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
    """SHA-256 of everything that gives it its meaning: weights, config, orientations,
    labels with their priors, palette, step of fields, guides. Null while only workers
    of an earlier version hold it."""
    can: list[JobKind]
    """Kinds of job that use it."""
    state: Literal["loading", "compiling", "ready"]
    """`loading`: no worker can draw from it yet; its jobs are accepted and wait.
    `compiling`: the same, but it takes longer, because its loops are compiled once for
    this kind of processor. `ready`: at least one worker can draw from it."""
    compiling: bool
    """True if it is not `ready`."""
    loaded_on: list[WorkerPlace]
    """The live workers that hold it, even if it is not ready there yet."""

    @property
    def identity_or_digest(self) -> str:
        """The model's identity, or the SHA-256 of its weights if the identity is not
        known."""
        return self.identity or self.digest

    def has_changed_since(self, identity: str) -> bool:
        """Return True if the model's identity differs from `identity`. An empty, that
        is unknown, identity counts as unchanged."""
        return bool(identity and self.identity) and identity != self.identity


class PortableModel(Described):
    """Addresses of everything that a browser needs to draw from a model itself."""

    digest: str
    """SHA-256 of the weights."""
    identity: str | None
    """Identity of the model, which is part of the address; null while only workers of
    an earlier version hold it."""
    engine: str
    """Address of the engine's directory on this server; `index.js` and `in_worker.js`
    in it are ES modules."""
    model: str
    """Address of the model's directory, the argument of the engine's `load`."""


class RefusedModel(Described):
    """A model in a worker's models directory that the worker does not serve."""

    name: str
    """Name of its directory."""
    reason: str
    """Why, in a sentence."""
    worker: str
    """Name of that worker."""


class ModelList(Described):
    """The models that workers serve, and those that they refuse."""

    models: list[Model]
    """Models, sorted by name."""
    refused: list[RefusedModel]
    """Models that workers found in their models directories and do not serve."""
    portable: list[str]
    """Names of the models that are available to browsers (`GET
    /models/{name}/portable`)."""


class Alive(Described):
    """The process answers."""

    status: Literal["ok"] = "ok"
    """The process answers."""


class Ready(Described):
    """The service has a model that is ready. `accepts` says whether it accepts jobs."""

    status: Literal["ready", "asleep"] = "ready"
    """`ready`: Redis answers, and at least one worker has a model that is ready or
    `accepts` is false. `asleep`: no worker has; jobs are accepted and wait for one."""
    workers: int
    """Number of live workers that have a model ready."""
    models: list[str]
    """Names of the models that they can draw from now, sorted, without models that only
    one key sees."""
    durable: bool
    """True if Redis keeps everything that it has acknowledged, even if it is killed."""
    weaknesses: list[str]
    """How it may lose accepted jobs, a sentence for each."""
    accepts: bool
    """True if Redis accepts writes and has memory for another job, and no operator has
    stopped new ones."""
    refusal: str | None
    """Why no job is accepted, in Redis's own words if it accepts no writes: it is a
    replica, or cannot write its file. Else null."""
    memory_free: float | None
    """Part of Redis's memory for jobs that is neither used nor reserved, 0 to 1; null
    if it has no limit."""
    keys_unread_s: int
    """Seconds since this process could last read its file of keys; 0 if it can, or
    there is none."""


class Limits(Described):
    """Upper bounds of what a request may ask for."""

    n: int
    """Most images of one job."""
    particles: int
    """Most particles of one image; a model may allow fewer."""
    particles_of_job: int
    """Most particles of all images of one job together."""
    sweeps: int
    """Most sweeps of one completion."""
    seed: Int64
    """The largest seed."""
    temperature_min: float
    """The lowest temperature."""
    temperature_max: float
    """The highest temperature."""
    upload_bytes: Int64
    """Most bytes of one file."""
    field_pixels: int
    """Most pixels of all pictures of a job together, if they are larger than the
    model's."""
    image_pixels: int
    """Most pixels of one uploaded picture."""
    image_formats: list[str]
    """Formats of pictures that are read."""
    wait_s: int
    """Longest `wait`, in seconds."""
    streams: int
    """Most open streams, zips, downloads of models and long polls of this process."""
    result_ttl_s: int
    """Seconds for which results are kept by default; the largest `retention`."""
    client_jobs_per_s: float
    """Jobs per second that one client may submit, on average."""
    client_open_jobs: int
    """Most jobs of one client that may be queued or running."""
    queue_jobs: int
    """Most jobs that may wait in one queue of workers."""
    queue_values: Int64
    """Most values (one colour of one pixel) that all open jobs together may still have
    to draw."""


class Info(Described):
    """This service, its features and its limits."""

    name: Literal["pixelrnn"] = "pixelrnn"
    """Name of this service."""
    version: str
    """Version of the service."""
    python: str
    """Version of Python that it runs on."""
    needs_key: bool
    """True if calls need an API key."""
    portable: bool
    """True if models are offered to browsers: `GET /models/{name}/portable`."""
    training: bool
    """True if models may be added and trained here, by callers who have the right to:
    `PUT /models/{name}`, `POST /train`."""
    training_minutes: float
    """Most minutes that a training may take."""
    drawing_threads: int | None
    """Number of drawing threads of all live workers together; null while Redis does not
    answer."""
    memory_free: float | None
    """Part of Redis's memory for jobs that is neither used nor reserved, 0 to 1; null
    if it has no limit or does not answer."""
    limits: Limits
    """Upper bounds of requests."""


class FieldError(Described):
    """What is wrong with one field."""

    pointer: str
    """The field's place in the request: `#/n`, `#/query/limit`."""
    detail: str
    """A sentence that says what was expected."""


class Problem(Described):
    """An error, in the form of RFC 9457."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PROBLEM]})
    type: str
    """The kind of problem, for programs."""
    title: str
    """The kind of problem, for people; always the same for a type."""
    status: int
    """Status of the response."""
    detail: str
    """A sentence that says what was expected in this request."""
    errors: list[FieldError] | None = None
    """One entry for each wrong field, if fields are wrong."""
