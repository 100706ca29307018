"""The distribution of one variable over its V values, computed from V logits (the
softmax of section 4).

All conversions of logits to probabilities, nats or values are here.
compiled/categorical.py has a copy of `draw` for the compiled loops.
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
    """V, the number of values."""

    @property
    def outputs(self) -> int:
        """Number of network outputs that describe one variable: V, one logit for each
        value."""
        return self.values

    @property
    def uniform_bits(self) -> float:
        """Bits per variable under the uniform distribution."""
        return math.log2(self.values)

    def nats(self, logits: Tensor, values: Tensor) -> Tensor:
        """Return -ln p of every value: logits (B, V, C, H, W), values (B, C, H, W)
        int64 -> (B, C, H, W)."""
        if logits.stride(1) > 1:
            return functional.cross_entropy(logits, values, reduction="none")
        # The fused head stores V innermost. cross_entropy over 2-d rows in that order
        # needs no copy of the logits.
        rows = logits.permute(3, 4, 0, 2, 1)  # (H, W, B, C, V)
        nats = functional.cross_entropy(
            rows.flatten(0, 3), values.permute(2, 3, 0, 1).flatten(), reduction="none"
        )
        return nats.view(rows.shape[:-1]).permute(2, 3, 0, 1)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities, float64, for logits (V, ...)."""
        return torch.softmax(logits.double(), 0)

    def log_probabilities(
        self, logits: Tensor, temperature: float | Tensor = 1.0
    ) -> Tensor:
        """Return the ln of the probabilities: logits (M, V, ...) -> (M, V, ...)
        float64."""
        return torch.log_softmax(logits.double() / temperature, 1)

    def draw(self, logits: Tensor, noise: Tensor, temperature: Tensor) -> Tensor:
        """Draw values: logits (M, V), noise (M,) in [0, 1), temperature (M,) > 0 ->
        (M,) int64.

        A value is the smallest one whose cumulative probability, in float64, exceeds
        the noise. Each row depends on its own logits, noise and temperature alone.
        Logits that are not finite give an arbitrary value; callers that can wait for
        the device check them by `check_finite`.
        """
        scaled = logits.double() / temperature[:, None]
        weights = (scaled - scaled.amax(1, keepdim=True)).exp()
        cumulative = _cumulative(weights)
        below = cumulative <= noise[:, None] * cumulative[:, -1:]
        return below.sum(1).clamp(max=self.values - 1)

    def log_p(self, logits: Tensor, values: Tensor, temperature: Tensor) -> Tensor:
        """Return ln p of one value in each row: logits (M, V), values (M,) int64,
        temperature (M,) > 0 -> (M,) float64."""
        return self.log_probabilities(logits, temperature[:, None]).gather(
            1, values[:, None]
        )[:, 0]


def _cumulative(weights: Tensor) -> Tensor:
    """Return the cumulative sums of each row (M, V). On a GPU they are computed by
    doubling, because torch guarantees no order of summation there."""
    if weights.device.type == "cpu":
        return weights.cumsum(1)
    distance = 1
    while distance < weights.shape[1]:
        sums = weights[:, distance:] + weights[:, :-distance]
        weights = torch.cat([weights[:, :distance], sums], 1)
        distance *= 2
    return weights


def check_finite(logits: Tensor) -> None:
    """Raise FloatingPointError if a logit is not finite."""
    if not bool(logits.isfinite().all()):
        raise FloatingPointError(NOT_FINITE)
