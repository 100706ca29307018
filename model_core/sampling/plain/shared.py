"""The parts of a step that all kinds of network share: the first convolution, the 1 x 1
convolutions after a layer, and the head.

All work on M pixels (Positions), each of an image of its own. The colours of a pixel
are computed in order, each after the values of the earlier colours have been placed.
The weights are those of the teacher-forced pass.
"""

from torch import Tensor

from model_core.kinds import INPUT_REACH
from model_core.networks.pixel_network import Block, PixelNetwork
from model_core.sampling.plain.positions import Positions
from model_core.sampling.plain.ring import Ring, RingMaps, taps_on
from model_core.sampling.plain.weights import (
    causal_taps,
    pack,
    pack_pointwise,
    pack_taps,
)


class InputAndHead:
    """The two ends of every network: the 7 x 7 convolution with mask A, of the values
    drawn so far, and the softmax head, which makes logits from the top map. A pixel's C
    colours are computed one after the other. M is the number of pixels that are
    computed together; a slot is the number under which an image is kept.

    colours: C.
    """

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        """Lay out the weights and make the rows of values that the convolution reads,
        for all slots, on the network's device."""
        config = network.config
        self.colours = config.channels
        self._network = network
        self._input = pack_taps(network.input, self.colours)
        self._taps = taps_on(network.input.bias.device, causal_taps(network.input))
        self._ring = Ring(slots, INPUT_REACH + 1, config.width, INPUT_REACH)
        self._values = RingMaps(
            self._ring, network.input.bias.new_zeros(1, config.inputs)
        )
        self._head = [
            pack_pointwise(c, self.colours)
            for c in (network.head.first, network.head.second)
        ]
        output = network.head.output
        count = network.head.outputs
        columns = [slice(c * count, (c + 1) * count) for c in range(self.colours)]
        self._output = pack(output.matrix(), output.bias, columns)

    @property
    def slot_bytes(self) -> int:
        """Number of bytes of one slot's values."""
        return self._values.slot_bytes

    def clear(self, slot: int) -> None:
        """Prepare a slot for a new image."""
        self._values.clear(slot)

    def fork(self, source: int, target: int) -> None:
        """Copy the values that are kept of the slot `source` to the slot `target`."""
        self._values.fork(source, target)

    def place(self, where: Positions, colour: int, values: Tensor) -> None:
        """Store the values (M,), 0..V-1, of one colour of the pixels `where`, for the
        pixels and colours after them to read."""
        encoded = self._network.encode(values[:, None, None, None]).flatten(
            1
        )  # (M, 1), of categories (M, V)
        self._values.write(
            0,
            self._ring.cells(where),
            slice(colour, colour + encoded.shape[1]),
            encoded,
        )

    def input(self, where: Positions, colour: int, stream: Tensor) -> None:
        """Write the features of one colour of the first map at the pixels `where` to
        the columns of that colour in `stream` (M, 2h)."""
        seen = self._values.read(0, self._ring.around(where, self._taps))
        stream[:, self._input.columns[colour]] = self._input(seen, colour)

    def logits(self, top: Tensor, colour: int) -> Tensor:
        """Return the logits (M, V) of one colour, given the top map (M, 2h), of which
        the features of this and earlier colours must be computed, and those of later
        ones finite."""
        x = top.relu()
        for layer in self._head:
            wide = x.new_zeros(len(x), layer.columns[-1].stop)
            for c in range(colour + 1):
                wide[:, layer.columns[c]] = layer(x, c)
            x = wide.relu_()
        return self._output(x, colour)


class Ways:
    """The 1 x 1 convolutions of a block after its layer: one to the residual stream,
    the map that is passed from layer to layer, and one to the skip sum, which is added
    to the top map. M is the number of pixels that are computed together.

    Calling it, ways(hidden, stream, after, skips, colour), takes the layer's output (M,
    h) and input (M, 2h), writes the next stream to `after` (M, 2h), and adds to `skips`
    (M, 2h), both only in the columns of one colour.
    """

    def __init__(self, block: Block, colours: int, residual: bool) -> None:
        """Lay out the weights of a block.

        colours: number of colours.
        residual: True if the stream is added to the result, False if the result
            replaces it.
        """
        self._up = pack_pointwise(block.up, colours)
        self._skip = None if block.skip is None else pack_pointwise(block.skip, colours)
        self._residual = residual

    def __call__(
        self, hidden: Tensor, stream: Tensor, after: Tensor, skips: Tensor, colour: int
    ) -> None:
        """Write the next stream to `after` (M, 2h) and add to `skips` (M, 2h), in the
        columns of one colour.

        hidden: (M, h), the layer's output. stream: (M, 2h), its input.
        """
        own = self._up.columns[colour]
        update = self._up(hidden, colour)
        after[:, own] = update.add_(stream[:, own]) if self._residual else update
        if self._skip is not None:
            skips[:, own] += self._skip(hidden, colour)


class Streams:
    """The maps of the M pixels of one tick (pixels that are computed together), while
    their colours are computed one after the other.

    stream: (L + 1, M, 2h), the input of each of L layers and the last output.
    hidden: (L, M, h), the output of each layer.
    skips: (M, 2h), the skip sum.
    """

    def __init__(self, network: PixelNetwork, count: int) -> None:
        """Make the maps, with zeros, on the network's device. count: M."""
        config, like = network.config, network.input.bias
        self.stream = like.new_zeros(config.layers + 1, count, config.features)
        self.hidden = like.new_zeros(config.layers, count, config.hidden)
        self.skips = like.new_zeros(count, config.features)

    @property
    def place_bytes(self) -> int:
        """Number of bytes of one pixel."""
        return sum(
            part[..., 0, :].nbytes for part in (self.stream, self.hidden, self.skips)
        )

    def clear(self) -> None:
        """Fill the maps with zeros for the next pixels. Features of later colours are
        multiplied by masked zeros, which gives zero only if they are finite numbers."""
        for part in (self.stream, self.hidden, self.skips):
            part.zero_()
