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
    """The pictures of a job, as values (n, C, H, W), that become a file; or the file whose pictures are its images,
    which come whole. `Kind.carried_out` takes (order, model) and returns its steps."""

    kind: str
    content: Any
    values: int
    """Numbers that a byte of a row tells apart."""
    published: tuple[int, ...] = ()
    """How many rows of each image earlier attempts published."""
    label: int | None = None
    """The label by which pictures are encoded; None: each by the one that makes it shortest."""
