"""What one pixel costs: the state each network keeps, and one step of it for many images at once.

A stepper holds the state of `slots` images and one scratch slot. `features` computes the features of one colour at a work
list of pixels, reading only what was stored before; `logits` is the head. Colours are asked for in order, each after the
values of the colours before it were `place`d. Everything is a product of the same weights as the teacher-forced pass.
"""

import torch
from torch import Tensor

from model_core.layers.diagonal_bilstm import GATES, DiagonalLSTM, lstm_cell
from model_core.models import Model
from model_core.networks.pixel_network import INPUT_KERNEL, Block, PixelNetwork
from model_core.sampling.packed import Packed, causal_taps, colour_slices, pack, pack_pointwise, pack_taps
from model_core.sampling.positions import SMALLEST_BATCH, Positions


class Canvas:
    """Maps with a border that reads as the outside: (slots, reach + H, reach + W + reach, F), read by taps of a kernel."""

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

    def input(self, where: Positions, colour: int) -> Tensor:
        """First map at `where`, the features of one colour: (M, F_c)."""
        return self._input(self._values.taps(self._values.at(where)), colour)

    def logits(self, top: Tensor, colour: int) -> Tensor:
        """(M, 2h) -> (M, V) for one colour; the features of earlier colours were computed by earlier calls."""
        x = top.relu()
        for layer in self._head:
            wide = x.new_zeros(len(x), layer.columns[-1].stop)
            for c in range(colour + 1):
                wide[:, layer.columns[c]] = layer(x, c)
            x = wide.relu_()
        return self._output(x, colour)


class _Ways:
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


class _Streams:
    """The maps of the pixels of one step, kept while their colours are computed one after the other."""

    def __init__(self, layers: int, features: int, hidden: int, count: int, like: Tensor) -> None:
        self.stream = like.new_zeros(layers + 1, count, features)
        self.hidden = like.new_zeros(layers, count, hidden)
        self.skips = like.new_zeros(count, features)


class ConvolutionStepper:
    """PixelCNN (section 3.5): keeps the map that each 3 x 3 convolution reads."""

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        config, colours = network.config, network.config.channels
        self.ends = InputAndHead(network, slots + 1)
        self._config = config
        self._columns = colour_slices(config.hidden, colours)
        self._down = [pack_pointwise(block.layer.down, colours) for block in network.blocks]
        self._spread = [pack_taps(block.layer.spread, colours) for block in network.blocks]
        self._ways = [_Ways(block, colours, config.residual) for block in network.blocks]
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
        now.stream[0][:, colour_columns(self.ends, colour)] = self.ends.input(where, colour)
        at = self._maps[0].at(where)
        for i, canvas in enumerate(self._maps):
            canvas.write(at, own, self._down[i](now.stream[i].relu(), colour).relu_())
            now.hidden[i][:, own] = self._spread[i](canvas.taps(at), colour).relu_()
            self._ways[i](now.hidden[i], now.stream[i], now.stream[i + 1], now.skips, colour)
        return now.stream[-1] + now.skips

    def finish_rows(self, slots: list[int], y: Tensor) -> None:
        """A finished row changes nothing here."""

    def _streams(self, count: int) -> _Streams:
        return _Streams(self._config.layers, self._config.features, self._config.hidden, count, self._like)


def colour_columns(ends: InputAndHead, colour: int) -> slice:
    """The residual stream's features of one colour."""
    return ends._input.columns[colour]


class DiagonalStepper:
    """Diagonal BiLSTM (section 3.2): keeps two rows of left-to-right states, and the right-to-left map of the row above.

    The right-to-left scan of a row needs the whole row, and nothing reads it before the next one: it is done for all
    layers at once when the row is finished.
    """

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        config, colours = network.config, network.config.channels
        self.ends = InputAndHead(network, slots + 1)
        self._config = config
        self._scratch = slots
        self._like = network.input.bias
        self._columns = colour_slices(config.hidden, colours)
        self._left = [_pack_gates(block.layer.left, colours) for block in network.blocks]
        self._ways = [_Ways(block, colours, config.residual) for block in network.blocks]
        self._right = RightScan([block.layer.right for block in network.blocks])
        L, W, h = config.layers, config.width, config.hidden
        self._initial = [
            torch.stack([getattr(block.layer.left, name) for block in network.blocks]).detach()[:, None, :]
            for name in ("initial_hidden", "initial_cell")
        ]
        # (L, slots, 2 rows by parity, 1 + W, h): the first column is the outside of the image.
        self._states = [
            initial[:, :, None, None].expand(L, 1, 1, 1, h).repeat(1, slots + 1, 2, 1 + W, 1)
            for initial in self._initial
        ]
        self._row_inputs = self._like.new_zeros(L, slots + 1, W, config.features)
        self._above = self._like.new_zeros(L, slots + 1, W, h)
        self._now = self._streams(0)

    def open(self, slot: int) -> None:
        """Before the first row, the row above is the learned initial state."""
        for state, initial in zip(self._states, self._initial, strict=True):
            state[:, slot] = initial[:, :, None, :]
        self._above[:, slot] = self._right.initial_hidden

    def features(self, where: Positions, colour: int) -> Tensor:
        """Top map (M, 2h) of which the columns up to `colour` are computed."""
        if colour == 0:
            self._now = self._streams(len(where.slot))
        now, own = self._now, self._columns[colour]
        slot, x, parity = where.slot, where.x, where.y % 2
        now.stream[0][:, colour_columns(self.ends, colour)] = self.ends.input(where, colour)
        hidden, cell = self._states
        seen_below = (where.y > 0).to(self._like.dtype)[:, None]  # shifted down: row 0 has no row above
        for i, gates in enumerate(self._left):
            left, up = hidden[i, slot, parity, x], hidden[i, slot, 1 - parity, x + 1]
            summed = gates(torch.cat([now.stream[i], left, up], 1), colour)
            new_hidden, new_cell = lstm_cell(summed, cell[i, slot, parity, x, own], dim=1)
            hidden[i, slot, parity, x + 1, own], cell[i, slot, parity, x + 1, own] = new_hidden, new_cell
            now.hidden[i][:, own] = new_hidden + self._above[i, slot, x, own] * seen_below
            self._ways[i](now.hidden[i], now.stream[i], now.stream[i + 1], now.skips, colour)
        self._row_inputs[:, slot, x] = now.stream[:-1]
        return now.stream[-1] + now.skips

    def finish_rows(self, slots: list[int], y: Tensor) -> None:
        """Scan the finished rows of these slots from right to left, for the row below to see."""
        del y
        index = torch.tensor(slots + [self._scratch] * max(0, SMALLEST_BATCH - len(slots)))
        self._above[:, index] = self._right(self._row_inputs[:, index], self._above[:, index])

    def _streams(self, count: int) -> _Streams:
        return _Streams(self._config.layers, self._config.features, self._config.hidden, count, self._like)


class RightScan:
    """The right-to-left direction of all layers over one row: their inputs are all known, so they run side by side."""

    def __init__(self, directions: list[DiagonalLSTM]) -> None:
        def stacked(pick: "list[Tensor]") -> Tensor:
            return torch.stack(pick).detach()

        self._from_input = stacked([d.input_to_state.matrix().t() for d in directions]).contiguous()  # (L, 2h, 4h)
        self._bias = stacked([d.input_to_state.bias for d in directions])[:, None, :]  # (L, 1, 4h)
        self._from_up = stacked([d.state_to_state[0].t() for d in directions]).contiguous()  # (L, h, 4h)
        self._from_right = stacked([d.state_to_state[1].t() for d in directions]).contiguous()
        self.initial_hidden = stacked([d.initial_hidden for d in directions])[:, None, :]  # (L, 1, h)
        self._initial_cell = stacked([d.initial_cell for d in directions])[:, None, :]

    def __call__(self, inputs: Tensor, above: Tensor) -> Tensor:
        """inputs (L, M, W, 2h) and the hidden map of the row above (L, M, W, h) -> this row's hidden map (L, M, W, h)."""
        L, M, W, _ = inputs.shape
        summed = torch.baddbmm(self._bias, inputs.flatten(1, 2), self._from_input)
        summed = torch.baddbmm(summed, above.flatten(1, 2), self._from_up).view(L, M, W, -1)
        hidden, cell = self.initial_hidden.expand(L, M, -1), self._initial_cell.expand(L, M, -1)
        row = torch.empty_like(above)
        for x in range(W - 1, -1, -1):
            hidden, cell = lstm_cell(torch.baddbmm(summed[:, :, x], hidden, self._from_right), cell, dim=2)
            row[:, :, x] = hidden
        return row


def _pack_gates(lstm: DiagonalLSTM, colours: int) -> Packed:
    """[inputs, left, up] -> the four gates of one colour's hidden units, gate by gate."""
    up, left = lstm.state_to_state
    matrix = torch.cat([lstm.input_to_state.matrix(), left, up], 1).detach().t()  # (4h, 4h): inputs to gates
    bias = lstm.input_to_state.bias.detach()
    h = lstm.hidden
    columns = colour_slices(h, colours)
    chosen = [torch.cat([torch.arange(g * h + c.start, g * h + c.stop) for g in range(GATES)]) for c in columns]
    return Packed(columns, [matrix[:, i].contiguous() for i in chosen], [bias[i] for i in chosen])


Stepper = ConvolutionStepper | DiagonalStepper

_STEPPERS = {"pixel-cnn": ConvolutionStepper, "diagonal-bilstm": DiagonalStepper}


def stepper_for(model: Model, slots: int) -> Stepper:
    """The stepper of this model's network with room for `slots` images."""
    return _STEPPERS[model.config.network](model.network, slots)
