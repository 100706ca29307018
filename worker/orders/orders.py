"""Orders of the worker to its engine. Plain values that nobody changes: no Redis, no queue."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.contract.jobs import Pixel, Priority
from worker.orders.claims import Claim
from worker.orders.images import Given, PlannedImage


@dataclass(frozen=True)
class DrawOrder:
    """A claimed job with the images that still lack rows."""

    claim: Claim
    model: str
    values: int
    """How many values a colour takes: rows become bytes by it."""
    images: Sequence[PlannedImage]
    priority: Priority = Priority.INTERACTIVE
    drawn: NDArray[np.integer] | None = None
    """All images of a job that looks at them once they are drawn: values (n, C, H, W), as far as earlier attempts
    came."""
    rank: bool = False
    """They are scored."""
    hole: "Hole | None" = None
    """They are exact draws from the posterior of this hole, and get a receipt."""


@dataclass(frozen=True)
class Hole:
    """The hole that `posterior` completes: all that is given, and at which temperature the rest is drawn."""

    given: Given
    temperature: float


@dataclass(frozen=True)
class ParticleOrder:
    """A claimed completion whose images are drawn by particles. Such an image is published whole."""

    claim: Claim
    model: str
    values: int
    """How many values a colour takes."""
    hole: Hole
    seed: int
    particles: int
    sweeps: int
    published: tuple[int, ...]
    """Rows of each image that earlier attempts published. Complete images are drawn again too, because the receipt
    speaks of the particles of all."""
    priority: Priority = Priority.INTERACTIVE
    rank: bool = False


@dataclass(frozen=True)
class ScoreOrder:
    """A claimed job with the picture that is to be scored, as values (C, H, W)."""

    claim: Claim
    model: str
    values: NDArray[np.integer]
    quantised_pixels: int
    """How many of its pixels are not quite those that were sent."""
    pixel: Pixel | None = None
    """The pixel whose expected values are wanted too."""
    influence: bool = False
    """Measures, too, how much each earlier pixel mattered for them."""


@dataclass(frozen=True)
class VerifyOrder:
    """A claimed job with the picture that is to be drawn again, as pixels (C, H, W), and how."""

    claim: Claim
    model: str
    pixels: NDArray[np.uint8]
    seed: int
    sample: int
    temperature: float
    drawn_with: str
    """The arithmetic that the picture says it was drawn with; empty when it does not say."""


@dataclass(frozen=True)
class EncodeOrder:
    """A claimed job with the pictures that become a file, as values (n, C, H, W)."""

    claim: Claim
    model: str
    images: NDArray[np.uint8]


@dataclass(frozen=True)
class DecodeOrder:
    """A claimed job with the file whose pictures are its images. They come whole."""

    claim: Claim
    model: str
    values: int
    """How many values a colour takes."""
    data: bytes
    published: tuple[int, ...]
    """Rows of each image that earlier attempts published."""


CodeOrder = EncodeOrder | DecodeOrder
Order = DrawOrder | ParticleOrder | ScoreOrder | VerifyOrder | CodeOrder
"""All that the engine's thread takes."""
