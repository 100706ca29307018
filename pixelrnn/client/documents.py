"""The service's documents, as its JSON is read: plain dictionaries, with types for whoever checks them.

Written by docs/make_documents.py from openapi.json, which says what each field means.
"""

from typing import Literal, NotRequired, TypedDict


class CutoutPlace(TypedDict):
    """The place of a cut-out in the picture."""

    x: int
    y: int


class JobError(TypedDict):
    """Why a job failed, in the words of problem+json."""

    type: str
    title: str
    detail: str


JobKind = Literal["sample", "complete", "upsample", "score", "verify", "encode", "decode", "classify"]


JobStatus = Literal["queued", "running", "succeeded", "failed", "canceled"]


class Links(TypedDict):
    self: str
    events: str
    image: str


Method = Literal["posterior", "clamp"]


class LabelBelief(TypedDict):
    """How probable one label is."""

    label: int
    name: str
    p: float
    nats: float
    sd: NotRequired[float | None]
    p_sd: NotRequired[float | None]


class ClassifyPicture(TypedDict):
    """One of several pictures, as the result of a job of its own."""

    labels: list[LabelBelief]
    nats: float
    exact: bool
    quality: Literal["exact", "good", "rough", "poor"]
    particles: int
    quantised_pixels: int
    images: list[str]


class ClassificationsResult(TypedDict):
    """Several pictures in one job."""

    type: Literal["classifications"]
    images: list[str]
    pictures: list[ClassifyPicture]


class ClassifyResult(ClassifyPicture):
    """How probable each label is, and how well that is known."""

    type: Literal["classification"]


class EncodeResult(TypedDict):
    """The file that the pictures have become."""

    pictures: int
    bytes: int
    bits_per_dim: float
    member: str
    digest: str
    identity: NotRequired[str | None]
    type: Literal["encoding"]
    images: list[str]
    blob: str


class Cutout(TypedDict):
    """A cut-out that is filled."""

    x: int
    y: int
    quality: Literal["exact", "good", "rough", "poor"]
    nats: list[float]


class RankedImage(TypedDict):
    """A completion and how likely the model finds the whole image, given pixels included."""

    sample: int
    nats: float
    image: str


class Receipt(TypedDict):
    """How good the draws of a completion by `posterior` are."""

    exact: bool
    quality: NotRequired[Literal["exact", "good", "rough", "poor"] | None]
    qualities: NotRequired[list[Literal["exact", "good", "rough", "poor"]] | None]
    member: str
    label: NotRequired[str | None]
    particles: int
    ess: NotRequired[float | None]
    distinct: NotRequired[int | None]
    evidence_nats: NotRequired[float | None]
    evidence_sd: NotRequired[float | None]
    nats: NotRequired[list[float] | None]
    apart_nats: NotRequired[float | None]


class CompletePicture(TypedDict):
    """One of several pictures, as the result of a job of its own."""

    images: list[str]
    ranking: NotRequired[list[RankedImage] | None]
    posterior: NotRequired[Receipt | None]
    marginals: NotRequired[str | None]
    cutouts: NotRequired[list[Cutout] | None]


class JobResult(CompletePicture):
    """The images that were drawn, and where to see them."""

    type: Literal["images"]
    labels: NotRequired[list[str] | None]
    pictures: NotRequired[list[CompletePicture] | None]


class ColourBelief(TypedDict):
    """Expectation of one colour of a pixel by a model that knows everything before it: pixels above and to the
    left, and the colours before this one."""

    probabilities: list[float]
    value: int
    bits: float
    entropy_bits: float


class PixelBelief(TypedDict):
    """Expectation of the model at one pixel."""

    x: int
    y: int
    colours: list[ColourBelief]
    influence: NotRequired[list[list[float]] | None]


class SecondScore(TypedDict):
    """The picture by a second model."""

    model: str
    sha256: str
    nats: float
    log_ratio: float


class ScorePicture(TypedDict):
    """One of several pictures, as the result of a job of its own."""

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
    label: NotRequired[str | None]
    member_nats: NotRequired[float | None]
    against: NotRequired[SecondScore | None]
    images: list[str]
    map: str


class ScoreResult(ScorePicture):
    """The likelihood of the picture, and where to see it."""

    type: Literal["score"]


class ScoresResult(TypedDict):
    """Several pictures in one job."""

    type: Literal["scores"]
    images: list[str]
    pictures: list[ScorePicture]


class Pixel(TypedDict):
    """A place in the image."""

    x: int
    y: int


class VerifyResult(TypedDict):
    """Does the model draw the picture again, byte by byte, from the seed that the picture names?"""

    verified: bool
    sample: int
    changed_pixels: int
    changed: NotRequired[list[Pixel]]
    type: Literal["verification"]
    images: list[str]


Result = ScoreResult | VerifyResult | EncodeResult | ClassifyResult | ScoresResult | ClassificationsResult | JobResult


WebhookStatus = Literal["waiting", "delivered", "given-up"]


class Webhook(TypedDict):
    """Says whether somebody was told of a job's end."""

    status: WebhookStatus
    tries: int


class Job(TypedDict):
    """A request and what became of it."""

    id: str
    kind: JobKind
    status: JobStatus
    model: str
    digest: str
    identity: str | None
    seed: int
    first: int
    n: int
    temperature: float
    height: int
    width: int
    channels: int
    palette: list[str] | None
    small_height: int
    small_width: int
    moved_pixels: int | None
    moved_distance: float | None
    card_changed: bool | None
    filled_pixels: int | None
    method: Method | None
    particles: int | None
    sweeps: int | None
    cutouts: list[CutoutPlace] | None
    label: str | list[str] | None
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
    """Newest first."""

    jobs: list[Job]
    next_cursor: str | None


class Label(TypedDict):
    """A label of a model's images."""

    name: str
    prior: float


class WorkerPlace(TypedDict):
    """A live worker that holds a model."""

    name: str
    device: str
    slots: int


class Model(TypedDict):
    """A model that at least one live worker holds."""

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
    labels: list[Label]
    field: bool
    field_step: int
    palette: list[str]
    names: list[str]
    identity: str | None
    can: list[JobKind]
    state: Literal["loading", "compiling", "ready"]
    compiling: bool
    loaded_on: list[WorkerPlace]


Stage = Literal["small", "final"]


class ScoreMap(TypedDict):
    """Bits of every variable given those before it; of a Multi-Scale model the small image's are added where its
    pixels were taken. Their sum, times ln 2, is the score's nats."""

    height: int
    width: int
    channels: int
    bits: list[list[list[float]]]


class MarginalMap(TypedDict):
    """The expectation of a completion by `posterior` for each colour of each pixel, given everything that is
    given."""

    of: Literal["mean", "entropy"]
    height: int
    width: int
    channels: int
    values: int
    draws: int
    ancestors: int
    map: list[list[list[float]]]


class SignedLinks(TypedDict):
    """Addresses that work without a key, for GET and HEAD."""

    expires_at: str
    events: str
    image: str
    images: list[str]


class AddedModel(TypedDict):
    """A model that was taken, and that a worker examines next."""

    name: str
    digest: str
    shared: bool


class FieldError(TypedDict):
    pointer: str
    detail: str


class Problem(TypedDict):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: NotRequired[list[FieldError] | None]
