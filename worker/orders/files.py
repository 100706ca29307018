"""A file of coded images that is made or read, some rows in a turn."""

from dataclasses import dataclass
from typing import Any

from worker.orders.order import Order


@dataclass(frozen=True)
class FileOrder(Order):
    """The pictures of a job, as values (n, C, H, W), that become a file; or the file whose pictures are its images,
    which come whole. `Kind.carried_out` takes (order, model) and returns its steps (worker.engine.coding)."""

    kind: str
    content: Any
    values: int
    """Numbers that a byte of a row tells apart."""
    published: tuple[int, ...] = ()
    """How many rows of each image earlier attempts published."""
    label: int | None = None
    """The label by which pictures are encoded; None: each by the one that makes it shortest."""
