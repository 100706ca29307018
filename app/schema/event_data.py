"""Data of the events in a job's stream. Each contains its type, for readers that
receive only the data."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, RootModel

from app.schema import examples
from app.schema.answers import Job
from worker.contract.events import Stage
from worker.contract.record import Described


class JobEvent(Job):
    """The job's state: as `snapshot` when the stream begins, under the other names when
    the job has ended."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"type": "snapshot", **examples.JOB}]}
    )
    type: Literal["snapshot", "done", "error", "canceled"]
    """Name of the event."""


class RowEvent(Described):
    """A final row of an image."""

    type: Literal["row"]
    """Name of the event."""
    sample: int
    """Index of the image among the `n`, counted from 0."""
    y: int
    """Index of the row, counted from 0 at the top."""
    pixels: str
    """Base64 of W*C bytes, pixel by pixel, colour by colour: 0..255, or for a model
    with a palette its values."""
    cutout: int | None = Field(
        default=None,
        description="Index of the cut-out that it belongs to, with `fit=crop`.",
    )
    stage: Stage = Field(
        default=Stage.FINAL,
        description="`small`: a row of the small image that a Multi-Scale model "
        "draws first, and of that width.",
    )


class ProgressEvent(Described):
    """Progress of a job, sent after rows that came together. A training, which has no
    rows, sends one about once a second with all fields. Only the newest is kept."""

    type: Literal["progress"]
    """Name of the event."""
    rows_done: int
    """Number of drawn rows, of all samples and both stages."""
    rows_total: int
    """Number of rows of all samples and both stages."""
    progress: float = Field(
        ge=0,
        le=1,
        description="The part of all rows that is drawn, or of all updates that is "
        "made, 0 to 1.",
    )
    share: float | None = None
    """The same, for a training."""
    nats: float | None = None
    """Negative log-likelihood of a held-back picture, as last measured; measured a few
    times a minute."""
    bits_per_dim: float | None = None
    """The same in bits for each variable."""
    uniform_bits: float | None = None
    """Bits per variable of a uniform distribution over the values."""
    png_bits: float | None = None
    """Bits per variable of the held-back pictures as PNG files."""
    images_per_s: float | None = None
    """Pictures learned from per second, recently."""
    minutes_left: float | None = None
    """Minutes that the training will take at this pace."""
    grids: int | None = None
    """Number of grids of samples so far."""
    width: int | None = None
    """Width of the model's pictures in pixels."""
    height: int | None = None
    """Height of the model's pictures in pixels."""
    colours: int | None = None
    """Number of colours of the pictures, if they are few enough for a palette; else
    0."""
    told: str | None = None
    """Sentences about the pictures, the network and the results that such pictures
    reached before. Before the first update: what is being done, if that takes longer
    than a moment; then `share` and `grids` are 0 and all other facts are null."""


class PictureEvent(Described):
    """A grid of what a training's model draws now; at most one in ten seconds, and only
    the newest is kept."""

    type: Literal["picture"]
    """Name of the event."""
    png: str
    """Base64 of a PNG."""


class EstimateEvent(Described):
    """The expected image so far of a completion that is drawn by particles: at most
    five per second, and none if the job ends before the first. Only the newest is kept:
    a reader that reconnects receives that one."""

    type: Literal["estimate"]
    """Name of the event."""
    sample: int
    """Index of the image that is being drawn, counted from 0."""
    share: float = Field(
        ge=0, le=1, description="The part of the job's work that is done, 0 to 1."
    )
    mean: str
    """Base64 of H*W*C bytes, row by row, pixel by pixel, colour by colour: the expected
    value of each from what is drawn so far, 0..255, or for a model with a palette the
    likeliest of its values. Given pixels keep their values."""
    cutout: int | None = Field(
        default=None,
        description="Index of the cut-out that it belongs to, with `fit=crop`.",
    )


class StoppingEvent(Described):
    """The server stops before the job has ended: reconnect with the last id."""

    type: Literal["server-stopping"]
    """Name of the event."""


class GoneEvent(Described):
    """The data of `error` if the job does not exist any more: the Problem that a
    request for it receives."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.GONE]})
    type: Literal[
        "urn:pixelrnn:problem:expired-job",
        "urn:pixelrnn:problem:unknown-job",
        "urn:pixelrnn:problem:other-version",
    ]
    """The problem's type."""
    title: str
    """The problem's title."""
    status: int
    """The problem's status."""
    detail: str
    """The problem's detail."""


_Any = (
    JobEvent
    | RowEvent
    | ProgressEvent
    | PictureEvent
    | EstimateEvent
    | StoppingEvent
    | GoneEvent
)


class EventData(RootModel[Annotated[_Any, Field(discriminator="type")]]):
    """The data of one event, whose type is in its field `type`."""
