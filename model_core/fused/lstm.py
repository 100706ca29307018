"""What the two recurrent networks share on a canvas (canvas.py): their block, with one
scan or with two whose results are added."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from model_core.compiled.vector_code import LANES
from model_core.compiled.ways import backward_ways, forward_ways
from model_core.fused.canvas import Canvas
from model_core.fused.panels import bits
from model_core.fused.products import Gradients, ahead, back, gradients_of
from model_core.fused.scan import Scan, clear_first_column
from model_core.fused.trunk import FusedBlock, Kept, Maps
from model_core.networks.pixel_network import Block, PixelNetwork

STATES = 3
"""Number of maps that a scan returns: gates, cell, hidden."""


def whole_tiles(network: PixelNetwork, _images: int) -> bool:
    """Return True if the compiled scans support the network: they need h and, for a
    conditioning map, its features in multiples of 16. The number of images does not
    matter; the parameter makes this a `FusedNetwork.fits`."""
    # A label does not count, because it is no input of the scans.
    return network.config.hidden % LANES == 0 and (
        network.config.labels > 0 or network.conditioning % LANES == 0
    )


def recurrent_block(
    scans: Callable[[Any, Canvas], list[Scan]],
    joined: Callable[[list[Tensor], Canvas], Tensor],
    parted: Callable[[Tensor, Canvas], list[Tensor]],
) -> FusedBlock:
    """Return the block of a recurrent network, made of the three functions that its
    kind provides.

    scans: scans(layer, canvas) returns the scans of a layer.
    joined: joined(hidden, canvas) returns the layer's map (M, h), given the hidden
        states of each scan.
    parted: the gradient of `joined`: parted(d_hidden, canvas) returns the gradient of
        each scan's hidden states, given that of the layer's map.
    """

    def forward(block: Block, maps: Maps, before: Kept | None) -> Kept:
        walks, inputs = scans(block.layer, maps.canvas), _inputs(maps)
        if walks[0].walk.reads_beside:
            clear_first_column(inputs, walks[0].walk)
        states = []
        for k, each in enumerate(walks):
            room = None if before is None else before[2 + STATES * k :][:STATES]
            states.append(each.forward(inputs, room, maps))
        hidden, out = joined([state[-1] for state in states], maps.canvas), maps.stream
        if maps.keeps and inputs is maps.stream:
            out = torch.empty_like(out)
        up, skip = (ahead(each, hidden.dtype) for each in (block.up, block.skip))
        stream, skips = bits(maps.stream), bits(maps.skips)
        forward_ways(
            bits(hidden), stream, bits(out), skips, up, skip, int(maps.residual)
        )
        maps.stream = out
        return [inputs, hidden, *(tensor for state in states for tensor in state)]

    def backward(
        block: Block,
        kept: Kept,
        d: Maps,
        condition: Tensor | None,
        gradients: Gradients,
    ) -> None:
        inputs, hidden, *states = kept
        d_hidden = torch.empty(hidden.shape)
        near = (
            d.stream
            if hidden.dtype == torch.float32
            else torch.empty(d.stream.shape, dtype=hidden.dtype)
        )
        ways = block.up, block.skip
        products = [back(each, hidden.dtype) for each in ways]
        backward_ways(
            *(bits(each) for each in (d.stream, near, d.skips, d_hidden, hidden)),
            *products,
        )
        for conv, product in zip(ways, products, strict=True):
            gradients |= gradients_of(conv, product)
        if not d.residual:
            d.stream.zero_()
        d_inputs = d.stream if d.condition is None else torch.zeros(inputs.shape)
        walks = scans(block.layer, d.canvas)
        for k, (each, d_part) in enumerate(
            zip(walks, parted(d_hidden, d.canvas), strict=True)
        ):
            gradients |= each.backward(
                inputs, states[STATES * k :][:STATES], d_part, d_inputs, d
            )
        if walks[0].walk.reads_beside:
            clear_first_column(d_inputs, walks[0].walk)
        if d.condition is not None:
            width = d.stream.shape[1]
            d.stream += d_inputs[:, :width]
            d.condition += d_inputs[:, width:]

    return FusedBlock(forward, backward)


def _inputs(maps: Maps) -> Tensor:
    read = (
        maps.stream
        if maps.condition is None
        else torch.cat([maps.stream, maps.condition], 1)
    )
    dtype = maps.canvas.dtype
    return read if read.dtype == dtype else read.to(dtype)
