"""The Diagonal BiLSTM (section 3.2), one pixel at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from model_core.layers.diagonal_bilstm import DiagonalBiLSTM, DiagonalLSTM
from model_core.layers.lstm import lstm_cell
from model_core.networks.pixel_network import PixelNetwork, layer_of
from model_core.sampling.plain.positions import Positions
from model_core.sampling.plain.ring import KeptMaps, Ring, RingMaps, Tap, taps_on
from model_core.sampling.plain.stepper import Stepper
from model_core.sampling.plain.weights import (
    Packed,
    pack_gates_by_colour,
    with_condition,
)

LEFT, UP = (0, -1), (-1, 0)
STATE_TAPS: list[Tap] = [LEFT, UP]


class DiagonalBiLSTMStepper(Stepper):
    """Stepper of the Diagonal BiLSTM: its state for all slots (numbers under which
    images are kept), and the computation of the next pixels. It keeps two rows of
    left-to-right states, and the right-to-left map of the row above.

    The right-to-left scan of a row needs the whole row, and only the next row reads it.
    So it is computed for all layers at once when the row is complete, by `end_rows`.
    """

    def __init__(self, network: PixelNetwork, slots: int, places: int) -> None:
        """Lay out the weights and make the state, on the network's device.

        slots: number of slots.
        places: number of pixels that are computed together.

        Raises AssertionError for another kind of network.
        """
        super().__init__(network, slots, places)
        config = network.config
        layers = [layer_of(block, DiagonalBiLSTM) for block in network.blocks]
        self._gates = [_pack(layer.left, config.channels) for layer in layers]
        self._ring = Ring(slots, rows=2, width=config.width, reach=1)
        self._hidden = RingMaps(
            self._ring,
            torch.stack([layer.left.initial_hidden for layer in layers]).detach(),
        )
        self._cell = RingMaps(
            self._ring,
            torch.stack([layer.left.initial_cell for layer in layers]).detach(),
        )
        self._right = RightScan([layer.right for layer in layers])
        like = network.input.bias
        self._state_taps, self._left = (
            taps_on(like.device, STATE_TAPS),
            taps_on(like.device, [LEFT]),
        )
        self._slots = torch.arange(slots, device=like.device)
        self._row_of = torch.zeros_like(self._slots)
        self._row_inputs = RowMaps(
            slots, config.width, like.new_zeros(config.layers, 1, config.features)
        )
        self._above = RowMaps(slots, config.width, self._right.initial_hidden)

    def end_rows(self) -> None:
        """Scan the row that each slot has just completed from right to left, for the
        row below, and keep the result in place of that of the row above."""
        condition = self._conditions[self._slots, self._row_of]  # (slots, W, c)
        inputs = self._row_inputs.maps
        inputs = torch.cat([inputs, condition.expand(len(inputs), -1, -1, -1)], 3)
        self._above.maps.copy_(self._right(inputs, self._above.maps))

    def slot_bytes(self, places: int) -> int:
        """Return the number of bytes that each additional slot adds, with `places`
        places (pixels that are computed together) of its own."""
        return (
            super().slot_bytes(places)
            + self._slots.element_size()
            + self._row_of.element_size()
        )

    def _kept(self) -> Sequence[KeptMaps]:
        return self._hidden, self._cell, self._above, self._row_inputs

    def _look(self, where: Positions) -> None:
        self._cells = self._ring.cells(where)
        self._around_state = self._ring.around(where, self._state_taps)
        self._beside = self._ring.around(where, self._left)
        below_another = (where.y > 0).to(self._above.maps.dtype)[
            :, None
        ]  # shifted down: the first row has none above
        self._from_right = (
            self._above.maps[:, where.slot, where.x] * below_another
        )  # (L, M, h)

    def _layer(self, i: int, stream: Tensor, colour: int) -> Tensor:
        read = [stream, self._hidden.read(i, self._around_state), self._condition]
        summed = self._gates[i](torch.cat(read, 1), colour)
        own = self._columns[colour]
        hidden, cell = lstm_cell(
            summed, self._cell.read(i, self._beside)[:, own], dim=1
        )
        self._hidden.write(i, self._cells, own, hidden)
        self._cell.write(i, self._cells, own, cell)
        return hidden + self._from_right[i][:, own]

    def _leave(self, where: Positions) -> None:
        self._row_inputs.maps[:, where.slot, where.x] = self._now.stream[:-1]
        self._row_of[where.slot] = where.y


class RowMaps:
    """L maps of F features, of one whole row of each slot, the number under which an
    image is kept.

    maps: (L, slots, width, F), which the caller reads and writes; zeros at first.
    """

    def __init__(self, slots: int, width: int, outside: Tensor) -> None:
        """Make the maps, on the device of `outside`.

        outside: (L, 1, F), which every pixel of the row holds after `clear`.
        """
        self._outside = outside
        self.maps = outside.new_zeros(len(outside), slots, width, outside.shape[-1])

    @property
    def slot_bytes(self) -> int:
        """Number of bytes of one slot."""
        return self.maps[:, 0].nbytes

    def clear(self, slot: int) -> None:
        """Fill a slot with the values with which an image begins, `outside`."""
        self.maps[:, slot] = self._outside

    def fork(self, source: int, target: int) -> None:
        """Copy the row of the slot `source` to the slot `target`."""
        self.maps[:, target] = self.maps[:, source]


class RightScan:
    """The right-to-left direction of all L layers over one row. The inputs of all
    layers are known when it runs, so they are computed side by side. Calling it,
    scan(inputs, above), returns the hidden map of a row, (L, M, W, h), for M rows of
    images, given inputs (L, M, W, 2h + c) and the hidden map of the row above (L, M, W,
    h).

    initial_hidden: (L, 1, h), the learned state outside the image.
    """

    def __init__(self, directions: list[DiagonalLSTM]) -> None:
        """Copy the weights, without gradients.

        directions: the right-to-left LSTM of each layer, first to last.
        """

        def stacked(one_each: list[Tensor]) -> Tensor:
            return torch.stack(one_each).detach().contiguous()

        self._from_input = stacked(
            [
                with_condition(d.input_to_state.matrix(), d.condition).t()
                for d in directions
            ]
        )  # (L, 2h + c, 4h)
        self._bias = stacked([d.input_to_state.bias for d in directions])[
            :, None, :
        ]  # (L, 1, 4h)
        self._from_up = stacked(
            [d.state_to_state[0].t() for d in directions]
        )  # (L, h, 4h)
        self._from_right = stacked([d.state_to_state[1].t() for d in directions])
        self.initial_hidden = stacked([d.initial_hidden for d in directions])[
            :, None, :
        ]  # (L, 1, h)
        self._initial_cell = stacked([d.initial_cell for d in directions])[:, None, :]

    def __call__(self, inputs: Tensor, above: Tensor) -> Tensor:
        """Return the hidden map of a row: inputs (L, M, W, 2h + c), hidden map of the
        row above (L, M, W, h) -> (L, M, W, h)."""
        L, M, W, _ = inputs.shape
        summed = torch.baddbmm(self._bias, inputs.flatten(1, 2), self._from_input)
        summed = torch.baddbmm(summed, above.flatten(1, 2), self._from_up).view(
            L, M, W, -1
        )
        hidden, cell = (
            self.initial_hidden.expand(L, M, -1),
            self._initial_cell.expand(L, M, -1),
        )
        row = torch.empty_like(above)
        for x in range(W - 1, -1, -1):
            hidden, cell = lstm_cell(
                torch.baddbmm(summed[:, :, x], hidden, self._from_right), cell, dim=2
            )
            row[:, :, x] = hidden
        return row


def _pack(lstm: DiagonalLSTM, colours: int) -> Packed:
    """Return the weights [inputs, left, up, condition] -> gates."""
    up, left = lstm.state_to_state
    matrix = with_condition(
        torch.cat([lstm.input_to_state.matrix(), left, up], 1), lstm.condition
    )
    return pack_gates_by_colour(matrix, lstm.input_to_state.bias, colours)
