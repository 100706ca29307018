"""The service's documents, as its JSON is read: plain dictionaries, with types for whoever checks them.

openapi.json says what each field means; a test holds the two to each other.
"""

from typing import Literal, NotRequired, TypedDict

JobKind = Literal["sample", "complete", "upsample", "score", "verify", "encode", "decode"]
Method = Literal["posterior", "clamp"]
MapKind = Literal["mean", "entropy"]
Stage = Literal["small", "final"]
JobStatus = Literal["queued", "running", "succeeded", "failed", "canceled"]


class Links(TypedDict):
    self: str
    events: str
    image: str


class SignedLinks(TypedDict):
    """Addresses that work without a key until `expires_at`."""

    expires_at: str
    events: str
    image: str
    images: list[str]


class JobError(TypedDict):
    type: str
    title: str
    detail: str


class RankedImage(TypedDict):
    sample: int
    nats: float
    image: str


class Receipt(TypedDict):
    """How good the images of a completion by `posterior` are."""

    exact: bool
    member: str
    particles: int
    ess: NotRequired[float | None]
    distinct: NotRequired[int | None]
    evidence_nats: NotRequired[float | None]
    evidence_sd: NotRequired[float | None]


class JobResult(TypedDict):
    """Of a job that draws."""

    type: Literal["images"]
    images: list[str]
    ranking: NotRequired[list[RankedImage] | None]
    posterior: NotRequired[Receipt | None]
    marginals: NotRequired[str | None]


class ColourBelief(TypedDict):
    probabilities: list[float]
    value: int
    bits: float
    entropy_bits: float


class PixelBelief(TypedDict):
    x: int
    y: int
    colours: list[ColourBelief]
    influence: NotRequired[list[list[float]] | None]


class ScoreResult(TypedDict):
    """Of a score."""

    type: Literal["score"]
    nats: float
    bits_per_dim: float
    per_colour_bits: list[float]
    height: int
    width: int
    quantised_pixels: int
    uniform_bits: float
    bits_over_png: NotRequired[float | None]
    p_value: NotRequired[float | None]
    typicality: NotRequired[float | None]
    pixel: NotRequired[PixelBelief | None]
    member: NotRequired[str | None]
    member_nats: NotRequired[float | None]
    images: list[str]
    map: str


class Pixel(TypedDict):
    x: int
    y: int


class VerifyResult(TypedDict):
    """Of a verification."""

    type: Literal["verification"]
    verified: bool
    sample: int
    changed_pixels: int
    changed: NotRequired[list[Pixel]]
    images: list[str]


class EncodeResult(TypedDict):
    """Of an encoding."""

    type: Literal["encoding"]
    pictures: int
    bytes: int
    bits_per_dim: float
    member: str
    digest: str
    images: list[str]
    blob: str


Result = ScoreResult | VerifyResult | EncodeResult | JobResult
"""`type` says which."""


class Webhook(TypedDict):
    """Whether somebody was told of a job's end."""

    status: Literal["waiting", "delivered", "given-up"]
    tries: int


class Job(TypedDict):
    """A job as it was when the service was asked. Times are in ISO 8601."""

    id: str
    kind: JobKind
    status: JobStatus
    model: str
    digest: str
    seed: int
    n: int
    temperature: float
    height: int
    width: int
    channels: int
    small_height: int
    small_width: int
    filled_pixels: int | None
    method: Method | None
    particles: int | None
    sweeps: int | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    expires_at: str | None
    numerics: str | None
    progress: float
    rows_done: int
    rows_total: int
    position: int | None
    eta_s: float | None
    waits_for: str | None
    error: JobError | None
    result: Result | None
    links: Links
    webhook: Webhook | None


class JobList(TypedDict):
    jobs: list[Job]
    next_cursor: str | None


class ScoreMap(TypedDict):
    """`bits`: H rows of W pixels of C numbers."""

    height: int
    width: int
    channels: int
    bits: list[list[list[float]]]


class MarginalMap(TypedDict):
    """`map`: H rows of W pixels of C numbers."""

    of: MapKind
    height: int
    width: int
    channels: int
    values: int
    draws: int
    ancestors: int
    map: list[list[list[float]]]


class WorkerPlace(TypedDict):
    name: str
    device: str
    slots: int


class Model(TypedDict):
    name: str
    network: str
    height: int
    width: int
    channels: int
    small_height: int
    small_width: int
    values: int
    parameters: int
    data: str
    test_nats: float | None
    test_bits_per_dim: float | None
    digest: str
    title: str
    members: list[str]
    methods: list[Method]
    max_particles: int
    can: list[JobKind]
    compiling: bool
    loaded_on: list[WorkerPlace]


class FieldError(TypedDict):
    pointer: str
    detail: str


class Problem(TypedDict):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: NotRequired[list[FieldError] | None]
