"""Weights that are applied colour by colour, in the order in which a compiled step reads them (model_core/compiled)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model_core.compiled import diagonal_bilstm, pixel_cnn, row_lstm
from model_core.compiled.loop import FIRST, INPUT, OUTPUT, PARTS, SECOND, SIDE, SKIP, UP
from model_core.layers.diagonal_bilstm import DiagonalBiLSTM, DiagonalLSTM
from model_core.layers.head import Head
from model_core.layers.masked_conv import MaskedConv2d
from model_core.layers.pixel_cnn import ConvolutionLayer
from model_core.layers.row_lstm import RowLSTM
from model_core.networks.pixel_network import Block, PixelNetwork, layer_of
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
    """How this network's maps are laid out."""

    def __init__(self, network: PixelNetwork) -> None:
        config = network.config
        self.features = layout(config.features, config.channels)
        self.hidden = layout(config.hidden, config.channels)
        self.gates = gate_layout(self.hidden)
        self.gate_order = gate_order(self.hidden)
        self.wide = layout(config.head, config.channels)
        self.outputs = layout(config.values * config.channels, config.channels)


@dataclass(frozen=True)
class Product:
    """One that is computed colour by colour: (O, I) weights, masked; colour c reads the first known[c] inputs."""

    part: int
    weights: Tensor
    outputs: Layout
    known: Sequence[int]


def weights_by_colour(network: PixelNetwork, maps: Maps) -> tuple[Floats, NDArray[np.int64]]:
    """All weights that are applied colour by colour, one after the other, and where those of each product begin."""
    config = network.config
    begins = np.zeros((PARTS, config.layers, config.channels), np.int64)
    pieces, size = [], 0
    for layer, colour, product in _in_order(network, maps):
        begins[product.part, layer, colour] = size
        pieces.append(colour_columns(product.weights, product.outputs, colour, product.known[colour]).ravel())
        size += pieces[-1].size
    return one_after_another(pieces), begins


def _in_order(network: PixelNetwork, maps: Maps) -> Iterator[tuple[int, int, Product]]:
    """Layer, colour and product, as a step computes them; then what a finished row asks for."""
    config = network.config
    layers = [[*_OF_LAYER[config.network](block, maps), *_to_sums(block, maps)] for block in network.blocks]
    own, head = _input_own(network.input, maps), _head(network.head, maps)
    for colour in range(config.channels):
        yield 0, colour, own
        for i, products in enumerate(layers):
            yield from ((i, colour, product) for product in products)
        yield from ((0, colour, product) for product in head)
    if config.network == "diagonal-bilstm":
        for i, block in enumerate(network.blocks):
            for product in _right(block, maps):
                yield from ((i, colour, product) for colour in range(config.channels))


def _input_own(convolution: MaskedConv2d, maps: Maps) -> Product:
    """Mask A: colour c reads the c colours before it."""
    weights = convolution.masked_weight()[:, :, SIDE, SIDE]
    return Product(INPUT, weights, maps.features, range(weights.shape[1]))


def _convolution(block: Block, maps: Maps) -> list[Product]:
    layer = layer_of(block, ConvolutionLayer)
    across = layer.spread.masked_weight()[:, :, 1, 1]
    return [
        Product(pixel_cnn.DOWN, layer.down.matrix(), maps.hidden, maps.features.ends),
        Product(pixel_cnn.ACROSS, across, maps.hidden, maps.hidden.ends),
    ]


def _row(block: Block, maps: Maps) -> list[Product]:
    gates = layer_of(block, RowLSTM).input_to_state.masked_weight()[maps.gate_order, :, 0, 1]
    return [Product(row_lstm.GATES, gates, maps.gates, maps.features.ends)]


def _left(block: Block, maps: Maps) -> list[Product]:
    left = layer_of(block, DiagonalBiLSTM).left
    return _direction(diagonal_bilstm.LEFT_GATES, diagonal_bilstm.LEFT_BESIDE, left, maps)


def _right(block: Block, maps: Maps) -> list[Product]:
    right = layer_of(block, DiagonalBiLSTM).right
    return _direction(diagonal_bilstm.RIGHT_GATES, diagonal_bilstm.RIGHT_BESIDE, right, maps)


def _direction(gates: int, beside: int, lstm: DiagonalLSTM, maps: Maps) -> list[Product]:
    inputs, states = lstm.input_to_state.matrix()[maps.gate_order], lstm.state_to_state[1][maps.gate_order]
    return [
        Product(gates, inputs, maps.gates, maps.features.ends),
        Product(beside, states, maps.gates, [maps.hidden.features] * len(maps.gates.ends)),
    ]


_OF_LAYER = {"pixel-cnn": _convolution, "row-lstm": _row, "diagonal-bilstm": _left}


def _to_sums(block: Block, maps: Maps) -> list[Product]:
    """From a layer to the next stream, and to the skip sum."""
    parts = [(UP, block.up)] if block.skip is None else [(UP, block.up), (SKIP, block.skip)]
    return [Product(part, each.matrix(), maps.features, maps.hidden.ends) for part, each in parts]


def _head(head: Head, maps: Maps) -> list[Product]:
    return [
        Product(FIRST, head.first.matrix(), maps.wide, maps.features.ends),
        Product(SECOND, head.second.matrix(), maps.wide, maps.wide.ends),
        Product(OUTPUT, head.output.matrix(), maps.outputs, maps.wide.ends),
    ]
