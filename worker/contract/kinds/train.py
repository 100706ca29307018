"""Training a model on a user's own pictures. Its jobs use no model, so the kind is only
in ALL_KINDS, and they have a queue of their own."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from worker.contract.added import NAME
from worker.contract.kind import Input, Kind, Shows, Source, Summary
from worker.contract.options import FOUND, Options, Since
from worker.contract.record import Described
from worker.contract.traits import JobSize

SIZE_PATTERN = r"^([89]|[1-5]\d|6[0-4])x([89]|[1-5]\d|6[0-4])$"
"""Pattern of a size, each side from 8 to 64."""
_ROOM = 512 * 1024
"""Bytes of a grid of samples, and of the summary."""


Channels = Annotated[
    Literal[1, 3], BeforeValidator(lambda value: {"1": 1, "3": 3}.get(value, value))
]
"""Number of colours; forms send it as text."""


class TrainOptions(Options):
    """Train a model on your own pictures."""

    minutes: float = Field(
        default=5,
        ge=0.05,
        le=1440,
        allow_inf_nan=False,
        description="Minutes of training, counted from the first update and only while "
        "nothing is drawn; at most `training_minutes` of `GET /info`.",
    )
    size: str | None = Field(
        default=None,
        pattern=SIZE_PATTERN,
        description="WIDTHxHEIGHT of the model's pictures, 8 to 64 each. Default: "
        "the size of your pictures, up to 32.",
    )
    channels: Channels | None = Field(
        default=None,
        description="1 = grey, 3 = colour. Default: what your pictures need.",
    )
    values: int | None = Field(
        default=None,
        ge=2,
        le=256,
        description="Number of values of a colour. Default: what your pictures need.",
    )
    start: str | None = Field(
        default=None,
        pattern=rf"^{NAME.pattern}$",
        description="A model whose network and weights the training starts with; its "
        "`channels` and `values` are used.",
    )
    crops: bool = Field(
        default=False,
        description="Train on parts of the model's size, at random places of one "
        "or more larger pictures.",
    )
    shared: bool = Field(
        default=False,
        description="If true, everybody who may use the service sees the model; "
        "otherwise only your key does.",
    )
    mirrors: Annotated[bool, Since(10)] = Field(
        default=True,
        description="If false, the model is not tried as a mixture with its mirror "
        "images.",
    )
    publish_anyway: Annotated[bool, Since(10)] = Field(
        default=False,
        description="If true, the model is served also if it is of little use "
        "(`warning` of the result).",
    )
    judged: Annotated[bool, FOUND, Since(10)] = False
    """True if a model of little use is not published unless `publish_anyway` is set;
    False in jobs of earlier versions, which expect a model."""
    start_identity: Annotated[str, FOUND, Since(9)] = ""
    """Identity of the model `start` when the request came. The training fails if the
    model has changed; empty without a `start`."""
    owner: Annotated[str, FOUND] = ""
    """Name of the key that adds the model, or `anyone`."""
    found: Annotated[int, FOUND] = 0
    """Number of uploaded files that are pictures."""
    unreadable: Annotated[int, FOUND] = 0
    """Number of uploaded files that are no pictures that can be read."""
    unreadable_names: Annotated[tuple[str, ...], FOUND, Since(10)] = ()
    """Names of the first of these."""
    unsupported: Annotated[int, FOUND] = 0
    """Number of uploaded pictures that are too small or too large."""
    unsupported_names: Annotated[tuple[str, ...], FOUND] = ()
    """Names of the first of these."""

    def work(self, job: JobSize) -> int:
        """Return 0: estimates of waiting times ignore trainings."""
        return 0

    def room(self, job: JobSize) -> int:
        """Return an upper bound for the bytes of the grid and the summary."""
        return _ROOM

    @property
    def keeps(self) -> Sequence[str]:
        """The grid of samples, `grid`."""
        return ("grid",)

    def job_fields(self) -> dict[str, Any]:
        """Return the fields of TrainingFields."""
        return {
            "minutes": self.minutes,
            "pictures": self.found or None,
            "unreadable": self.unreadable,
            "unreadable_names": list(self.unreadable_names),
            "unsupported": self.unsupported,
            "unsupported_names": list(self.unsupported_names),
        }


class TrainingFields(Described):
    """The fields of a Job that describe a training."""

    minutes: float | None
    """Minutes that the training was asked to take."""
    pictures: int | None
    """Number of uploaded pictures to train on; null for arrays."""
    unreadable: int | None
    """Number of uploaded files that are no pictures that can be read, and were
    ignored."""
    unreadable_names: list[str] | None
    """Names of the first ten of these."""
    unsupported: int | None
    """Number of pictures that are too small or too large and were ignored."""
    unsupported_names: list[str] | None
    """Names of the first five of these."""


class MirrorTrial(Described):
    """The score of an even mixture of the trained network with one of its mirror
    images."""

    orientation: str = Field(
        description="Of the mirror image, as in Pillow's `Image.Transpose`."
    )
    bits_per_dim: float = Field(
        description="Of the held-back pictures by the mixture.", allow_inf_nan=False
    )
    gain: float = Field(
        description="Bits per variable by which the mixture is better than the network; "
        "negative if it is worse.",
        allow_inf_nan=False,
    )
    gain_error: float = Field(
        description="Standard error of `gain`, by paired differences.",
        allow_inf_nan=False,
    )
    keeps_exact: bool = Field(
        description="Whether lower rows are still completed exactly."
    )
    published: bool = Field(
        description="Whether the model is this mixture. At most one is: the best of "
        "those that keep completions exact and are clearly better, if mirrored "
        "pictures are as likely as plain ones."
    )


class TrainSummary(Summary):
    """The trained model, and how well it predicts pictures that were held back from
    training."""

    name: str = Field(description="The model's name.")
    digest: str = Field(description="SHA-256 of its weights.")
    identity: str = Field(description="Its identity.")
    nats: float = Field(
        description="Negative log-likelihood of a held-back picture, in nats; the "
        "mean of all of them.",
        allow_inf_nan=False,
    )
    bits_per_dim: float = Field(
        description="The same in bits for each variable.", allow_inf_nan=False
    )
    standard_error: float | None = Field(
        default=None,
        description="Standard error of `nats`; null if only one picture was held back.",
        allow_inf_nan=False,
    )
    bits_standard_error: float | None = Field(
        default=None,
        description="Standard error of `bits_per_dim`; null if only one picture "
        "was held back.",
        allow_inf_nan=False,
    )
    valid_images: int | None = Field(
        default=None,
        description="Number of pictures that were held back; null from an earlier "
        "version.",
    )
    uniform_bits: float = Field(
        description="Bits per variable of a uniform distribution over the values.",
        allow_inf_nan=False,
    )
    png_bits: float = Field(
        description="Bits per variable of the held-back pictures as PNG files.",
        allow_inf_nan=False,
    )
    updates: int = Field(description="Number of updates of the weights.")
    early: str = Field(
        default="",
        description="Why it ended before its minutes; empty if it did not.",
    )
    warning: str = Field(
        default="",
        description="Why the model is of little use: it was trained with fewer than 20 "
        "updates, or is worse than PNG. Else empty.",
    )
    published: bool = Field(
        default=True,
        description="False if the model is not served because there is a `warning`. Its "
        "name is free then.",
    )
    mirrors: list[MirrorTrial] = Field(
        default=[],
        description="The mixtures with mirror images that were tried after the training; "
        "empty if none were.",
    )


KIND = Kind(
    "train",
    "training",
    """Train a model on your own pictures, and serve it.

    `GET /jobs/{id}/events` reports the progress and shows a grid of samples. Cancelling
    leaves nothing; `POST /jobs/{id}/finish` ends the training early and keeps the best
    weights so far. If the service has keys, yours needs the right `train`, and only
    your key sees the model unless it is `shared`. The pictures are deleted when the job
    has ended.
    """,
    Input.NOTHING,
    TrainOptions,
    zero_images="It draws none.",
    shows=Shows.GRID,
    summary=TrainSummary,
    job_fields=TrainingFields,
    estimates="progress",
    source=Source.DRAWN,
)
