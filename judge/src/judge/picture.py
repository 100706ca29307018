"""A picture of which variable leaks where. Pillow is imported when it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from judge.verdict import Finding, Verdict

if TYPE_CHECKING:
    from PIL import Image

CELL = 12  # pixels of one variable
GAP = 12  # pixels between panels

BACKGROUND = (255, 255, 255)
VARIABLE = (222, 222, 222)
READER = (0, 90, 181)
CAUSE = (220, 50, 32)


def draw_leaks(verdict: Verdict) -> Image.Image:
    """Draw one panel for each leak that was located.

    A panel shows all variables of one image, colours below each other. Blue is the
    variable whose probability changes, red the later variable that changes it.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: the verdict has no located leak, or the shape has more than three
            axes.
    """
    from PIL import Image

    leaks = [each for each in verdict.findings if each.cause is not None]
    if not leaks:
        raise ValueError("the verdict has no leak to draw")
    panels = [_panel(verdict.shape, leak) for leak in leaks]
    height, width, _ = panels[0].shape
    sheet = np.full((height, len(panels) * (width + GAP) - GAP, 3), BACKGROUND)
    for number, panel in enumerate(panels):
        left = number * (width + GAP)
        sheet[:, left : left + width] = panel
    return Image.fromarray(sheet.astype(np.uint8))


def _panel(shape: tuple[int, ...], leak: Finding) -> np.ndarray:
    if len(shape) > 3:
        raise ValueError(f"shape {shape} has more than three axes")
    colours, rows, columns = (1, 1, 1, *shape)[-3:]
    cells = np.full((colours, rows, columns, 3), VARIABLE)
    marks = cells.reshape(*shape, 3)
    if leak.place is not None:
        marks[leak.place] = READER
    if leak.cause is not None:
        marks[leak.cause] = CAUSE
    stacked = cells.reshape(colours * rows, columns, 3)
    panel = stacked.repeat(CELL, axis=0).repeat(CELL, axis=1)
    # Lines between the variables.
    panel[CELL - 1 :: CELL] = BACKGROUND
    panel[:, CELL - 1 :: CELL] = BACKGROUND
    # A dark line between the colours.
    for colour in range(1, colours):
        panel[colour * rows * CELL - 1] = 0
    return panel
