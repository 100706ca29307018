"""Given pixels, and rows that are drawn already, as what the engine is asked for."""

import json

import numpy as np
import pytest

from model_core.data.pixels import nearest_values
from tests.fakes import CHANNELS, HEIGHT, WIDTH, fake_card
from worker.contract.events import RowDrawn, Stage, row_entry
from worker.contract.jobs import JobSpec
from worker.orders.completion import given_image
from worker.orders.drawing import small_image
from worker.orders.faults import JobRefusedError
from worker.orders.images import check_spec, plan_images, row_pixels, whole_picture

C, H, W = 3, 3, 2


def spec(kind: str = "sample", n: int = 2, **changes: object) -> JobSpec:
    fields = {
        "id": "j",
        "kind": kind,
        "model": "fake",
        "digest": "0" * 64,
        "seed": 1,
        "n": n,
        "temperature": 0.5,
    }
    return JobSpec.model_validate(
        fields | {"height": H, "width": W, "channels": C} | changes
    )


def drawn(sample: int, y: int, pixels: bytes, stage: Stage = Stage.FINAL) -> RowDrawn:
    return RowDrawn.model_validate_json(
        row_entry(sample, y, pixels, stage is Stage.SMALL)
    )


@pytest.mark.parametrize("levels", [2, 4, 128, 256])
def test_row_reads_back_as_the_same_values_when_a_job_resumes(levels: int) -> None:
    """Values to stream entry to values, colours and columns in place: else resumed bytes would differ."""
    values = np.random.default_rng(0).integers(0, levels, (C, W), np.uint8)
    row = RowDrawn.model_validate_json(row_entry(0, 1, row_pixels(values, levels)))
    (resumed, _) = plan_images(
        spec(), levels, None, [row.model_copy(update={"y": 0}), row]
    )
    assert resumed.request.known is not None
    np.testing.assert_array_equal(resumed.request.known[:, 1], values)


def test_drawn_rows_become_given_when_a_job_resumes() -> None:
    """Each sample goes on from its own row; one that is complete is not drawn again."""
    entry = drawn(0, 0, bytes(range(W * C)))
    rows = [entry, *(entry.model_copy(update={"sample": 2, "y": y}) for y in range(H))]
    first, second = plan_images(spec(n=3), 256, None, rows)
    assert (first.request.sample, first.skip) == (0, 1)
    assert first.request.keep is not None
    np.testing.assert_array_equal(
        first.request.keep, [[True, True], [False, False], [False, False]]
    )
    assert (second.request.sample, second.skip, second.request.keep) == (1, 0, None)


def test_drawn_rows_join_the_given_pixels_when_a_completion_resumes() -> None:
    """Both kinds of given pixels are known; the temperature and the seed are the job's."""
    job = spec("complete", n=1)
    keep = np.array([[0, 0], [0, 0], [1, 0]], np.uint8)
    pixels = np.arange(H * W * C, dtype=np.uint8)
    given = given_image(job, 256, pixels.tobytes(), keep.tobytes())
    (plan,) = plan_images(job, 256, given, [drawn(0, 0, bytes([200] * W * C))])
    request = plan.request
    assert request.known is not None
    assert request.keep is not None
    assert (request.seed, request.temperature) == (1, 0.5)
    np.testing.assert_array_equal(
        request.keep, [[True, True], [False, False], [True, False]]
    )
    np.testing.assert_array_equal(request.known[:, 0], np.full((C, W), 200))
    np.testing.assert_array_equal(request.known[:, 2, 0], pixels.reshape(H, W, C)[2, 0])


def test_completion_is_refused_when_its_bytes_do_not_fit() -> None:
    """An input of another size, or none."""
    with pytest.raises(JobRefusedError, match="image needs 18 bytes; there are 0"):
        given_image(spec("complete"), 256, b"", b"")
    with pytest.raises(JobRefusedError, match="needs 6 keep bytes; there are 5"):
        given_image(spec("complete"), 256, bytes(18), bytes(5))


def two_scales(kind: str = "sample", n: int = 1) -> JobSpec:
    return spec(kind, n, height=4, width=2, small_height=2, small_width=1)


def small_rows(*ys: int) -> list[RowDrawn]:
    return [drawn(0, y, bytes([10 * y + 1] * C), Stage.SMALL) for y in ys]


def test_small_rows_are_given_when_some_are_missing() -> None:
    """The engine takes those that are there and draws the rest; what a completion gives stays given."""
    (fresh,) = plan_images(two_scales(), 256, None, [])
    assert (
        fresh.request.small,
        fresh.request.known_small,
        fresh.request.keep,
        fresh.skip,
    ) == (None, None, None, 0)
    keep = np.array([[1, 0]] * 4, np.uint8)
    job = two_scales("complete")
    given = given_image(job, 256, bytes(4 * 2 * C), keep.tobytes())
    (plan,) = plan_images(job, 256, given, small_rows(0))
    assert (plan.request.small, plan.skip) == (None, 1)
    np.testing.assert_array_equal(plan.request.known_small, [[[1]]] * C)
    np.testing.assert_array_equal(plan.request.keep, keep == 1)


@pytest.mark.parametrize("done", [0, 3])
def test_small_image_is_given_when_all_its_rows_are_there(done: int) -> None:
    """It is what the final image was begun from, so the final rows alone are skipped and known."""
    final = [drawn(0, y, bytes(range(2 * C))) for y in range(done)]
    (plan,) = plan_images(two_scales(), 256, None, [*small_rows(0, 1), *final])
    np.testing.assert_array_equal(plan.request.small, [[[1], [11]]] * C)
    assert (plan.request.known_small, plan.skip) == (None, done)
    assert (plan.request.keep is None) == (done == 0)
    if plan.request.keep is not None:
        assert plan.request.keep[:, 0].tolist() == [True, True, True, False]


def test_small_image_is_the_clients_when_it_is_upsampled() -> None:
    """Every sample begins from it; rows drawn before are known."""
    job = two_scales("upsample", n=2)
    given = small_image(job, 256, bytes([1, 2, 3, 4, 5, 6]))
    first, second = plan_images(job, 256, given, [drawn(0, 0, bytes(2 * C))])
    for plan in (first, second):
        np.testing.assert_array_equal(
            plan.request.small, [[[1], [4]], [[2], [5]], [[3], [6]]]
        )
    assert (first.skip, second.skip) == (1, 0)
    with pytest.raises(JobRefusedError, match="image needs 6 bytes; there are 24"):
        small_image(job, 256, bytes(24))


def test_rows_of_all_stages_count_when_the_model_draws_both() -> None:
    """A given small image is not drawn, and a score, a verification or an encoding publishes nothing."""
    expected = {
        "sample": 12,
        "complete": 12,
        "upsample": 8,
        "score": 0,
        "verify": 0,
        "encode": 0,
        "decode": 8,
    }
    assert {kind: two_scales(kind, n=2).rows_total for kind in expected} == expected


def test_stage_is_said_when_it_is_not_the_usual_one() -> None:
    """Rows of one scale look as they always did, and old entries are read as final."""
    row = np.zeros((C, W), np.uint8)
    assert set(json.loads(row_entry(0, 1, row_pixels(row, 256)))) == {
        "sample",
        "y",
        "pixels",
    }
    assert (
        json.loads(row_entry(0, 1, row_pixels(row, 256), of_small=True))["stage"]
        == "small"
    )
    assert (
        RowDrawn.model_validate_json('{"sample": 0, "y": 0, "pixels": ""}').stage
        is Stage.FINAL
    )


def test_moved_pixels_are_counted_when_a_score_has_few_values() -> None:
    """A pixel counts once, however many of its colours moved."""
    pixels = bytes([0, 255, 0, 1, 254, 0] + [255] * 12)
    values, moved = nearest_values(whole_picture(spec("score", n=1), pixels), 2)
    assert moved == 1
    assert values[:, 0].tolist() == [[0, 0], [1, 1], [0, 0]]
    assert nearest_values(whole_picture(spec("score", n=1), pixels), 256)[1] == 0
    with pytest.raises(JobRefusedError, match="image needs 18 bytes; there are 0"):
        whole_picture(spec("score", n=1), b"")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"digest": "1" * 64}, "weights"),
        ({"width": 9}, "height, width"),
        ({"small_width": 2}, r"first \(1, 0, 2\)"),
        ({"kind": "upsample"}, "can: sample, complete"),
    ],
)
def test_job_is_refused_when_it_is_not_for_this_model(
    changes: dict[str, object], reason: str
) -> None:
    """Other weights, another shape, or work that it does not do."""
    fitting = {"height": HEIGHT, "width": WIDTH, "channels": CHANNELS}
    with pytest.raises(JobRefusedError, match=reason):
        check_spec(spec(**fitting | changes), fake_card())
