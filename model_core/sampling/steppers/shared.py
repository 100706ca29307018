"""What the steppers of all networks share: maps of what was drawn, the first convolution, the ways on, the head.

Work lists are Positions: M pixels, each of its own image at its own place. Colours are asked for in order, each after
the values of the colours before it were placed. Everything multiplies the same weights as the teacher-forced pass.
"""

import torch
from torch import Tensor

from model_core.networks.pixel_network import INPUT_KERNEL, Block, PixelNetwork
from model_core.sampling.positions import Positions
from model_core.sampling.steppers.packed import causal_taps, pack, pack_pointwise, pack_taps


class Canvas:
    """Maps of F features with a border that reads as the outside, read by the taps of a masked kernel.

    Each slot holds (reach + H, reach + W + reach) cells; nothing below the current row is ever read.
    """

    def __init__(self, slots: int, height: int, width: int, features: int, kernel: int, like: Tensor) -> None:
        self._reach = kernel // 2
        self._row = width + 2 * self._reach
        self._image = (height + self._reach) * self._row
        self._cells = like.new_zeros(slots * self._image, features)
        self._taps = torch.tensor([dy * self._row + dx for dy, dx in causal_taps(kernel)])

    def at(self, where: Positions) -> Tensor:
        """Flat index of each pixel: (M,)."""
        return where.slot * self._image + (where.y + self._reach) * self._row + where.x + self._reach

    def write(self, at: Tensor, columns: slice, features: Tensor) -> None:
        self._cells[at, columns] = features

    def taps(self, at: Tensor) -> Tensor:
        """The neighbourhood a masked kernel sees: (M, taps * F), in the order of causal_taps."""
        return self._cells.index_select(0, (at[:, None] + self._taps).flatten()).view(len(at), -1)


class InputAndHead:
    """What both networks share: the 7 x 7 mask-A convolution of the values drawn so far, and the softmax head."""

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        config = network.config
        self.colours = config.channels
        self._network = network
        self._input = pack_taps(network.input, self.colours)
        self._values = Canvas(slots, config.height, config.width, self.colours, INPUT_KERNEL, network.input.bias)
        self._head = [pack_pointwise(c, self.colours) for c in (network.head.first, network.head.second)]
        output = network.head.output
        columns = [slice(c * config.values, (c + 1) * config.values) for c in range(self.colours)]
        self._output = pack(output.matrix(), output.bias, columns)

    def place(self, where: Positions, colour: int, values: Tensor) -> None:
        """Let the pixels after `where` see its (M,) values of one colour."""
        self._values.write(self._values.at(where), slice(colour, colour + 1), self._network.scale(values)[:, None])

    def input(self, where: Positions, colour: int, stream: Tensor) -> None:
        """Fill the features of one colour of the first map at `where`: stream (M, 2h)."""
        stream[:, self._input.columns[colour]] = self._input(self._values.taps(self._values.at(where)), colour)

    def logits(self, top: Tensor, colour: int) -> Tensor:
        """(M, 2h) -> (M, V) for one colour; the features of earlier colours were computed by earlier calls."""
        x = top.relu()
        for layer in self._head:
            wide = x.new_zeros(len(x), layer.columns[-1].stop)
            for c in range(colour + 1):
                wide[:, layer.columns[c]] = layer(x, c)
            x = wide.relu_()
        return self._output(x, colour)


class Ways:
    """A block's 1 x 1 convolutions after its layer, applied to the stream and the skip sum of the current pixels."""

    def __init__(self, block: Block, colours: int, residual: bool) -> None:
        self._up = pack_pointwise(block.up, colours)
        self._skip = None if block.skip is None else pack_pointwise(block.skip, colours)
        self._residual = residual

    def __call__(self, hidden: Tensor, stream: Tensor, after: Tensor, skips: Tensor, colour: int) -> None:
        """Fill `after` (M, 2h) and add to `skips` (M, 2h), the columns of one colour."""
        own = self._up.columns[colour]
        update = self._up(hidden, colour)
        after[:, own] = update.add_(stream[:, own]) if self._residual else update
        if self._skip is not None:
            skips[:, own] += self._skip(hidden, colour)


class Streams:
    """The maps of the pixels of one step, kept while their colours are computed one after the other."""

    def __init__(self, layers: int, features: int, hidden: int, count: int, like: Tensor) -> None:
        self.stream = like.new_zeros(layers + 1, count, features)
        self.hidden = like.new_zeros(layers, count, hidden)
        self.skips = like.new_zeros(count, features)
