"""Multi-Scale PixelRNN (section 3.6): draw a small image first, then the large image
given the small one.

    small (s x s) --first network--> p(small)
      \\__ deconvolutions --> c x n x n --1 x 1, added in every layer--> second network
           --> p(large | small)
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
    """Two networks that together define the probability of an image (B, C, n, n):
    `small` for the small image that it contains, and `large` for the rest of it given
    the small image.

    log p(x) = log p(small) + log p(x | small). The small image consists of every
    factor-th pixel of every factor-th row of x. The large network neither draws nor
    scores these pixels, so that the probabilities of all images sum to one. Its logits
    depend on the whole small image and, as in PixelNetwork, on the pixels of x that are
    drawn before.

    In a network with labels (not in the paper) both networks are conditioned on the
    label; `label` is then the result of `of_labels`, (B, K, 1, 1). It must not be None
    then.
    """

    def __init__(self, config: NetworkConfig) -> None:
        """Make both networks and the upsampler between them, with random weights from
        torch's global generator.

        config: of the whole network; its `factor` is 2 or more. `config.small`
            describes the small network.
        """
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
        """Distribution of one variable, which reads its parameters from the logits of
        either network."""
        return self.large.distribution

    def forward(self, values: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the large network's logits (B, V, C, n, n) for whole images. Those at
        the pixels of the small image are no part of the model.

        values: (B, C, n, n), integers 0..V-1; the small image is read from them.
        label: (B, K, 1, 1), from `of_labels`.
        """
        small = subsample(values, self.config.factor)
        return self.large(values, self.condition(small, label))

    def of_labels(self, labels: Tensor) -> Tensor:
        """Return labels (B,), int64, 0..K-1, as the conditioning map (B, K, 1, 1) that
        the other methods take as `label`: one-hot, in the dtype of the weights."""
        return self.small.of_labels(labels)

    def condition(self, small: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the conditioning map of the large network, (B, c, n, n), with c =
        `config.conditioning`, for small images (B, C, s, s), integers 0..V-1.

        label: (B, K, 1, 1), from `of_labels`.
        """
        if self.config.labels and label is None:
            raise ConfigError("this network has labels: expected a label")
        return self.upsampler(self.small.encode(small), label)

    def nats_map(self, values: Tensor, label: Tensor | None = None) -> Tensor:
        """Return -ln p of every variable of images, (B, C, n, n).

        The small network scores the pixels of the small image, the large network all
        others; the sum over an image is its -ln p.

        values: (B, C, n, n), integers 0..V-1.
        label: (B, K, 1, 1), from `of_labels`.
        """
        factor = self.config.factor
        small = subsample(values, factor)
        given = spread_out(torch.ones_like(small, dtype=torch.bool), factor)
        large_nats = self.large.nats_map(values, self.condition(small, label))
        small_nats = self.small.nats_map(small, label)
        return large_nats.masked_fill(given, 0) + spread_out(small_nats, factor)
