"""Known mistakes of units in claims of bits per dimension."""

import math

CLOSE = 0.01
"""Relative difference up to which a claim agrees with a measurement."""

STANDARD_ERRORS = 3
"""Standard errors of the data that a claim may differ by, if it is about more data."""


def known_mistakes(shape: tuple[int, ...]) -> dict[str, float]:
    """Return names of mistakes -> the factor by which each makes a claim wrong."""
    variables = math.prod(shape)
    colours = shape[0] if len(shape) == 3 else 1
    ln2 = math.log(2)
    mistakes = {
        "nats, stated as bits": ln2,
        "bits, divided by ln 2 once more": 1 / ln2,
        "bits in base 10: log10 instead of log2": math.log10(2),
        "a sum over all variables, not a mean": variables,
        "a sum over all variables, in nats": variables * ln2,
        "a mean, divided by the number of variables once more": 1 / variables,
        "nats, divided by the number of variables once more": ln2 / variables,
    }
    if colours > 1:
        mistakes |= {
            "bits per pixel instead of bits per variable": colours,
            "nats per pixel instead of bits per variable": colours * ln2,
            "divided by the number of colours once more": 1 / colours,
            "nats, divided by the number of colours once more": ln2 / colours,
        }
    return mistakes


def explain_claim(
    claim: float, bits: float, error: float | None, shape: tuple[int, ...]
) -> str | None:
    """Return what is wrong with a claim; None if it agrees with the measurement.

    Args:
        claim: claimed bits per variable.
        bits: measured bits per variable.
        error: standard error of `bits`; None if it is unknown.
        shape: shape of one image.
    """
    start = f"the claim is {claim:g} bits/dim, measured are {bits:.4g}"
    if not math.isfinite(bits) or bits <= 0:
        return f"{start}: no claim agrees with that"
    allowed = CLOSE
    if error is not None:
        allowed = max(allowed, STANDARD_ERRORS * error / bits)
    ratio = claim / bits
    if abs(ratio - 1) <= allowed:
        return None

    def remoteness(factor: float) -> float:
        return abs(math.log(ratio / factor))

    mistakes = known_mistakes(shape)
    nearest = min(mistakes, key=lambda name: remoteness(mistakes[name]))
    if abs(ratio / mistakes[nearest] - 1) <= max(2 * CLOSE, min(allowed, 0.1)):
        return f"{start}: this would be {nearest}"
    return f"{start}: no known mistake of units explains it"
