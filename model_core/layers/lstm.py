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
    the image in `forward`.

    input_to_state: masked convolution, 2h -> 4h features.
    state_to_state: (taps, 4h, h), not masked.
    hidden: h.
    initial_hidden, initial_cell: (h,), the learned state outside the image.
    condition: 1 x 1 convolution, c -> 4h features, not masked, whose output is added to
        that of input_to_state (section 3.6); None if the layer has no conditioning.
    """

    def __init__(
        self, input_to_state: MaskedConv2d, hidden: int, taps: int, conditioning: int
    ) -> None:
        """Make the parameters. state_to_state and condition are random, from torch's
        global generator; the initial states are zero.

        input_to_state: the layer's convolution, which is kept; its bias of the forget
            gates is set to 1.
        hidden: h.
        taps: number of states of earlier pixels that a pixel reads.
        conditioning: c, features of the conditioning map; 0 for none.
        """
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
        """Return the input-to-state part of all gates of all pixels, (B, 4h, H, W), in
        the order o, f, i, g, with the conditioning added if the layer has it.

        x: (B, 2h, H, W).
        condition: (B, c, H, W) or (B, c, 1, 1).
        """
        gates = self.input_to_state(x)
        if self.condition is not None:
            gates = gates + self.condition(condition)
        return gates


def lstm_cell(gates: Tensor, cell: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return the new hidden state and the new cell state, in this order (equation 3).
    The arguments are not changed.

    gates: sums of the inputs of the gates o, f, i, g, before their nonlinearities,
        concatenated along `dim`.
    cell: the former cell state, a quarter as long along `dim`, as are the two results.
    """
    o, f, i, g = gates.chunk(GATES, dim)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell
