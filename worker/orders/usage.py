"""How full a model's steps were: what the log says of each model, now and then and when the worker stops."""

from dataclasses import dataclass


@dataclass
class Usage:
    """Sums over the steps so far: `image_s` adds up, for each image, the seconds of the steps that drew it."""

    steps: int = 0
    seconds: float = 0.0
    image_s: float = 0.0
    rows: int = 0
    images: int = 0

    def step(self, seconds: float, busy: int, rows: int, left: int) -> None:
        """One step drew `busy` images side by side, ended `rows` rows, and of the images `left` are done."""
        self.steps += 1
        self.seconds += seconds
        self.rows += rows
        self.image_s += busy * seconds
        self.images += left

    @property
    def occupancy(self) -> float:
        """Images in a step, on the average of the time."""
        return self.image_s / self.seconds if self.seconds else 0.0
