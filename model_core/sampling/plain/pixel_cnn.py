"""The PixelCNN (section 3.5), one pixel at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from model_core.layers.pixel_cnn import PixelCNNLayer
from model_core.networks.pixel_network import PixelNetwork, layer_of
from model_core.sampling.plain.positions import Positions
from model_core.sampling.plain.ring import KeptMaps, Ring, RingMaps, taps_on
from model_core.sampling.plain.stepper import Stepper
from model_core.sampling.plain.weights import causal_taps, pack_pointwise, pack_taps


class PixelCNNStepper(Stepper):
    """Stepper of the PixelCNN: its state for all slots (numbers under which images are
    kept), and the computation of the next pixels. It keeps the two rows that each 3 x 3
    convolution reads of its own input."""

    def __init__(self, network: PixelNetwork, slots: int, places: int) -> None:
        """Lay out the weights and make the state, on the network's device.

        slots: number of slots.
        places: number of pixels that are computed together.

        Raises AssertionError for another kind of network.
        """
        super().__init__(network, slots, places)
        config, colours = network.config, network.config.channels
        layers = [layer_of(block, PixelCNNLayer) for block in network.blocks]
        self._down = [pack_pointwise(layer.down, colours) for layer in layers]
        self._spread = [
            pack_taps(layer.spread, colours, layer.condition) for layer in layers
        ]
        self._taps = taps_on(network.input.bias.device, causal_taps(layers[0].spread))
        self._ring = Ring(slots, rows=2, width=config.width, reach=1)
        self._maps = RingMaps(
            self._ring, network.input.bias.new_zeros(config.layers, config.hidden)
        )

    def _kept(self) -> Sequence[KeptMaps]:
        return (self._maps,)

    def _look(self, where: Positions) -> None:
        self._cells, self._around = (
            self._ring.cells(where),
            self._ring.around(where, self._taps),
        )

    def _layer(self, i: int, stream: Tensor, colour: int) -> Tensor:
        self._maps.write(
            i,
            self._cells,
            self._columns[colour],
            self._down[i](stream.relu(), colour).relu_(),
        )
        seen = torch.cat([self._maps.read(i, self._around), self._condition], 1)
        return self._spread[i](seen, colour).relu_()
