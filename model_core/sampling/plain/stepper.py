"""One step of a network: the parts that are the same for every kind of layer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.plain.positions import Positions
from model_core.sampling.plain.ring import KeptMaps
from model_core.sampling.plain.shared import InputAndHead, Streams, Ways
from model_core.sampling.plain.weights import colour_slices


class Stepper(ABC):
    """The state of `slots` images, on the network's device; a step computes `places` pixels of any of them."""

    def __init__(self, network: PixelNetwork, slots: int, places: int) -> None:
        config, colours = network.config, network.config.channels
        self.ends = InputAndHead(network, slots)
        self._columns = colour_slices(config.hidden, colours)
        self._ways = [Ways(block, colours, config.residual) for block in network.blocks]
        self._now = Streams(network, places)
        # What biases every layer at each pixel (section 3.6); no features at all for a network without conditioning.
        shape = slots, config.height, config.width, network.conditioning
        self._conditions = network.input.bias.new_zeros(*shape)

    def open(self, slot: int, condition: Tensor | None = None) -> None:
        """Make a slot ready for a new image; condition (H, W, c) for the large network of a Multi-Scale one."""
        self.ends.clear(slot)
        for maps in self._kept():
            maps.clear(slot)
        if condition is not None:
            self._conditions[slot] = condition

    def fork(self, source: int, target: int) -> None:
        """Make the state of one slot that of another, whose row has just ended."""
        self.ends.fork(source, target)
        for maps in self._kept():
            maps.fork(source, target)
        self._conditions[target] = self._conditions[source]

    def slot_bytes(self, places: int) -> int:
        """Bytes that each further slot adds, with so many places of its own."""
        kept = sum(maps.slot_bytes for maps in (self.ends, *self._kept()))
        return kept + self._conditions[0].nbytes + places * self._now.place_bytes

    def features(self, where: Positions, colour: int) -> Tensor:
        """Top map (M, 2h), of which the columns up to `colour` are computed."""
        if colour == 0:
            self._now.clear()
        now, own = self._now, self._columns[colour]
        self.ends.input(where, colour, now.stream[0])
        self._condition = self._conditions[where.slot, where.y, where.x]  # (M, c)
        self._look(where)
        for i, ways in enumerate(self._ways):
            now.hidden[i][:, own] = self._layer(i, now.stream[i], colour)
            ways(now.hidden[i], now.stream[i], now.stream[i + 1], now.skips, colour)
        if colour == len(self._columns) - 1:
            self._leave(where)
        return now.stream[-1] + now.skips

    def end_rows(self) -> None:  # noqa: B027 - most layers have nothing to do
        """Every slot's row is drawn to its end, where rows are drawn one after the other."""

    @abstractmethod
    def _kept(self) -> Sequence[KeptMaps]:
        """Maps that the layers keep of the rows above and of the pixels to the left."""

    @abstractmethod
    def _look(self, where: Positions) -> None:
        """Find where these pixels and their neighbours lie."""

    @abstractmethod
    def _layer(self, i: int, stream: Tensor, colour: int) -> Tensor:
        """Layer i at the pixels looked at: stream (M, 2h) -> the hidden features of one colour (M, h_c), stored too."""

    def _leave(self, where: Positions) -> None:  # noqa: B027 - most layers have nothing to do
        """All colours of these pixels are computed."""
