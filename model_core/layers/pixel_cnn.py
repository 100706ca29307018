"""The PixelCNN layer (section 3.5, figure 5 left): a bounded receptive field, computed
for all pixels at once."""

from torch import Tensor, nn

from model_core.config import NetworkConfig
from model_core.kinds import INPUT_REACH
from model_core.layers.conditioning import conditioning_map
from model_core.layers.field import distances, seen
from model_core.layers.groups import colour_of
from model_core.layers.masked_conv import MaskedConv2d


class PixelCNNLayer(nn.Module):
    """One layer of a PixelCNN, (B, 2h, H, W) -> (B, h, H, W): ReLU, 1 x 1 convolution
    (`down`, 2h -> h), ReLU, 3 x 3 convolution (`spread`, h -> h), ReLU. Both
    convolutions have mask B.

    The 1 x 1 convolution back to 2h features belongs to the block
    (networks/pixel_network.py).

    condition: 1 x 1 convolution, not masked, whose map is added to that of the 3 x 3
        (section 3.6); None if the layer has no conditioning.
    """

    def __init__(
        self, features: int, hidden: int, colours: int, conditioning: int = 0
    ) -> None:
        """Make the convolutions with random weights from torch's global generator.

        features: 2h, of the input.
        hidden: h.
        colours: C.
        conditioning: features of the conditioning map; 0 for none.
        """
        super().__init__()
        self.down = MaskedConv2d(
            colour_of(features, colours), colour_of(hidden, colours)
        )
        self.spread = MaskedConv2d(
            colour_of(hidden, colours), colour_of(hidden, colours), kernel=3
        )
        self.condition = conditioning_map(conditioning, hidden)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the layer's features, (B, h, H, W), which are not negative.

        x: (B, 2h, H, W).
        condition: (B, c, H, W) or (B, c, 1, 1). A layer without conditioning ignores
            it; one with conditioning needs it.
        """
        x = self.down(x.relu())  # (B, h, H, W)
        x = self.spread(x.relu())  # (B, h, H, W)
        if self.condition is not None:
            x = x + self.condition(condition)
        return x.relu()


def field(config: NetworkConfig) -> Tensor:
    """Return the receptive field of a network of these layers, bool (C, H, W, C, H, W),
    [input variable, output variable] (layers/field.py).

    The first convolution reads 3 pixels to each side and 3 rows above; each layer's 3 x
    3 extends that by a pixel to the left or up, or by a pixel up and one to the right.
    """
    up, right = distances(config)
    reach = config.layers + INPUT_REACH
    near = (
        (up <= reach)
        & (-right <= reach)
        & (right <= (up - 1).clamp(max=config.layers) + INPUT_REACH)
    )
    return seen(config, near)
