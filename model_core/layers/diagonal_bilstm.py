"""Diagonal BiLSTM (section 3.2): two LSTMs that scan the image diagonal by diagonal, one from each upper corner.

One direction, pixel (y, x), the left-to-right scan:

    [o, f, i, g] = K_is * x(y, x) + K_left * h(y, x-1) + K_up * h(y-1, x) + b   (equation 3: o, f, i sigmoid, g tanh)
    c(y, x) = f . c(y, x-1) + i . g
    h(y, x) = o . tanh(c(y, x))

Both states outside the image are the learned initial state. The right-to-left scan is the same on the mirrored image;
its map is mirrored back, shifted down by one row, so that no pixel sees the rest of its own row, and added.
"""

import torch
from torch import Tensor, nn

from model_core.config import NetworkConfig
from model_core.kinds import INPUT_REACH
from model_core.layers.conditioning import conditioning_map
from model_core.layers.field import drawn_before
from model_core.layers.groups import colour_of
from model_core.layers.masked_conv import MaskedConv2d
from model_core.layers.skew import inside, skew, unskew

GATES = 4
"""Output, forget, input and content gate: the paper's order."""


class DiagonalLSTM(nn.Module):
    """One direction, left to right: (B, 2h, H, W) -> (B, h, H, W).

    Parameters: input_to_state, 1 x 1, mask B, 2h -> 4h; state_to_state (2, 4h, h), taps up and left, not masked;
    initial_hidden and initial_cell (h,), learned; with `conditioning` c > 0, condition: 1 x 1, c -> 4h, not masked,
    added to the input-to-state map (section 3.6).
    """

    def __init__(self, features: int, hidden: int, colours: int, conditioning: int = 0) -> None:
        super().__init__()
        self.hidden = hidden
        self.input_to_state = MaskedConv2d(colour_of(features, colours), colour_of(hidden, colours, parts=GATES))
        self.state_to_state = nn.Parameter(torch.empty(2, GATES * hidden, hidden))
        self.initial_hidden = nn.Parameter(torch.zeros(hidden))
        self.initial_cell = nn.Parameter(torch.zeros(hidden))
        self.condition = conditioning_map(conditioning, GATES * hidden)
        nn.init.uniform_(self.state_to_state, -((0.5 / hidden) ** 0.5), (0.5 / hidden) ** 0.5)
        with torch.no_grad():
            self.input_to_state.bias[hidden : 2 * hidden] = 1.0  # remember, until told otherwise

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        B, _, H, W = x.shape
        from_inputs = self.input_to_state(x)  # (B, 4h, H, W)
        if self.condition is not None:
            from_inputs = from_inputs + self.condition(condition)
        steps = skew(from_inputs).unbind(-1)  # S times (B, 4h, H)
        valid = inside(H, W).to(x.device)  # (H, S)
        initial_hidden = self.initial_hidden[None, :, None]
        initial_cell = self.initial_cell[None, :, None]
        hidden = initial_hidden.expand(B, -1, H)
        cell = initial_cell.expand(B, -1, H)
        up, left = self.state_to_state
        columns = []
        for s, from_input in enumerate(steps):
            above = torch.cat([initial_hidden.expand(B, -1, 1), hidden[..., :-1]], -1)  # (B, h, H), down one row
            gates = from_input + up @ above + left @ hidden  # (B, 4h, H)
            hidden, cell = lstm_cell(gates, cell, dim=1)
            hidden = torch.where(valid[:, s], hidden, initial_hidden)
            cell = torch.where(valid[:, s], cell, initial_cell)
            columns.append(hidden)
        return unskew(torch.stack(columns, -1))


def lstm_cell(gates: Tensor, cell: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Equation 3 from the summed gate inputs: hidden and cell, each a quarter of `gates` along `dim`."""
    o, f, i, g = gates.chunk(GATES, dim)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


class DiagonalBiLSTM(nn.Module):
    """Both directions: (B, 2h, H, W) -> (B, h, H, W). Pixel (y, x) sees every pixel before it, and itself (mask B)."""

    def __init__(self, features: int, hidden: int, colours: int, conditioning: int = 0) -> None:
        super().__init__()
        self.left = DiagonalLSTM(features, hidden, colours, conditioning)
        self.right = DiagonalLSTM(features, hidden, colours, conditioning)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        mirrored = None if condition is None else condition.flip(-1)
        return self.left(x, condition) + shift_down(self.right(x.flip(-1), mirrored).flip(-1))


def shift_down(x: Tensor) -> Tensor:
    """Move every row one down; the first becomes zero: (B, F, H, W)."""
    return torch.cat([torch.zeros_like(x[:, :, :1]), x[:, :, :-1]], 2)


def field(config: NetworkConfig) -> Tensor:
    """All that is drawn before, but for one variable: the last one of each row is hidden from those pixels of the next
    row whose 7 x 7 does not reach it (docs/architecture.md)."""
    C, H, W = config.channels, config.height, config.width
    unseen = torch.zeros(C, H, W, C, H, W, dtype=torch.bool)
    for y in range(H - 1):
        unseen[-1, y, -1, :, y + 1, : max(W - 1 - INPUT_REACH, 0)] = True
    return drawn_before(config) & ~unseen
