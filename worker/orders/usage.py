"""How full the steps of a model were; the log reports it now and then, and when the
worker stops."""

from dataclasses import dataclass


@dataclass
class Usage:
    """Sums over the steps of one model so far."""

    steps: int = 0
    seconds: float = 0.0
    """Duration of all steps."""
    image_s: float = 0.0
    """Sum over all steps of duration times drawn images."""
    rows: int = 0
    images: int = 0

    def step(self, seconds: float, busy: int, rows: int, left: int) -> None:
        """Add one step.

        seconds: its duration.
        busy: images that it drew side by side.
        rows, left: rows and images that it completed.
        """
        self.steps += 1
        self.seconds += seconds
        self.rows += rows
        self.image_s += busy * seconds
        self.images += left

    @property
    def occupancy(self) -> float:
        """Mean number of images in a step, weighted by the steps' duration."""
        return self.image_s / self.seconds if self.seconds else 0.0
