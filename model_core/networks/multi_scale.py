"""Multi-Scale PixelRNN (section 3.6): a small image first, then the large one given the small.

small (s x s) --first network--> p(small)
  \\__ deconvolutions --> c x n x n --1x1, added in every layer--> second network --> p(large | small)
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from model_core.config import NetworkConfig
from model_core.distribution import Categorical
from model_core.errors import ConfigError
from model_core.layers.conditioning import Upsampler, spread_out, subsample
from model_core.networks.pixel_network import PixelNetwork


class MultiScaleNetwork(nn.Module):
    """values (B, C, n, n) -> logits (B, V, C, n, n) of the second network, given the image's own subsample.

    log p(x) = log p(small) + log p(x | small), where small is every factor-th pixel of every factor-th row of x. Those
    pixels are given to the large network: it neither draws nor is charged for them, so the probabilities of all images
    add up to one. Given the small image the logits are causal as in PixelNetwork; the small image they see whole.

    With labels (not in the paper) both networks know that of the image: `label` is what `of_labels` makes of it,
    (B, K, 1, 1).
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.small = PixelNetwork(config.small, config.labels)
        self.upsampler = Upsampler(
            config.channels, config.conditioning, config.factor, config.labels
        )
        single = replace(
            config, factor=1, conditioning=0, small_layers=0, small_hidden=0, labels=0
        )
        self.large = PixelNetwork(single, config.conditioning)

    @property
    def distribution(self) -> Categorical:
        """The distribution that the logits of both networks describe."""
        return self.large.distribution

    def forward(self, values: Tensor, label: Tensor | None = None) -> Tensor:
        return self.large(
            values, self.condition(subsample(values, self.config.factor), label)
        )

    def of_labels(self, labels: Tensor) -> Tensor:
        """`label` of images with these labels (B,), int64: (B, K, 1, 1)."""
        return self.small.of_labels(labels)

    def condition(self, small: Tensor, label: Tensor | None = None) -> Tensor:
        """The map that biases every layer of the second network: small values (B, C, s, s) -> (B, c, n, n). Raises
        ConfigError where the label is missing."""
        if self.config.labels and label is None:
            raise ConfigError("this network is asked given a label")
        return self.upsampler(self.small.encode(small), label)

    def nats_map(self, values: Tensor, label: Tensor | None = None) -> Tensor:
        """Nats of every variable, (B, C, n, n): the small network's at the small image's pixels, else the other's."""
        factor = self.config.factor
        small = subsample(values, factor)
        given = spread_out(torch.ones_like(small, dtype=torch.bool), factor)
        nats = self.large.nats_map(values, self.condition(small, label)).masked_fill(
            given, 0
        )
        return nats + spread_out(self.small.nats_map(small, label), factor)
