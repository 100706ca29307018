"""Weights that are applied colour by colour, in the order in which a compiled step reads them (model_core/compiled)."""

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
    """How a network's maps are laid out."""

    def __init__(self, network: PixelNetwork) -> None:
        config = network.config
        self.features = layout(config.features, config.channels)
        self.hidden = layout(config.hidden, config.channels)
        self.gates = gate_layout(self.hidden)
        self.gate_order = gate_order(self.hidden)
        self.wide = layout(config.head, config.channels)
        self.outputs = layout(network.head.outputs * config.channels, config.channels)


@dataclass(frozen=True)
class Product:
    """One that is computed colour by colour: (O, I) weights, masked; colour c reads the first known[c] inputs."""

    name: int
    """Its number in compiled/records.py, or in the file of the kind beside it."""
    weights: Tensor
    outputs: Layout
    known: Sequence[int]


class LayerProducts(Protocol):
    """Products that one kind's layers compute colour by colour (kind.CompiledKind)."""

    @property
    def products(self) -> Callable[[Block, Maps], list[Product]]: ...
    @property
    def row_products(self) -> Callable[[Block, Maps], list[Product]]: ...


def weights_by_colour(
    network: PixelNetwork, kind: LayerProducts, maps: Maps
) -> tuple[Floats, NDArray[np.int64]]:
    """All weights that are applied colour by colour, one after the other, and where those of each product begin."""
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
    """Layer, colour and product, as a step computes them; then what a finished row asks for."""
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
    """Mask A: colour c reads the c colours before it."""
    weights = convolution.masked_weight()[:, :, SIDE, SIDE]
    return Product(INPUT, weights, maps.features, range(weights.shape[1]))


def _to_sums(block: Block, maps: Maps) -> list[Product]:
    """Products from a layer to the next stream, and to the skip sum."""
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
