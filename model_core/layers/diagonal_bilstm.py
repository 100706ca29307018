"""Diagonal BiLSTM (section 3.2): two LSTMs that scan the image diagonal by diagonal,
one from each upper corner.

The left-to-right scan computes at pixel (y, x):

    [o, f, i, g] = K_is * x(y, x) + K_left * h(y, x-1) + K_up * h(y-1, x) + b
    c(y, x) = f . c(y, x-1) + i . g
    h(y, x) = o . tanh(c(y, x))

with o, f, i sigmoid and g tanh (equation 3).

Outside the image both states are the learned initial state. The right-to-left scan is
the same scan of the mirrored image. Its output is mirrored back and shifted down by one
row, so that no pixel sees the part of its own row that is drawn later; then the two
outputs are added.
"""

import torch
from torch import Tensor, nn

from model_core.config import NetworkConfig
from model_core.kinds import INPUT_REACH
from model_core.layers.field import drawn_before
from model_core.layers.groups import colour_of
from model_core.layers.lstm import GATES, LSTMParameters, lstm_cell
from model_core.layers.masked_conv import MaskedConv2d
from model_core.layers.skew import inside, skew, unskew


class DiagonalLSTM(LSTMParameters):
    """The left-to-right scan: (B, 2h, H, W) -> (B, h, H, W).

    input_to_state is a 1 x 1 convolution with mask B; state_to_state has two taps: the
    state of the pixel above, then that of the pixel to the left. `LSTMParameters`
    describes the other parameters.
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
        super().__init__(
            MaskedConv2d(colour_of(features, colours), gates),
            hidden,
            taps=2,
            conditioning=conditioning,
        )

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the hidden state of every pixel, (B, h, H, W), before any residual
        connection.

        x: (B, 2h, H, W).
        condition: conditioning map (B, c, H, W) or (B, c, 1, 1). A layer without
            conditioning ignores it; one with conditioning needs it.
        """
        B, _, H, W = x.shape
        steps = skew(self.from_input(x, condition)).unbind(-1)  # S times (B, 4h, H)
        valid = inside(H, W, x.device)  # (H, S)
        initial_hidden = self.initial_hidden[None, :, None]
        initial_cell = self.initial_cell[None, :, None]
        hidden = initial_hidden.expand(B, -1, H)
        cell = initial_cell.expand(B, -1, H)
        up, left = self.state_to_state
        columns = []
        for s, from_input in enumerate(steps):
            above = torch.cat(
                [initial_hidden.expand(B, -1, 1), hidden[..., :-1]], -1
            )  # (B, h, H): the state of the pixel above lies one row higher
            gates = from_input + up @ above + left @ hidden  # (B, 4h, H)
            hidden, cell = lstm_cell(gates, cell, dim=1)
            # A skewed column begins and ends outside the image.
            hidden = torch.where(valid[:, s], hidden, initial_hidden)
            cell = torch.where(valid[:, s], cell, initial_cell)
            columns.append(hidden)
        return unskew(torch.stack(columns, -1))


class DiagonalBiLSTM(nn.Module):
    """Both scans, added: (B, 2h, H, W) -> (B, h, H, W).

    left, right: the scans from the upper left and from the upper right corner, each
        with parameters of its own.

    The output at (y, x) depends on pixels before (y, x) in drawing order and on (y, x)
    itself (mask B), and never on later ones. `field` lists the few earlier pixels that
    it misses.
    """

    def __init__(
        self, features: int, hidden: int, colours: int, conditioning: int = 0
    ) -> None:
        """Make both scans with random parameters.

        features: 2h, of the input.
        hidden: h.
        colours: C.
        conditioning: features of the conditioning map; 0 for none.
        """
        super().__init__()
        self.left = DiagonalLSTM(features, hidden, colours, conditioning)
        self.right = DiagonalLSTM(features, hidden, colours, conditioning)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the sum of both scans, (B, h, H, W); the right-to-left scan is shifted
        down by one row.

        x, condition: as for `DiagonalLSTM.forward`.
        """
        mirrored = None if condition is None else condition.flip(-1)
        return self.left(x, condition) + shift_down(
            self.right(x.flip(-1), mirrored).flip(-1)
        )


def shift_down(x: Tensor) -> Tensor:
    """Return a copy of a map (B, F, H, W) with every row moved down by one: the first
    row is zero, and the last row of the input is lost."""
    return torch.cat([torch.zeros_like(x[:, :, :1]), x[:, :, :-1]], 2)


def field(config: NetworkConfig) -> Tensor:
    """Return the receptive field of a network of these layers, bool (C, H, W, C, H, W),
    [input variable, output variable] (layers/field.py): every variable drawn before the
    output variable, with one exception.

    Because of the shift down, the last variable of each row is hidden from the pixels
    of the next row that are too far to the left for their 7 x 7 input to reach it
    (docs/architecture.md).
    """
    C, H, W = config.channels, config.height, config.width
    unseen = torch.zeros(C, H, W, C, H, W, dtype=torch.bool)
    for y in range(H - 1):
        unseen[-1, y, -1, :, y + 1, : max(W - 1 - INPUT_REACH, 0)] = True
    return drawn_before(config) & ~unseen
