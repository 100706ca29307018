"""The softmax head (section 4, table 1): three times ReLU and a 1 x 1 convolution, the
last of which gives the logits of every colour."""

from torch import Tensor, nn

from model_core.layers.groups import colour_of
from model_core.layers.masked_conv import MaskedConv2d


class Head(nn.Module):
    """Top map (B, 2h, H, W) -> logits (B, V, C, H, W). Every 1 x 1 convolution has mask
    B, so the logits of a colour read features of this and earlier colours only."""

    def __init__(self, features: int, head: int, colours: int, outputs: int) -> None:
        """Make the convolutions with random weights from torch's global generator.

        features: 2h, of the top map.
        head: features between the 1 x 1 convolutions.
        colours: C.
        outputs: numbers that describe one variable: its V logits.
        """
        super().__init__()
        self.colours, self.outputs = colours, outputs
        wide = colour_of(head, colours)
        self.first = MaskedConv2d(colour_of(features, colours), wide)
        self.second = MaskedConv2d(wide, wide)
        self.output = MaskedConv2d(wide, colour_of(colours * outputs, colours))

    def forward(self, top: Tensor) -> Tensor:
        """Return the logits (B, V, C, H, W) for a top map (B, 2h, H, W)."""
        x = self.first(top.relu())  # (B, head, H, W)
        x = self.second(x.relu())  # (B, head, H, W)
        x = self.output(x.relu())  # (B, C * V, H, W)
        B, _, H, W = x.shape
        return x.view(B, self.colours, self.outputs, H, W).transpose(1, 2)
