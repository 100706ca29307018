"""Orders for files of coded images: pictures that are encoded, or a file that is
decoded, some rows at a time."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.orders.claims import Outcome
from worker.orders.order import Order

CodingSteps = Generator[int | NDArray[np.uint8], None, Outcome]
"""Pauses after every row or so. Yields each decoded image (C, H, W), in order, and an
integer at every other pause; returns the job's outcome."""


@dataclass(frozen=True)
class FileOrder(Order):
    """The pictures of a job that are encoded to a file, or the file whose pictures
    become the job's images.

    The function of its kind (worker.engine.kinds.OF_FILES) takes (order, model) and
    returns its steps. Decoded images are published when they are complete.
    """

    kind: str
    """The kind's word."""
    content: Any
    """Pictures as values (n, C, H, W), or the bytes of a file."""
    values: int
    """Number of different values of a row's byte."""
    published: tuple[int, ...] = ()
    """Number of rows of each image that earlier attempts published."""
    label: int | None = None
    """Index of the label given which pictures are encoded; None if each picture takes
    the label with the shortest code."""
