"""Given pixels, and rows that are drawn already, as what the engine is asked for."""

import numpy as np
import pytest

from tests.fakes import fake_card
from worker.contract.events import RowDrawn
from worker.contract.jobs import JobKind, JobSpec
from worker.faults import JobRefusedError
from worker.images import check_spec, given_image, plan_images, row_event

C, H, W = 3, 3, 2


def spec(kind: JobKind = JobKind.SAMPLE, n: int = 2, **changes: object) -> JobSpec:
    fields = {"id": "j", "kind": kind, "model": "fake", "digest": "0" * 64, "seed": 1, "n": n, "temperature": 0.5}
    return JobSpec.model_validate(fields | {"height": H, "width": W, "channels": C} | changes)


@pytest.mark.parametrize("levels", [2, 4, 128, 256])
def test_row_reads_back_as_the_same_values_when_a_job_resumes(levels: int) -> None:
    """Values to stream entry to values, colours and columns in place: else resumed bytes would differ."""
    values = np.random.default_rng(0).integers(0, levels, (C, W), np.uint8)
    row = RowDrawn.model_validate_json(row_event(sample=0, y=1, row=values, values=levels))
    (resumed, _) = plan_images(spec(), levels, None, [row.model_copy(update={"y": 0}), row])
    assert resumed.request.known is not None
    np.testing.assert_array_equal(resumed.request.known[:, 1], values)


def test_drawn_rows_become_given_when_a_job_resumes() -> None:
    """Each sample goes on from its own row; one that is complete is not drawn again."""
    entry = RowDrawn.of(0, 0, bytes(range(W * C)))
    rows = [entry, *(entry.model_copy(update={"sample": 2, "y": y}) for y in range(H))]
    first, second = plan_images(spec(n=3), 256, None, rows)
    assert (first.request.sample, first.first_y) == (0, 1)
    assert first.request.keep is not None
    np.testing.assert_array_equal(first.request.keep, [[True, True], [False, False], [False, False]])
    assert (second.request.sample, second.first_y, second.request.keep) == (1, 0, None)


def test_drawn_rows_join_the_given_pixels_when_a_completion_resumes() -> None:
    """Both kinds of given pixels are known; the temperature and the seed are the job's."""
    job = spec(JobKind.COMPLETE, n=1)
    keep = np.array([[0, 0], [0, 0], [1, 0]], np.uint8)
    pixels = np.arange(H * W * C, dtype=np.uint8)
    given = given_image(job, 256, pixels.tobytes(), keep.tobytes())
    (plan,) = plan_images(job, 256, given, [RowDrawn.of(0, 0, bytes([200] * W * C))])
    request = plan.request
    assert request.known is not None
    assert request.keep is not None
    assert (request.seed, request.temperature) == (1, 0.5)
    np.testing.assert_array_equal(request.keep, [[True, True], [False, False], [True, False]])
    np.testing.assert_array_equal(request.known[:, 0], np.full((C, W), 200))
    np.testing.assert_array_equal(request.known[:, 2, 0], pixels.reshape(H, W, C)[2, 0])


def test_completion_is_refused_when_its_bytes_do_not_fit() -> None:
    """An input of another size, or none."""
    with pytest.raises(JobRefusedError, match="needs 18 pixel and 6 keep bytes; there are 0 and 0"):
        given_image(spec(JobKind.COMPLETE), 256, b"", b"")


@pytest.mark.parametrize(("changes", "reason"), [({"digest": "1" * 64}, "weights"), ({"width": 9}, "height, width")])
def test_job_is_refused_when_it_is_not_for_this_model(changes: dict[str, object], reason: str) -> None:
    """Other weights or another shape."""
    with pytest.raises(JobRefusedError, match=reason):
        check_spec(spec(**changes), fake_card())
