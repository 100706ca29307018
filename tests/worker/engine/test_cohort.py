"""Which rows of the engine are new, and when an image has left."""

from collections.abc import Sequence

import numpy as np
import pytest

from model_core.image_request import ImageRequest
from model_core.sampling.engine import DrawnRow
from worker.engine.cohort import Cohort
from worker.orders.images import PlannedImage

SMALL = [(0, True), (1, True)]
FINAL = [(0, False), (1, False), (2, False), (3, False)]


class ScriptedEngine:
    """Says of its one image the rows (y, of_small) that it was given, one a step."""

    free = busy = load = 1

    def __init__(self, rows: Sequence[tuple[int, bool]]) -> None:
        self._rows = list(rows)

    def admit(self, request: ImageRequest) -> int:
        return 5

    def withdraw(self, ticket: int) -> None:
        raise AssertionError("nobody asked for it")

    def step(self) -> list[DrawnRow]:
        y, of_small = self._rows.pop(0)
        return [
            DrawnRow(5, y, np.zeros((1, 2), np.uint8), of_small, is_last=not self._rows)
        ]


@pytest.mark.parametrize(
    ("rows", "skip", "new"),
    [
        (SMALL + FINAL, 0, SMALL + FINAL),
        (SMALL + FINAL, 1, SMALL[1:] + FINAL),
        (FINAL, 0, FINAL),
        (FINAL, 3, FINAL[3:]),
    ],
)
def test_rows_are_new_but_those_published_when_an_image_resumes(
    rows: list[tuple[int, bool]], skip: int, new: list[tuple[int, bool]]
) -> None:
    """In either stage; the image leaves with the last row of the final one, not with that of the small one."""
    cohort = Cohort(lambda: ScriptedEngine(rows))
    cohort.seat("token", PlannedImage(ImageRequest(seed=1, sample=3), skip))
    seen = [row for _ in rows for row in cohort.step()]
    assert [(row.y, row.of_small) for _, row in seen] == new
    assert {(seat.token, seat.sample) for seat, _ in seen} == {("token", 3)}
    assert cohort.busy == 0
