"""Conditioning (section 3.6): a map of what is known biases every layer.

The bias is a 1 x 1 convolution of the conditioning map, which describes what is known
before the first pixel is drawn:

- a label, one-hot, as a map of a single pixel; its bias is the same at all pixels; or
- a small image, upsampled by `Upsampler`, which also reads the label if there is one.
"""

import math

import torch
from torch import Tensor, nn


def conditioning_map(conditioning: int, features: int) -> nn.Conv2d | None:
    """Return a new 1 x 1 convolution that biases one layer: (B, c, H, W) -> (B,
    features, H, W). Return None if c is 0. Its weights come from torch's global
    generator.

    conditioning: features c of the conditioning map.
    features: features of the map to which the caller adds the result.
    """
    # Not masked: the whole conditioning map is known before the first pixel is drawn.
    return nn.Conv2d(conditioning, features, 1, bias=False) if conditioning else None


class Upsampler(nn.Module):
    """Makes the conditioning map of a small image: a 3 x 3 convolution, deconvolutions
    that each double the size, and a 3 x 3 convolution, all with ReLU.

    Input: scaled values of the small image (B, C, s, s) and, if the network has labels,
    the label's conditioning map (B, K, 1, 1). Output: (B, c, n, n) with n = factor * s.
    The caller must pass the label if the network has labels.
    """

    def __init__(
        self, channels: int, conditioning: int, factor: int, labels: int = 0
    ) -> None:
        """Make the layers with random weights from torch's global generator.

        channels: C, colours of the small image.
        conditioning: c, features of the map.
        factor: n / s, a power of two.
        labels: K, number of labels; 0 for a network without labels.
        """
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
        """Return the conditioning map (B, c, n, n), which is not negative.

        small: scaled values (B, C, s, s), as `PixelNetwork.encode` returns them.
        label: (B, K, 1, 1); ignored by a network without labels.
        """
        x = self.first(small)
        if self.label is not None:
            x = x + self.label(label)
        x = x.relu()  # (B, c, s, s)
        for double in self.doublings:
            x = double(x).relu()  # (B, c, 2s, 2s), (B, c, 4s, 4s), ...
        return self.last(x).relu()  # (B, c, n, n)


@torch.no_grad()
def _keep_size(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Initialise a layer so that a signal keeps its variance through the ReLU (He et
    al., 2015, arXiv:1502.01852)."""
    # With torch's default initialisation the small image arrives at less than a
    # hundredth of its size, and the network hardly learns to use it.
    fan_in = layer.in_channels * math.prod(layer.kernel_size) / math.prod(layer.stride)
    layer.weight.normal_(std=math.sqrt(2 / fan_in))
    assert layer.bias is not None
    layer.bias.zero_()


def subsample(values: Tensor, factor: int) -> Tensor:
    """Return a view of every factor-th pixel of every factor-th row, starting with the
    first: (..., n, n) -> (..., s, s) with s = n / factor.

    If factor does not divide n, s is rounded up.
    """
    return values[..., ::factor, ::factor]


def spread_out(small: Tensor, factor: int) -> Tensor:
    """Return a new, larger map with the small image's pixels where `subsample` takes
    them from, and zeros elsewhere: (..., s, s) -> (..., n, n) with n = s * factor.
    Dtype and device stay."""
    *outer, H, W = small.shape
    large = torch.zeros(
        *outer, H * factor, W * factor, dtype=small.dtype, device=small.device
    )
    large[..., ::factor, ::factor] = small
    return large
