"""A kind of job is one record."""

import pytest

from worker.contract.jobs import JobSpec, Pixel
from worker.contract.kinds import KINDS, JobKind
from worker.orders import build

H, W, C = 6, 4, 3
SMALL_H, SMALL_W = 3, 2


def spec(kind: JobKind, **changes: object) -> JobSpec:
    fields = {
        "model": "m",
        "digest": "d",
        "seed": 1,
        "n": 2,
        "temperature": 1.0,
        "height": H,
        "width": W,
        "channels": C,
    }
    return JobSpec.model_validate({"id": "a", "kind": kind, **fields} | changes)


@pytest.mark.parametrize("kind", JobKind)
def test_kind_is_complete_when_it_is_declared(kind: JobKind) -> None:
    """It has its record, and a way to become an order; a job that draws nothing has a result instead."""
    assert kind in build._BUILDERS
    assert spec(kind).work > 0
    assert spec(kind).rows_total > 0 or KINDS[kind].result is not None


@pytest.mark.parametrize(
    ("kind", "changes", "rows", "work"),
    [
        (JobKind.SAMPLE, {}, 2 * H, 2 * H * W * C),
        (JobKind.COMPLETE, {"filled_pixels": 5}, 2 * H, 2 * 5 * C),
        (JobKind.COMPLETE, {"filled_pixels": 5, "method": "posterior"}, 2 * H, 2 * 5 * C),
        (
            JobKind.COMPLETE,
            {"filled_pixels": 5, "method": "posterior", "given_behind": 1, "particles": 8, "sweeps": 2},
            2 * H,
            2 * 5 * C * 8 * 3,
        ),
        (JobKind.SCORE, {"n": 1}, 0, W * C),
        (JobKind.SCORE, {"n": 1, "pixel": Pixel(x=0, y=0)}, 0, 2 * W * C),
        (JobKind.ENCODE, {"members": 3}, 0, 3 * 2 * H * W * C),
        (JobKind.DECODE, {}, 2 * H, 2 * H * W * C),
    ],
)
def test_job_costs_what_is_computed_one_after_the_other(
    kind: JobKind, changes: dict[str, object], rows: int, work: int
) -> None:
    """A value for each colour of a pixel that is drawn; a pass over a picture counts as one row."""
    assert (spec(kind, **changes).rows_total, spec(kind, **changes).work) == (rows, work)


@pytest.mark.parametrize(
    ("kind", "small_is_drawn"), [(JobKind.SAMPLE, True), (JobKind.COMPLETE, True), (JobKind.UPSAMPLE, False)]
)
def test_small_image_counts_when_the_model_draws_it(kind: JobKind, small_is_drawn: bool) -> None:
    """Of a Multi-Scale model, unless it is given."""
    asked = spec(kind, small_height=SMALL_H, small_width=SMALL_W)
    assert asked.draws_small == small_is_drawn
    assert asked.rows_total == 2 * (H + SMALL_H * small_is_drawn)
    assert asked.work == 2 * C * (H * W + SMALL_H * SMALL_W * small_is_drawn)
