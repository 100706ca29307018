"""Data of the events in a job's stream. Each says of which type it is, for readers that get only the data."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, RootModel

from app.schema import examples
from app.schema.answers import Job
from worker.contract.events import Stage
from worker.contract.record import Described


class JobEvent(Job):
    """The job as it is: with `snapshot` when the stream begins, with the others when it has ended."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"type": "snapshot", **examples.JOB}]}
    )
    type: Literal["snapshot", "done", "error", "canceled"]
    """The event's name."""


class RowEvent(Described):
    """A row that is final."""

    type: Literal["row"]
    """The event's name."""
    sample: int
    """Number of the image among the `n`, counted from 0."""
    y: int
    """Number of the row, counted from 0 at the top."""
    pixels: str
    """Base64 of W*C bytes 0..255, pixel by pixel, colour by colour."""
    cutout: int | None = Field(
        default=None,
        description="Number of the cut-out that it is of, with `fit=crop`.",
    )
    stage: Stage = Field(
        default=Stage.FINAL,
        description="`small`: of the image that a Multi-Scale model draws first, whose width it has.",
    )


class ProgressEvent(Described):
    """Behind rows that came together; of a training, which has no rows, about once a second, the newest only, with all
    fields."""

    type: Literal["progress"]
    """The event's name."""
    rows_done: int
    """Rows that are drawn, of all samples and both stages."""
    rows_total: int
    """Rows of all samples and both stages."""
    progress: float = Field(
        ge=0,
        le=1,
        description="Rows that are drawn, of all; updates that are made, of all.",
    )
    share: float | None = None
    """The same, of a training."""
    nats: float | None = None
    """Negative log-likelihood of a picture held back, as last measured: a few times a minute."""
    bits_per_dim: float | None = None
    """The same in bits for each variable."""
    uniform_bits: float | None = None
    """The same of guessing."""
    png_bits: float | None = None
    """Bits/dim that PNG needs for the pictures held back."""
    images_per_s: float | None = None
    """Pictures that are learned from in a second, of late."""
    minutes_left: float | None = None
    """How long it will take at the pace of late."""
    grids: int | None = None
    """How many grids of samples there were."""
    width: int | None = None
    """Pixels from left to right of the pictures that the model draws."""
    height: int | None = None
    """The same from top to bottom."""
    colours: int | None = None
    """Colours of the pictures, where these are as few as a palette has; 0 else."""
    told: str | None = None
    """Sentences on what the pictures are, what is trained, and how far such pictures came; before the first update what
    is being done, if it takes longer than a moment, with no other facts."""


class PictureEvent(Described):
    """A grid of what a training's model draws by now: at most one in ten seconds, the newest only."""

    type: Literal["picture"]
    """The event's name."""
    png: str
    """Base64 of a PNG."""


class EstimateEvent(Described):
    """The expectation so far of a completion that is drawn by particles: at most five a second, the newest only, and
    none where the end comes first. A reader that comes back gets the newest, and none of those before."""

    type: Literal["estimate"]
    """The event's name."""
    sample: int
    """Number of the image that is being drawn, counted from 0."""
    share: float = Field(ge=0, le=1, description="How much of the job's work is done.")
    mean: str
    """Base64 of H*W*C bytes 0..255, row by row, pixel by pixel, colour by colour: the expected value of each by what is
    drawn so far, with a palette the likeliest value. Given pixels are as they are."""
    cutout: int | None = Field(
        default=None,
        description="Number of the cut-out that it is of, with `fit=crop`.",
    )


class StoppingEvent(Described):
    """The server leaves before the job has ended: come back with the last id."""

    type: Literal["server-stopping"]
    """The event's name."""


class GoneEvent(Described):
    """The data of `error` when there is no such job any more: the Problem that a request for it gets."""

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
    """The data of one event."""
