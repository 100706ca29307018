"""The parts that both recurrent layers share: the parameters of an LSTM over pixels,
and its cell (equation 3)."""

import torch
from torch import Tensor, nn

from model_core.layers.conditioning import conditioning_map
from model_core.layers.masked_conv import MaskedConv2d

GATES = 4
"""Output, forget, input and content gate, in the paper's order."""


class LSTMParameters(nn.Module):
    """The parameters of an LSTM with h hidden units; subclasses define its scan over
    the image.

    input_to_state: masked convolution, 2h -> 4h features.
    state_to_state: (taps, 4h, h), not masked.
    initial_hidden, initial_cell: (h,), the learned state outside the image.
    condition: 1 x 1 convolution, c -> 4h features, not masked, which is added to the
        input-to-state map (section 3.6); None if `conditioning` is 0.
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
            # The forget gates start open, so that gradients reach distant pixels.
            self.input_to_state.bias[hidden : 2 * hidden] = 1.0

    def from_input(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """Return the input-to-state part of all gates, conditioning included:
        (B, 2h, H, W) -> (B, 4h, H, W)."""
        gates = self.input_to_state(x)
        if self.condition is not None:
            gates = gates + self.condition(condition)
        return gates


def lstm_cell(gates: Tensor, cell: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return the new hidden and cell state (equation 3).

    gates: the summed inputs of the four gates, along `dim`. cell: the former cell
    state, a quarter as long along `dim`, as are the two results.
    """
    o, f, i, g = gates.chunk(GATES, dim)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell
