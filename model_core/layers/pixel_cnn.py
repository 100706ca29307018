"""The PixelCNN layer (section 3.5, figure 5 left): a bounded field, all pixels at once."""

from torch import Tensor, nn

from model_core.config import NetworkConfig
from model_core.kinds import INPUT_REACH
from model_core.layers.conditioning import conditioning_map
from model_core.layers.field import distances, seen
from model_core.layers.groups import colour_of
from model_core.layers.masked_conv import MaskedConv2d


class PixelCNNLayer(nn.Module):
    """ReLU - 1x1 - ReLU - 3x3 - ReLU, all mask B: (B, 2h, H, W) -> (B, h, H, W). The 1x1 back to 2h is the block's.

    condition: with `conditioning` > 0, the unmasked 1x1 whose map is added to the 3x3's (section 3.6).
    """

    def __init__(
        self, features: int, hidden: int, colours: int, conditioning: int = 0
    ) -> None:
        super().__init__()
        self.down = MaskedConv2d(
            colour_of(features, colours), colour_of(hidden, colours)
        )
        self.spread = MaskedConv2d(
            colour_of(hidden, colours), colour_of(hidden, colours), kernel=3
        )
        self.condition = conditioning_map(conditioning, hidden)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        x = self.down(x.relu())  # (B, h, H, W)
        x = self.spread(x.relu())  # (B, h, H, W)
        if self.condition is not None:
            x = x + self.condition(condition)
        return x.relu()


def field(config: NetworkConfig) -> Tensor:
    """The field grows with each 3 x 3 by a pixel to the left or up, and to the right only together with one up."""
    up, right = distances(config)
    reach = config.layers + INPUT_REACH
    near = (
        (up <= reach)
        & (-right <= reach)
        & (right <= (up - 1).clamp(max=config.layers) + INPUT_REACH)
    )
    return seen(config, near)
