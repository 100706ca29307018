"""What options read of a model and of a job, so that they need to know neither the
announced cards (cards.py) nor the descriptions of jobs (jobs.py)."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, Protocol

from pydantic import Field

from worker.contract.record import Record


class Method(StrEnum):
    """The ways to fill a hole."""

    POSTERIOR = "posterior"
    """Conditioned on all given pixels: exactly if that is possible, else by particles.
    """
    CLAMP = "clamp"
    """Each pixel is conditioned on the pixels above it and to its left only; given
    pixels behind it are inserted when the drawing reaches them."""


Quality = Literal["exact", "good", "rough", "poor"]
"""How good a completion by `posterior` is, from the best to the worst."""


class Label(Record):
    """A label of a model's images."""

    name: str = Field(
        description="Its name. Requests ask for a label by its name, or by its "
        "index in the list, counted from 0."
    )
    prior: float = Field(
        gt=0, le=1, description="The share of the training images that have it."
    )


class ModelTraits(Protocol):
    """A model as options see it; `cards.ModelFacts` describes the fields."""

    @property
    def name(self) -> str: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def values(self) -> int: ...
    @property
    def parameters(self) -> int: ...
    @property
    def small_height(self) -> int: ...
    @property
    def small_width(self) -> int: ...
    @property
    def members(self) -> Sequence[str]: ...
    @property
    def methods(self) -> Sequence[Method]: ...
    @property
    def max_particles(self) -> int: ...
    @property
    def labels(self) -> Sequence[Label]: ...
    @property
    def field_step(self) -> int: ...
    @property
    def palette(self) -> Sequence[str]: ...


class JobSize(Protocol):
    """Number and size of a job's images; `jobs.JobSpec` describes the fields."""

    @property
    def n(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def small_height(self) -> int: ...
    @property
    def small_width(self) -> int: ...
    @property
    def draws_small(self) -> bool: ...
