"""A file of coded images that is made or read, some rows in a turn."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.orders.claims import Outcome
from worker.orders.order import Order

CodingSteps = Generator[int | NDArray[np.uint8], None, Outcome]
"""Pauses after every row or so, says each image (C, H, W) that is decoded, in order, and ends in what becomes of the
job."""


@dataclass(frozen=True)
class FileOrder(Order):
    """An order to make a file of pictures, or to read the pictures in one, which the
    function of its kind carries out (worker.engine.kinds.OF_FILES).

    The function is called with the order and the model, and returns its steps. The
    pictures of a file are the job's images, and are published whole.
    """

    kind: str
    """`Kind.word`."""
    content: Any
    """Values (n, C, H, W) to encode, or the bytes of a file to decode."""
    values: int
    """Numbers that a byte of a row tells apart."""
    published: tuple[int, ...] = ()
    """How many rows of each image earlier attempts published."""
    label: int | None = None
    """The label by which pictures are encoded; None: each by the one that makes it shortest."""
