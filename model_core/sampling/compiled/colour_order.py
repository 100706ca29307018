"""Weights that are applied colour by colour, in the order in which a compiled step
reads them (model_core/compiled)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model_core.compiled.records import (
    FIRST,
    INPUT,
    OUTPUT,
    PRODUCTS,
    SECOND,
    SIDE,
    SKIP,
    UP,
)
from model_core.layers.head import Head
from model_core.layers.masked_conv import MaskedConv2d
from model_core.networks.pixel_network import Block, PixelNetwork
from model_core.sampling.compiled.layout import (
    Floats,
    Layout,
    colour_columns,
    gate_layout,
    gate_order,
    layout,
    one_after_another,
)


class Maps:
    """How the features of each of a network's maps are laid out (layout.py): a map has
    a cell for each pixel, and in it features, which belong to colours, one colour after
    the other. h is the number of features of a layer's output.

    features: layout of the residual stream, 2h features, which each layer reads and
        adds to.
    hidden: of a layer's output.
    gates: of the gates of an LSTM layer, 4h features, in each colour the gates o, f, i,
        g.
    gate_order: int64 (4h,), the index in the paper's order (all gates o, then f, i, g)
        of each feature of `gates`.
    wide: between the 1 x 1 convolutions of the head.
    outputs: logits of all colours.
    """

    def __init__(self, network: PixelNetwork) -> None:
        """Compute the layouts; only the network's config and the size of its head are
        read."""
        config = network.config
        self.features = layout(config.features, config.channels)
        self.hidden = layout(config.hidden, config.channels)
        self.gates = gate_layout(self.hidden)
        self.gate_order = gate_order(self.hidden)
        self.wide = layout(config.head, config.channels)
        self.outputs = layout(network.head.outputs * config.channels, config.channels)


@dataclass(frozen=True)
class Product:
    """A matrix product that a step of the compiled loops computes colour by colour."""

    name: int
    """Its number in compiled/records.py or in the file of its kind beside that."""
    weights: Tensor
    """(O, I), masked: O outputs, I inputs."""
    outputs: Layout
    """Layout of the O outputs: which rows of `weights` belong to which colour."""
    known: Sequence[int]
    """For each colour, how many of the first inputs its outputs read; those after them
    have weights of 0."""


class LayerProducts(Protocol):
    """The products that the layers of one kind of network compute colour by colour:
    what a CompiledKind (kind.py) is to the functions of this file."""

    @property
    def products(self) -> Callable[[Block, Maps], list[Product]]:
        """A function, products(block, maps): returns those of a pixel, in order."""
        ...

    @property
    def row_products(self) -> Callable[[Block, Maps], list[Product]]:
        """A function, row_products(block, maps): returns those of a row that is
        complete, in order."""
        ...


def weights_by_colour(
    network: PixelNetwork, kind: LayerProducts, maps: Maps
) -> tuple[Floats, NDArray[np.int64]]:
    """Return two arrays. The first, float32 (n,), has all weights that are applied
    colour by colour, one after the other in the order of `products_in_order`, each in
    the form of `colour_columns`; it begins at a cache line. The second, int64
    (PRODUCTS, layers, colours), has the index in the first at which those of each
    product (by Product.name), layer and colour begin, and 0 for products that the
    network does not have."""
    config = network.config
    begins = np.zeros((PRODUCTS, config.layers, config.channels), np.int64)
    pieces, size = [], 0
    for layer, colour, product in products_in_order(network, kind, maps):
        begins[product.name, layer, colour] = size
        pieces.append(
            colour_columns(
                product.weights, product.outputs, colour, product.known[colour]
            ).ravel()
        )
        size += pieces[-1].size
    return one_after_another(pieces), begins


def products_in_order(
    network: PixelNetwork, kind: LayerProducts, maps: Maps
) -> Iterator[tuple[int, int, Product]]:
    """Yield (layer, colour, product) in the order in which a step computes them: colour
    by colour, and in each the first convolution, the layers and the head; then those of
    a complete row, layer by layer. The first convolution and the head count as layer
    0."""
    config = network.config
    layers = [
        [*kind.products(block, maps), *_to_sums(block, maps)]
        for block in network.blocks
    ]
    own, head = _input_own(network.input, maps), _head(network.head, maps)
    for colour in range(config.channels):
        yield 0, colour, own
        for i, products in enumerate(layers):
            yield from ((i, colour, product) for product in products)
        yield from ((0, colour, product) for product in head)
    for i, block in enumerate(network.blocks):
        for product in kind.row_products(block, maps):
            yield from ((i, colour, product) for colour in range(config.channels))


def _input_own(convolution: MaskedConv2d, maps: Maps) -> Product:
    """Return the product of the first convolution at the pixel itself: with mask A,
    colour c reads the c colours before it."""
    weights = convolution.masked_weight()[:, :, SIDE, SIDE]
    return Product(INPUT, weights, maps.features, range(weights.shape[1]))


def _to_sums(block: Block, maps: Maps) -> list[Product]:
    ways = (
        [(UP, block.up)] if block.skip is None else [(UP, block.up), (SKIP, block.skip)]
    )
    return [
        Product(name, way.matrix(), maps.features, maps.hidden.ends)
        for name, way in ways
    ]


def _head(head: Head, maps: Maps) -> list[Product]:
    return [
        Product(FIRST, head.first.matrix(), maps.wide, maps.features.ends),
        Product(SECOND, head.second.matrix(), maps.wide, maps.wide.ends),
        Product(OUTPUT, head.output.matrix(), maps.outputs, maps.wide.ends),
    ]
