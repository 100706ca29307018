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
    """The state of a network for all slots, and the computation of the next pixels of
    its images. Each kind of network has a subclass, which defines the layers. A slot is
    the number under which an image is kept; places are the M pixels, each of any slot,
    that are computed together. H and W are the network's height and width.

    ends: the first convolution and the head.
    """

    def __init__(self, network: PixelNetwork, slots: int, places: int) -> None:
        """Lay out the weights and make the state, on the network's device.

        slots: number of slots.
        places: M, the number of pixels that one call of `features` computes.
        """
        config, colours = network.config, network.config.channels
        self.ends = InputAndHead(network, slots)
        self._columns = colour_slices(config.hidden, colours)
        self._ways = [Ways(block, colours, config.residual) for block in network.blocks]
        self._now = Streams(network, places)
        # What biases every layer at each pixel (section 3.6). A network without
        # conditioning has no such features.
        shape = slots, config.height, config.width, network.conditioning
        self._conditions = network.input.bias.new_zeros(*shape)

    def open(self, slot: int, condition: Tensor | None = None) -> None:
        """Prepare a slot for a new image.

        condition: conditioning map (H, W, c) of a network with conditioning; None
            leaves the map of the slot as it is.
        """
        self.ends.clear(slot)
        for maps in self._kept():
            maps.clear(slot)
        if condition is not None:
            self._conditions[slot] = condition

    def fork(self, source: int, target: int) -> None:
        """Copy the state of the slot `source`, which has just completed a row, to the
        slot `target`."""
        self.ends.fork(source, target)
        for maps in self._kept():
            maps.fork(source, target)
        self._conditions[target] = self._conditions[source]

    def slot_bytes(self, places: int) -> int:
        """Return the number of bytes that each additional slot adds, with `places`
        places of its own."""
        kept = sum(maps.slot_bytes for maps in (self.ends, *self._kept()))
        return kept + self._conditions[0].nbytes + places * self._now.place_bytes

    def features(self, where: Positions, colour: int) -> Tensor:
        """Return the top map (M, 2h) of the pixels `where`, whose features of the
        colours up to `colour` are computed; those of later colours are finite but mean
        nothing.

        The colours are asked for in order, from 0, each after `ends.place` has stored
        the values of the one before. The state is updated for the pixels that follow.
        """
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
        """Called after each step, in which images may have completed a row. A network
        that needs a whole row computes it now; others do nothing."""

    @abstractmethod
    def _kept(self) -> Sequence[KeptMaps]:
        """Return the maps that the layers keep of the rows above and of the pixels to
        the left."""

    @abstractmethod
    def _look(self, where: Positions) -> None:
        """Find out where these pixels and their neighbours are stored."""

    @abstractmethod
    def _layer(self, i: int, stream: Tensor, colour: int) -> Tensor:
        """Return the hidden features (M, h_c) of one colour of layer i, given its input
        `stream` (M, 2h), and store what later pixels read."""

    def _leave(self, where: Positions) -> None:  # noqa: B027 - most layers have nothing to do
        """Called when all colours of these pixels are computed."""
