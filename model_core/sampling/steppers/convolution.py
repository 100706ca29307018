"""Stepping PixelCNN."""

from torch import Tensor

from model_core.layers.convolution import ConvolutionLayer
from model_core.networks.pixel_network import PixelNetwork, layer_of
from model_core.sampling.positions import Positions
from model_core.sampling.steppers.packed import colour_slices, pack_pointwise, pack_taps
from model_core.sampling.steppers.shared import Canvas, InputAndHead, Streams, Ways


class ConvolutionStepper:
    """PixelCNN (section 3.5): keeps the map that each 3 x 3 convolution reads."""

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        config, colours = network.config, network.config.channels
        self.ends = InputAndHead(network, slots + 1)
        self._config = config
        self._columns = colour_slices(config.hidden, colours)
        layers = [layer_of(block, ConvolutionLayer) for block in network.blocks]
        self._down = [pack_pointwise(layer.down, colours) for layer in layers]
        self._spread = [pack_taps(layer.spread, colours) for layer in layers]
        self._ways = [Ways(block, colours, config.residual) for block in network.blocks]
        self._like = network.input.bias
        size = (slots + 1, config.height, config.width, config.hidden, 3, self._like)
        self._maps = [Canvas(*size) for _ in network.blocks]
        self._now = self._streams(0)

    def open(self, slot: int) -> None:
        """Nothing to reset: every cell is written before it is read, and the border never is."""

    def features(self, where: Positions, colour: int) -> Tensor:
        """Top map (M, 2h) of which the columns up to `colour` are computed."""
        if colour == 0:
            self._now = self._streams(len(where.slot))
        now, own = self._now, self._columns[colour]
        self.ends.input(where, colour, now.stream[0])
        at = self._maps[0].at(where)
        for i, canvas in enumerate(self._maps):
            canvas.write(at, own, self._down[i](now.stream[i].relu(), colour).relu_())
            now.hidden[i][:, own] = self._spread[i](canvas.taps(at), colour).relu_()
            self._ways[i](now.hidden[i], now.stream[i], now.stream[i + 1], now.skips, colour)
        return now.stream[-1] + now.skips

    def finish_rows(self, slots: list[int], y: Tensor) -> None:
        """A finished row changes nothing here."""

    def _streams(self, count: int) -> Streams:
        return Streams(self._config.layers, self._config.features, self._config.hidden, count, self._like)
