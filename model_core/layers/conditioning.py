"""Conditioning (section 3.6): every layer is biased by a 1 x 1 mapping of what is known before the first pixel.

That is a label, as a map of one pixel with a one in its place: its bias is the same at all pixels of an image. Or it is
a small image, upsampled, and with it the label, if there is one.
"""

import math

import torch
from torch import Tensor, nn


def conditioning_map(conditioning: int, features: int) -> nn.Conv2d | None:
    """The unmasked 1 x 1 of one layer: (B, c, H, W) -> (B, features, H, W); None for a network without conditioning."""
    return nn.Conv2d(conditioning, features, 1, bias=False) if conditioning else None


class Upsampler(nn.Module):
    """Deconvolutions that double the size until the small image is as large as the large one.

    (B, C, s, s), scaled values, and of a network with labels (B, K, 1, 1), the label's map -> (B, c, n, n), n = factor
    * s, a power of two times s.
    """

    def __init__(
        self, channels: int, conditioning: int, factor: int, labels: int = 0
    ) -> None:
        super().__init__()
        doublings = factor.bit_length() - 1
        self.first = nn.Conv2d(channels, conditioning, 3, padding=1)
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(conditioning, conditioning, 4, stride=2, padding=1)
            for _ in range(doublings)
        )
        self.last = nn.Conv2d(conditioning, conditioning, 3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                _keep_size(layer)
        self.label = conditioning_map(labels, conditioning)

    def forward(self, small: Tensor, label: Tensor | None = None) -> Tensor:
        x = self.first(small)
        if self.label is not None:
            x = x + self.label(label)
        x = x.relu()  # (B, c, s, s)
        for double in self.doublings:
            x = double(x).relu()  # (B, c, 2s, 2s), (B, c, 4s, 4s), ...
        return self.last(x).relu()  # (B, c, n, n)


@torch.no_grad()
def _keep_size(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Set first weights with which a signal keeps its size through the ReLU (He et al., 2015, arXiv:1502.01852). With
    torch's own an image comes through at less than a hundredth of its size, and the network learns little from it."""
    fan_in = layer.in_channels * math.prod(layer.kernel_size) / math.prod(layer.stride)
    layer.weight.normal_(std=math.sqrt(2 / fan_in))
    assert layer.bias is not None
    layer.bias.zero_()


def subsample(values: Tensor, factor: int) -> Tensor:
    """The small image: every factor-th pixel of every factor-th row, (B, C, n, n) -> (B, C, s, s)."""
    return values[..., ::factor, ::factor]


def spread_out(small: Tensor, factor: int) -> Tensor:
    """Undo subsample, zeros between: (..., s, s) -> (..., n, n)."""
    *outer, H, W = small.shape
    large = torch.zeros(
        *outer, H * factor, W * factor, dtype=small.dtype, device=small.device
    )
    large[..., ::factor, ::factor] = small
    return large
