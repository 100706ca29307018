"""Windows of a field: a picture wider or taller than a model's images, of which its
network sees a few rows at once. This file does not import torch.

Rows 0 to h - 1 are an image of the model's height h. Each further window begins `step`
rows below the one before. Its first h - step rows are given, because they are already
drawn. With h = 4, step = 2 and 7 rows:

    rows of the field   0  1  2  3  4  5  6
    window 0            n  n  n  n              n: new
    window 1                  g  g  n  n        g: given
    window 2                        g  g  n     cut off at the bottom
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Window(NamedTuple):
    """Rows top..end-1 of a field. Those from `first` on are new, and those above are
    given."""

    top: int
    first: int
    end: int


@dataclass(frozen=True)
class Windows:
    """The windows of a field. Iterating yields every `Window` from top to bottom.

    height: rows of an image.
    step: rows from the top of one window to the top of the next.
    rows: rows of the field.
    """

    height: int
    step: int
    rows: int

    def drawing(self, y: int) -> Window:
        """Return the window that draws row y: the one in which this row is new."""
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
