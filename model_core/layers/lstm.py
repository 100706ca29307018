"""Shared parts of the two recurrent layers: the parameters of an LSTM over pixels, and its cell (equation 3)."""

import torch
from torch import Tensor, nn

from model_core.layers.conditioning import conditioning_map
from model_core.layers.masked_conv import MaskedConv2d

GATES = 4
"""Output, forget, input and content gate: the paper's order."""


class LSTMParameters(nn.Module):
    """The parameters of h units; how they walk over the image is the layer's own.

    Parameters: input_to_state, masked, 2h -> 4h; state_to_state (taps, 4h, h), not masked; initial_hidden and
    initial_cell (h,), learned, which is what lies outside the image; with `conditioning` c > 0, condition: 1 x 1,
    c -> 4h, not masked, added to the input-to-state map (section 3.6).
    """

    def __init__(
        self, input_to_state: MaskedConv2d, hidden: int, taps: int, conditioning: int
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.input_to_state = input_to_state
        self.state_to_state = nn.Parameter(torch.empty(taps, GATES * hidden, hidden))
        self.initial_hidden = nn.Parameter(torch.zeros(hidden))
        self.initial_cell = nn.Parameter(torch.zeros(hidden))
        self.condition = conditioning_map(conditioning, GATES * hidden)
        bound = (1 / taps / hidden) ** 0.5
        nn.init.uniform_(self.state_to_state, -bound, bound)
        with torch.no_grad():
            self.input_to_state.bias[hidden : 2 * hidden] = (
                1.0  # remember, until told otherwise
            )

    def from_input(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """The gates' share from the layer's input, the whole map at once: (B, 2h, H, W) -> (B, 4h, H, W)."""
        seen = self.input_to_state(x)
        return seen if self.condition is None else seen + self.condition(condition)


def lstm_cell(gates: Tensor, cell: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Equation 3 from the summed gate inputs: hidden and cell, each a quarter of `gates` along `dim`."""
    o, f, i, g = gates.chunk(GATES, dim)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell
