"""Row LSTM (section 3.1): an LSTM that scans the image row by row; each pixel sees a
triangle above it.

    [o, f, i, g](y, x) = sum_j K_ss[j] * h(y-1, x+j)
                         + K_is[-1] * x(y, x-1) + K_is[0] * x(y, x) + b
    c(y, x) = f . c(y-1, x) + i . g
    h(y, x) = o . tanh(c(y, x))

with j = -1, 0, 1 (equation 3: o, f, i sigmoid, g tanh).

The state-to-state convolution is not masked, because the row above is known entirely.
The input-to-state convolution has mask B, which hides its right tap. Outside the image
both states are the learned initial state.
"""

import torch
from torch import Tensor
from torch.nn import functional

from model_core.config import NetworkConfig
from model_core.kinds import INPUT_REACH
from model_core.layers.field import distances, seen
from model_core.layers.groups import colour_of
from model_core.layers.lstm import GATES, LSTMParameters, lstm_cell
from model_core.layers.masked_conv import MaskedConv2d

KERNEL = 3
"""Width of both convolutions: the paper's k >= 3. A larger k gives a broader triangle.
"""


class RowLSTM(LSTMParameters):
    """The scan from the top row to the bottom row: (B, 2h, H, W) -> (B, h, H, W).

    input_to_state is a 1 x 3 convolution with mask B; state_to_state has three taps,
    from left to right in the row above. `LSTMParameters` describes the other
    parameters.
    """

    def __init__(
        self, features: int, hidden: int, colours: int, conditioning: int = 0
    ) -> None:
        """Make the parameters, random as `LSTMParameters` says.

        features: 2h, of the input.
        hidden: h.
        colours: C.
        conditioning: features of the conditioning map; 0 for none.
        """
        gates = colour_of(hidden, colours, parts=GATES)
        input_to_state = MaskedConv2d(
            colour_of(features, colours), gates, KERNEL, rows_above=0
        )
        super().__init__(input_to_state, hidden, taps=KERNEL, conditioning=conditioning)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the hidden state of every pixel, (B, h, H, W), before any residual
        connection.

        x: (B, 2h, H, W).
        condition: conditioning map (B, c, H, W) or (B, c, 1, 1). A layer without
            conditioning ignores it; one with conditioning needs it.
        """
        B, _, _, W = x.shape
        from_input = self.from_input(x, condition)  # (B, 4h, H, W)
        kernel = self.state_to_state.permute(1, 2, 0)  # (4h, h, 3)
        hidden = self.initial_hidden[None, :, None].expand(B, -1, W)
        cell = self.initial_cell[None, :, None].expand(B, -1, W)
        edge = self.initial_hidden[None, :, None].expand(B, -1, 1)
        rows = []
        for row in from_input.unbind(2):  # (B, 4h, W)
            above = torch.cat([edge, hidden, edge], -1)  # (B, h, W + 2)
            gates = row + functional.conv1d(above, kernel)  # (B, 4h, W)
            hidden, cell = lstm_cell(gates, cell, dim=1)
            rows.append(hidden)
        return torch.stack(rows, 2)


def field(config: NetworkConfig) -> Tensor:
    """Return the receptive field of a network of these layers, bool (C, H, W, C, H, W),
    [input variable, output variable] (layers/field.py).

    The first convolution reads 3 pixels to each side and 3 rows above. Each row up
    extends that by a pixel to both sides, because the kernel is 3 wide, and each layer
    extends it by a pixel to the left.
    """
    up, right = distances(config)
    near = (-right <= up + config.layers + INPUT_REACH) & (
        right <= up - 1 + INPUT_REACH
    )
    return seen(config, near)
