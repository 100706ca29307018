"""What a caller may still do, as the IETF draft "RateLimit header fields for HTTP" says it (version 10)."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """One allowance of one caller."""

    name: str
    size: int
    """How much there is of it."""
    left: int
    window_s: int | None = None
    """In how many seconds it is all there again when it was spent; None where something else brings it back."""
    back_in_s: int | None = None
    """How long until all of it is there again."""
    unit: str | None = None
    """What is counted, where it is not requests."""

    @property
    def policy(self) -> str:
        unit = "" if self.unit is None else f';qu="{self.unit}"'
        window = "" if self.window_s is None else f";w={self.window_s}"
        return f'"{self.name}";q={self.size}{unit}{window}'

    @property
    def state(self) -> str:
        back = "" if self.back_in_s is None else f";t={self.back_in_s}"
        return f'"{self.name}";r={max(0, self.left)}{back}'


def headers_of(quotas: Iterable[Quota]) -> dict[str, str]:
    """None where there is no quota."""
    quotas = tuple(quotas)
    if not quotas:
        return {}
    return {
        "RateLimit-Policy": ", ".join(quota.policy for quota in quotas),
        "RateLimit": ", ".join(quota.state for quota in quotas),
    }
