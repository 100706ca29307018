"""What the compiled stage must know of one kind of network, in addition to what all
networks share."""

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
    """How many images a stage draws side by side, and the lengths of its arrays that
    follow from that. A slot is the place of one image; a ring is a part of a map in
    which a slot keeps only its last few rows."""

    images: int
    """Number of images."""
    height: int
    """Rows of an image."""
    width: int
    """W, columns of an image."""
    lag: int
    """Columns by which a row stays behind the row above, if both are drawn at once; W
    if a row begins after the row above has ended."""

    @classmethod
    def of(cls, config: NetworkConfig, images: int) -> "Sizes":
        """Return the sizes for `images` images of a network with this config."""
        return cls(images, config.height, config.width, config.kind.lag(config.width))

    @property
    def slots(self) -> int:
        """Number of slots: one for each image, and a scratch slot, whose pixels are
        computed and not used."""
        return self.images + 1

    @property
    def rows_at_once(self) -> int:
        """Number of rows of one image that are drawn at the same time."""
        return min(self.height, ceil(self.width / self.lag))

    @property
    def ring_rows(self) -> int:
        """Number of rows that a layer keeps of each slot; later rows overwrite earlier
        ones."""
        return self.rows_at_once + 2

    @property
    def ring_cells(self) -> int:
        """Number of cells (one for each pixel) of a layer's ring, of all slots: in
        every row W and one on each side."""
        return self.slots * self.ring_rows * (self.width + 2)

    @property
    def ahead_cells(self) -> int:
        """Number of cells of all slots for sums over the row above that are computed
        before their pixels' turn (compiled/frontier.py)."""
        return self.slots * self.ring_rows * COLUMNS_AHEAD

    @property
    def step_pixels(self) -> int:
        """Upper bound of the number of pixels that one step computes: one of every row
        that is drawn, and a whole row that is given; padded."""
        return self.images * self.rows_at_once + self.width + 4

    @property
    def list_pixels(self) -> int:
        """Upper bound of the number of pixels in any list: those of a step, and those
        whose row above is summed before their turn."""
        return self.step_pixels + self.images * (self.rows_at_once + 1) * COLUMNS_AHEAD


def nothing(_block: Block, _maps: Maps) -> list[Product]:
    """Return an empty list: the products of a kind that computes none of this sort."""
    return []


@dataclass(frozen=True)
class CompiledKind:
    """The compiled loop of one kind of network, and the arrays that it reads and
    writes. Each kind has one, `COMPILED` in its file.

    L is the number of layers. A map is a float32 array (cells, width), in which a cell
    has the features of one pixel; slots are the places of the images that are drawn
    side by side. The loop keeps L + 1 maps that are called streams: the input of each
    layer, and the output of the last one.
    """

    code: Any
    """Its module of model_core/compiled. `advance` draws and `pass_given` works through
    a given row; both read and write a record of its class `Layers`, which contains the
    weights and the state of all layers. `STREAMS` says which cells of a stream a pixel
    has: IN_ORDER, that of its place in the list of pixels of the step; IN_RING, one in
    a ring of rows of its slot; BY_COLUMN, one for its column and slot
    (compiled/loop.py)."""
    weights: Callable[[PixelNetwork, Maps], dict[str, Any]]
    """weights(network, maps): returns the fields of `Layers` that hold weights, by
    name, except those that are applied colour by colour."""
    state: Callable[[PixelNetwork, Maps, Sizes], dict[str, Any]]
    """state(network, maps, sizes): returns the other fields of `Layers`, by name:
    numbers, and for each array a Room (weights.py), which is its shape and its first
    values."""
    kept: tuple[str, ...]
    """Names of fields of `Layers` (L, cells, width) that are read before they are
    written. When an image begins, they hold what lies outside it."""
    stream_cells: Callable[[Sizes], int]
    """stream_cells(sizes): returns the number of cells of one stream, as `code.STREAMS`
    needs them: sizes.step_pixels for IN_ORDER, sizes.ring_cells for IN_RING, slots *
    width for BY_COLUMN."""
    products: Callable[[Block, Maps], list[Product]]
    """products(block, maps): returns the products that a layer computes colour by
    colour at a pixel, in order."""
    by_column: tuple[str, ...] = ()
    """Names of fields of `Layers` (L, columns * slots, width) with the cells of all
    slots of each column side by side, which are written for many pixels at once."""
    row_products: Callable[[Block, Maps], list[Product]] = nothing
    """row_products(block, maps): returns the products that a layer computes colour by
    colour when a row is complete, in order."""
