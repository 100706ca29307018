"""The Row LSTM (section 3.1), one pixel at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from model_core.layers.lstm import lstm_cell
from model_core.layers.row_lstm import RowLSTM
from model_core.networks.pixel_network import PixelNetwork, layer_of
from model_core.sampling.plain.positions import Positions
from model_core.sampling.plain.ring import KeptMaps, Ring, RingMaps, Tap, taps_on
from model_core.sampling.plain.stepper import Stepper
from model_core.sampling.plain.weights import (
    Packed,
    causal_taps,
    pack_gates_by_colour,
    with_condition,
)

UP = (-1, 0)
STATE_TAPS: list[Tap] = [(-1, -1), UP, (-1, 1)]


class RowLSTMStepper(Stepper):
    """Stepper of the Row LSTM: its state for all slots (numbers under which images are
    kept), and the computation of the next pixels. It keeps two rows of hidden states,
    cell states and layer inputs."""

    def __init__(self, network: PixelNetwork, slots: int, places: int) -> None:
        """Lay out the weights and make the state, on the network's device.

        slots: number of slots.
        places: number of pixels that are computed together.

        Raises AssertionError for another kind of network.
        """
        super().__init__(network, slots, places)
        config = network.config
        layers = [layer_of(block, RowLSTM) for block in network.blocks]
        self._gates = [_pack(layer, config.channels) for layer in layers]
        device = network.input.bias.device
        self._input_taps = taps_on(device, causal_taps(layers[0].input_to_state))
        self._state_taps, self._up = taps_on(device, STATE_TAPS), taps_on(device, [UP])
        self._ring = Ring(slots, rows=2, width=config.width, reach=1)
        self._inputs = RingMaps(
            self._ring, network.input.bias.new_zeros(config.layers, config.features)
        )
        self._hidden = RingMaps(
            self._ring, torch.stack([layer.initial_hidden for layer in layers]).detach()
        )
        self._cell = RingMaps(
            self._ring, torch.stack([layer.initial_cell for layer in layers]).detach()
        )

    def _kept(self) -> Sequence[KeptMaps]:
        return self._inputs, self._hidden, self._cell

    def _look(self, where: Positions) -> None:
        self._cells = self._ring.cells(where)
        self._around_input = self._ring.around(where, self._input_taps)
        self._around_state = self._ring.around(where, self._state_taps)
        self._above = self._ring.around(where, self._up)

    def _layer(self, i: int, stream: Tensor, colour: int) -> Tensor:
        self._inputs.write(i, self._cells, slice(None), stream)
        read = [
            self._inputs.read(i, self._around_input),
            self._hidden.read(i, self._around_state),
            self._condition,
        ]
        summed = self._gates[i](torch.cat(read, 1), colour)
        own = self._columns[colour]
        hidden, cell = lstm_cell(summed, self._cell.read(i, self._above)[:, own], dim=1)
        self._hidden.write(i, self._cells, own, hidden)
        self._cell.write(i, self._cells, own, cell)
        return hidden


def _pack(lstm: RowLSTM, colours: int) -> Packed:
    """Return the weights [input taps, state taps, condition] -> gates."""
    weight = lstm.input_to_state.masked_weight()[:, :, 0]  # (4h, 2h, 3)
    taps = [weight[:, :, 1 + dx] for _, dx in causal_taps(lstm.input_to_state)]
    matrix = with_condition(torch.cat([*taps, *lstm.state_to_state], 1), lstm.condition)
    return pack_gates_by_colour(matrix, lstm.input_to_state.bias, colours)
