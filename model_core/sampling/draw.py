"""From logits and noise to a value: the inverse of the cumulative distribution."""

from torch import Tensor

NOT_FINITE = "the network gave logits that are not finite"


def draw(logits: Tensor, noise: Tensor, temperature: Tensor) -> Tensor:
    """logits (M, V), noise (M,) in [0, 1), temperature (M,) > 0 -> values (M,), int64.

    The smallest value whose cumulative probability exceeds the noise, in float64. Each row is on its own: nothing but
    its logits, noise and temperature decides. Raises FloatingPointError for logits that are not finite.
    """
    if not bool(logits.isfinite().all()):
        raise FloatingPointError(NOT_FINITE)
    return invert(logits, noise, temperature)


def invert(logits: Tensor, noise: Tensor, temperature: Tensor) -> Tensor:
    """As draw, unchecked, so that nothing waits for the device: logits that are not finite give any value."""
    scaled = logits.double() / temperature[:, None]
    weights = (scaled - scaled.amax(1, keepdim=True)).exp()
    cumulative = weights.cumsum(1)
    below = cumulative <= noise[:, None] * cumulative[:, -1:]
    return below.sum(1).clamp(max=logits.shape[1] - 1)
