"""A model of somebody's own pictures. Its jobs ask no model, so it is in ALL_KINDS alone, and in a queue of its own."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from worker.contract.added import NAME
from worker.contract.kind import (
    FOUND,
    Asked,
    Input,
    Kind,
    Options,
    Shows,
    Since,
    Source,
    Summary,
)
from worker.contract.record import Described

_ROOM = 512 * 1024
"""Bytes of a grid of samples, and of what is said beside it."""


Channels = Annotated[
    Literal[1, 3], BeforeValidator(lambda said: {"1": 1, "3": 3}.get(said, said))
]
"""A form says it as text."""


class TrainOptions(Options):
    """A model of your own pictures."""

    minutes: float = Field(
        default=5,
        ge=0.05,
        le=1440,
        allow_inf_nan=False,
        description="How long it trains while nothing is drawn, from its first update on; at most "
        "`training_minutes` of `GET /info`.",
    )
    size: str | None = Field(
        default=None,
        pattern=r"^([89]|[1-5]\d|6[0-4])x([89]|[1-5]\d|6[0-4])$",
        description="WIDTHxHEIGHT of the model's pictures, 8 to 64 each; without it theirs, up to 32.",
    )
    channels: Channels | None = Field(
        default=None, description="1 = grey, 3 = colour; without it what they need."
    )
    values: int | None = Field(
        default=None,
        ge=2,
        le=256,
        description="Values of a colour; without it what they need.",
    )
    start: str | None = Field(
        default=None,
        pattern=rf"^{NAME.pattern}$",
        description="A model whose network it has, and whose weights it begins with; `channels` and `values` are its.",
    )
    crops: bool = Field(
        default=False,
        description="The model learns parts of its size, at random places of one large picture or more.",
    )
    shared: bool = Field(
        default=False,
        description="Everybody who may use the service sees the model, and not your key alone.",
    )
    start_identity: Annotated[str, FOUND, Since(9)] = ""
    """Identity of the model `start`, as the client saw it when the request came. The
    training begins with this model or fails; empty without a `start`."""
    owner: Annotated[str, FOUND] = ""
    """The key that adds the model, or `anyone`."""
    found: Annotated[int, FOUND] = 0
    unreadable: Annotated[int, FOUND] = 0
    """Files that were handed in: those that are pictures, and others."""
    unsupported: Annotated[int, FOUND] = 0
    unsupported_names: Annotated[tuple[str, ...], FOUND] = ()
    """Pictures of an unsupported size that were handed in, and the first of their names."""

    def work(self, job: Asked) -> int:
        """Nothing is drawn for anybody: no estimate of when an image is ready counts it."""
        return 0

    def room(self, job: Asked) -> int:
        return _ROOM

    @property
    def keeps(self) -> Sequence[str]:
        return ("grid",)

    def job_fields(self) -> dict[str, Any]:
        return {
            "minutes": self.minutes,
            "pictures": self.found or None,
            "unreadable": self.unreadable,
            "unsupported": self.unsupported,
            "unsupported_names": list(self.unsupported_names),
        }


class Shown(Described):
    """The fields of a Job that tell of a training."""

    minutes: float | None
    """How long a training was asked to take; null of other jobs."""
    pictures: int | None
    """How many pictures were handed in to train on; null for arrays, and of other jobs."""
    unreadable: int | None
    """How many other files lay between them, and were left out; null of other jobs."""
    unsupported: int | None
    """How many pictures are too small or too large and were left out; null of other jobs."""
    unsupported_names: list[str] | None
    """The names of the first five of these; null of other jobs."""


class TrainSummary(Summary):
    """The model that was trained, and how well it knows pictures that were held back."""

    name: str = Field(description="The model's name.")
    digest: str = Field(description="sha256 of its weights.")
    identity: str = Field(description="Its identity.")
    nats: float = Field(
        description="Negative log-likelihood of a picture held back.",
        allow_inf_nan=False,
    )
    bits_per_dim: float = Field(
        description="The same in bits for each variable.", allow_inf_nan=False
    )
    standard_error: float | None = Field(
        default=None,
        description="Standard error of `nats`; null of one picture.",
        allow_inf_nan=False,
    )
    bits_standard_error: float | None = Field(
        default=None,
        description="Standard error of `bits_per_dim`; null of one picture.",
        allow_inf_nan=False,
    )
    valid_images: int | None = Field(
        default=None,
        description="How many pictures were held back; null from an earlier version.",
    )
    uniform_bits: float = Field(
        description="The same of guessing.", allow_inf_nan=False
    )
    png_bits: float = Field(
        description="What PNG needs for the pictures held back.", allow_inf_nan=False
    )
    updates: int = Field(description="Updates that were made.")
    early: str = Field(
        default="",
        description="Why it ended before its minutes; empty where it did not.",
    )
    warning: str = Field(
        default="",
        description="Why the model is not worth much although it is served: it made "
        "fewer than 20 updates, or is worse than guessing. Empty if it is.",
    )


KIND = Kind(
    "train",
    "training",
    """Train a model on your own pictures, and serve it.

    `GET /jobs/{id}/events` says how far it is, and shows a grid of what it draws. Cancel leaves nothing;
    `POST /jobs/{id}/finish` keeps the best so far. With keys, one of the right `train` is needed, and only that key
    sees the model unless it is `shared`. The pictures are deleted when the job has ended.
    """,
    Input.NOTHING,
    TrainOptions,
    order="",
    none_told="It draws none.",
    shows=Shows.GRID,
    summary=TrainSummary,
    shown=Shown,
    estimates="progress",
    source=Source.DRAWN,
)
