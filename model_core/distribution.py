"""The distribution of one variable over its V values, from V logits (the softmax of section 4).

Everything that turns logits into probabilities, nats or values asks here. compiled/categorical.py has the one twin of
`draw`, for the compiled loop.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

NOT_FINITE = "the network gave logits that are not finite"


@dataclass(frozen=True)
class Categorical:
    """p(value = v) = exp(logit v) / sum of all exp(logits), for v = 0..V-1."""

    values: int
    """V."""

    @property
    def outputs(self) -> int:
        """Outputs of the network that describe one variable: here one, the logit, for each value."""
        return self.values

    @property
    def uniform_bits(self) -> float:
        """Bits that a variable costs under a uniform guess."""
        return math.log2(self.values)

    def nats(self, logits: Tensor, values: Tensor) -> Tensor:
        """-ln p of every value: logits (B, V, C, H, W), values (B, C, H, W) int64 -> (B, C, H, W)."""
        if logits.stride(1) > 1:
            return functional.cross_entropy(logits, values, reduction="none")
        rows = logits.permute(3, 4, 0, 2, 1)  # (H, W, B, C, V), as they lie
        nats = functional.cross_entropy(
            rows.flatten(0, 3), values.permute(2, 3, 0, 1).flatten(), reduction="none"
        )
        return nats.view(rows.shape[:-1]).permute(2, 3, 0, 1)

    def probabilities(
        self, logits: Tensor, temperature: float = 1.0, dim: int = 0
    ) -> Tensor:
        """logits, V of them along `dim` -> float64 of the same shape, which add up to 1 along `dim`."""
        return torch.softmax(logits.double() / temperature, dim)

    def log_probabilities(
        self, logits: Tensor, temperature: float | Tensor = 1.0
    ) -> Tensor:
        """ln of the probabilities: logits (M, V, ...) -> (M, V, ...) float64."""
        return torch.log_softmax(logits.double() / temperature, 1)

    def draw(self, logits: Tensor, noise: Tensor, temperature: Tensor) -> Tensor:
        """logits (M, V), noise (M,) in [0, 1), temperature (M,) > 0 -> values (M,), int64.

        The smallest value whose cumulative probability exceeds the noise, in float64. Each row is on its own: nothing
        but its logits, noise and temperature decides. Logits that are not finite give any value, so that nothing waits
        for the device; `check_finite` is for those who can wait.
        """
        scaled = logits.double() / temperature[:, None]
        weights = (scaled - scaled.amax(1, keepdim=True)).exp()
        cumulative = _cumulative(weights)
        below = cumulative <= noise[:, None] * cumulative[:, -1:]
        return below.sum(1).clamp(max=self.values - 1)

    def log_p(self, logits: Tensor, values: Tensor, temperature: Tensor) -> Tensor:
        """ln p of one value a row: logits (M, V), values (M,) int64, temperature (M,) > 0 -> (M,) float64."""
        return self.log_probabilities(logits, temperature[:, None]).gather(
            1, values[:, None]
        )[:, 0]


def _cumulative(weights: Tensor) -> Tensor:
    """Sums (M, V) of each row up to every value; on a GPU by doubling, because torch promises no order there."""
    if weights.device.type == "cpu":
        return weights.cumsum(1)
    apart = 1
    while apart < weights.shape[1]:
        weights = torch.cat(
            [weights[:, :apart], weights[:, apart:] + weights[:, :-apart]], 1
        )
        apart *= 2
    return weights


def check_finite(logits: Tensor) -> None:
    """FloatingPointError for logits that are not finite."""
    if not bool(logits.isfinite().all()):
        raise FloatingPointError(NOT_FINITE)
