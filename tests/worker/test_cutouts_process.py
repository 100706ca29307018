"""Holes of a larger picture in real worker processes: each cut-out is what it would be alone, one after the other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_core import save_model
from model_core.mixing import mix
from tests.worker.harness import Client, StartWorker, one_worker, wait_for
from tests.worker.posterior_models import FOUR, SIDE, awake
from worker.contract.cutouts import CutoutsSummary
from worker.contract.jobs import JobSpec

PLACES = [(1, 0), (4, 2), (0, 5)]
"""Cut-outs of 6 x 6 in a picture of 11 x 11: each meets the one before."""
HOLES = [(3, 1, 5, 4), (6, 4, 8, 6), (2, 6, 4, 9)]
COUNT = len(PLACES)
FIELDS = {"kind": "complete", "seed": 5, "n": 2 * COUNT}
OPTIONS = {
    "method": "posterior",
    "sweeps": 1,
    "particles": 4,
    "first": 7,
    "pictures": 2 * COUNT,
    "cutouts": PLACES,
}


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny-four` (a mixture of four members) and `tiny-colour` (3 colours, 4 values), both 6 x 6."""
    directory = tmp_path_factory.mktemp("cutouts")
    mix(
        [awake(seed, orientation) for seed, orientation in enumerate(FOUR)],
        directory / "tiny-four",
    )
    save_model(awake(5, "none", channels=3, values=4), directory / "tiny-colour")
    return directory


@pytest.fixture(scope="module")
def served(
    models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    with one_worker(models_dir, tmp_path_factory.mktemp("served")) as client:
        yield client


def picture(channels: int) -> NDArray[np.uint8]:
    levels = 2 if channels == 1 else 4
    return (
        255
        // (levels - 1)
        * np.random.default_rng(3).integers(0, levels, (11, 11, channels))
    ).astype(np.uint8)


def missing(first: int) -> NDArray[np.bool_]:
    """Where the holes are, from the first-th on."""
    found = np.zeros((11, 11), bool)
    for left, top, right, bottom in HOLES[first:]:
        found[top:bottom, left:right] = True
    return found


def part(whole: NDArray[Any], k: int) -> NDArray[Any]:
    x, y = PLACES[k]
    return whole[y : y + SIDE, x : x + SIDE]


def submit(client: Client, model: str, channels: int) -> JobSpec:
    pixels = b"".join(part(picture(channels), k).tobytes() for k in range(COUNT))
    keep = b"".join(
        (~part(missing(k), k)).astype(np.uint8).tobytes() for k in range(COUNT)
    )
    behind = {"filled_pixels": 10, "given_behind": 20}
    return client.submit(
        2 * pixels, 2 * keep, model=model, options=OPTIONS | behind, **FIELDS
    )


@pytest.mark.parametrize(("model", "channels"), [("tiny-four", 1), ("tiny-colour", 3)])
def test_each_cutout_is_that_of_complete_alone(
    served: Client, model: str, channels: int
) -> None:
    """Given what those before it drew, with the noise of its own image of the seed, and with its receipt."""
    job = submit(served, model, channels)
    record = served.succeeded(job)
    assert isinstance(record.result, CutoutsSummary)
    images = served.images(job)
    assert (images[:COUNT] != images[COUNT:]).any()
    for j in range(2):
        canvas = picture(channels)
        for k in range(COUNT):
            i = j * COUNT + k
            keep = (~part(missing(k), k)).astype(np.uint8)
            options = {
                **OPTIONS,
                "pictures": 0,
                "cutouts": None,
                "first": 7 + i,
                "given_behind": 20,
            }
            given = np.where(
                part(missing(0), k)[..., None] & ~keep.astype(bool)[..., None],
                0,
                part(canvas, k),
            )
            alone = served.submit(
                given.astype(np.uint8).tobytes(),
                keep.tobytes(),
                model=model,
                options=options,
                **FIELDS | {"n": 1},
            )
            result = served.wait_end(alone.id).result
            np.testing.assert_array_equal(images[i], served.images(alone)[0])
            assert record.result.pictures[i] == result
            own = part(missing(k) & ~missing(k + 1), k)
            part(canvas, k)[own] = images[i][own]


def test_a_killed_worker_loses_nothing(
    client: Client, start_worker: StartWorker
) -> None:
    """What an earlier cut-out drew is given to the later ones again, whoever draws them: the same bytes."""
    doomed = start_worker(step_delay_s=0.02, models="tiny-four")
    job = submit(client, "tiny-four", 1)
    wait_for(lambda: len(client.rows(job.id)) >= 3 * SIDE, "some cut-outs")
    doomed.kill()
    start_worker(models="tiny-four")
    client.succeeded(job)
    assert client.attempts(job.id) == 2
    undisturbed = submit(client, "tiny-four", 1)
    client.wait_end(undisturbed.id)
    np.testing.assert_array_equal(client.images(job), client.images(undisturbed))
    assert client.record(job.id).result == client.record(undisturbed.id).result
    client.wait_idle()
