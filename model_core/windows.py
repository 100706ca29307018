"""Windows of a field: a picture wider or taller than a model's, of which its network sees a few rows at once.

Rows 0 to h - 1 are an image of the model's height. Each window after it begins `step` rows lower than the one before,
and its first h - step rows are given: they are drawn already. Knows no torch. With h = 4, step = 2 and 7 rows:

    rows of the field   0  1  2  3  4  5  6
    window 0            n  n  n  n              n: new
    window 1                  g  g  n  n        g: given
    window 2                        g  g  n     cut off below
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Window(NamedTuple):
    """Rows top..end-1 of a field, new from row `first` on."""

    top: int
    first: int
    end: int


@dataclass(frozen=True)
class Windows:
    """The windows of a field of so many rows; height: those of an image."""

    height: int
    step: int
    rows: int

    def drawing(self, y: int) -> Window:
        """The window of which row y is a new one."""
        if y < self.height:
            return Window(0, 0, min(self.height, self.rows))
        top = ((y - self.height) // self.step + 1) * self.step
        return Window(
            top, top + self.height - self.step, min(top + self.height, self.rows)
        )

    def __iter__(self) -> Iterator[Window]:
        y = 0
        while y < self.rows:
            window = self.drawing(y)
            yield window
            y = window.end
