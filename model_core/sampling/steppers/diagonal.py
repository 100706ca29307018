"""Stepping the Diagonal BiLSTM."""

import torch
from torch import Tensor

from model_core.layers.diagonal_bilstm import GATES, DiagonalBiLSTM, DiagonalLSTM, lstm_cell
from model_core.networks.pixel_network import PixelNetwork, layer_of
from model_core.sampling.positions import SMALLEST_BATCH, Positions
from model_core.sampling.steppers.packed import Packed, colour_slices
from model_core.sampling.steppers.shared import InputAndHead, Streams, Ways


class DiagonalStepper:
    """Diagonal BiLSTM (section 3.2): keeps two rows of left-to-right states and the right-to-left map of the row above.

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
        layers = [layer_of(block, DiagonalBiLSTM) for block in network.blocks]
        self._left = [_pack_gates(layer.left, colours) for layer in layers]
        self._ways = [Ways(block, colours, config.residual) for block in network.blocks]
        self._right = RightScan([layer.right for layer in layers])
        L, W, h = config.layers, config.width, config.hidden
        self._initial = [
            torch.stack(states).detach()[:, None, :]
            for states in zip(*[(layer.left.initial_hidden, layer.left.initial_cell) for layer in layers], strict=True)
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
        self.ends.input(where, colour, now.stream[0])
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

    def _streams(self, count: int) -> Streams:
        return Streams(self._config.layers, self._config.features, self._config.hidden, count, self._like)


class RightScan:
    """The right-to-left direction of all layers over one row: their inputs are all known, so they run side by side."""

    def __init__(self, directions: list[DiagonalLSTM]) -> None:
        def stacked(one_each: list[Tensor]) -> Tensor:
            return torch.stack(one_each).detach()

        self._from_input = stacked([d.input_to_state.matrix().t() for d in directions]).contiguous()  # (L, 2h, 4h)
        self._bias = stacked([d.input_to_state.bias for d in directions])[:, None, :]  # (L, 1, 4h)
        self._from_up = stacked([d.state_to_state[0].t() for d in directions]).contiguous()  # (L, h, 4h)
        self._from_right = stacked([d.state_to_state[1].t() for d in directions]).contiguous()
        self.initial_hidden = stacked([d.initial_hidden for d in directions])[:, None, :]  # (L, 1, h)
        self._initial_cell = stacked([d.initial_cell for d in directions])[:, None, :]

    def __call__(self, inputs: Tensor, above: Tensor) -> Tensor:
        """inputs (L, M, W, 2h), the hidden map of the row above (L, M, W, h) -> this row's hidden map (L, M, W, h)."""
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
