"""Everything that the compiled stage must know of one kind of network, beside what all networks share."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

from model_core.compiled.frontier import COLUMNS_AHEAD
from model_core.config import NetworkConfig
from model_core.networks.pixel_network import Block, PixelNetwork
from model_core.sampling.compiled.colour_order import Maps, Product


@dataclass(frozen=True)
class Sizes:
    """How many images a stage draws side by side, and how long its arrays are for that."""

    images: int
    height: int
    width: int
    lag: int
    """Columns that a row stays behind the row above."""

    @classmethod
    def of(cls, config: NetworkConfig, images: int) -> "Sizes":
        return cls(images, config.height, config.width, config.kind.lag(config.width))

    @property
    def slots(self) -> int:
        """One for each image, and a scratch slot, whose pixels are computed and thrown away."""
        return self.images + 1

    @property
    def rows_at_once(self) -> int:
        """Rows of one image that are being drawn at the same time."""
        return min(self.height, ceil(self.width / self.lag))

    @property
    def ring_rows(self) -> int:
        """Rows that a layer keeps of each slot, one after the other over the same memory."""
        return self.rows_at_once + 2

    @property
    def ring_cells(self) -> int:
        """Cells of a layer's ring, of all slots: W and one to each side in every row."""
        return self.slots * self.ring_rows * (self.width + 2)

    @property
    def ahead_cells(self) -> int:
        """Cells for what the next pixels of each row in the ring read of the row above (compiled/frontier.py)."""
        return self.slots * self.ring_rows * COLUMNS_AHEAD

    @property
    def step_pixels(self) -> int:
        """The longest work list of one step: a pixel of every row that is drawn, or a whole row that is given."""
        return self.images * self.rows_at_once + self.width + 4

    @property
    def list_pixels(self) -> int:
        """The longest work list of all: pixels whose row above is summed ahead of their turn."""
        return self.step_pixels + self.images * (self.rows_at_once + 1) * COLUMNS_AHEAD


def nothing(_block: Block, _maps: Maps) -> list[Product]:
    """No products."""
    return []


@dataclass(frozen=True)
class CompiledKind:
    """One kind's compiled loop, and the arrays that it reads and writes.

    code is its module of model_core/compiled: `advance` draws and `pass_given` works off a given row, and both see the
    record `Layers`, the weights and the state of all layers.
    """

    code: Any
    weights: Callable[[PixelNetwork, Maps], dict[str, Any]]
    """Fields of the record that hold weights, but for what is applied colour by colour."""
    state: Callable[[PixelNetwork, Maps, Sizes], dict[str, Any]]
    """The other fields of the record: a Room (weights.py) for each array."""
    kept: tuple[str, ...]
    """Fields (L, cells, width) that are read before they are written: they start each image as what lies outside it."""
    stream_cells: Callable[[Sizes], int]
    """How many cells a stream needs."""
    products: Callable[[Block, Maps], list[Product]]
    """Products that a layer computes colour by colour at a pixel, in order."""
    by_column: tuple[str, ...] = ()
    """Fields (L, columns * slots, width), of each column the cells of all slots, that are written for many at once."""
    row_products: Callable[[Block, Maps], list[Product]] = nothing
    """Products that it computes so once a row is drawn to its end."""
