"""Several pictures in one call, by the client: each is answered as it would be alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from model_core.cli.progress import working
from pixelrnn.client import ApiError, Client
from pixelrnn.kind_results import How
from pixelrnn.remote_job import RemoteError
from pixelrnn.several_there import Several
from tests.client.by_command import pixelrnn, png_of
from tests.client.flaky import Answer, flaky
from worker.contract.kinds import KINDS

PICTURES = [np.random.default_rng(i).integers(0, 2, (1, 6, 5)) for i in range(4)]
MASK = np.zeros((6, 5), np.uint8)
MASK[3:] = 255


def test_scores_are_those_of_each(service: str) -> None:
    """An array of several counts as several; what is kept beside each score is found by its number."""
    with Client(service) as client:
        job = client.score(
            "tiny-cnn", [PICTURES[0], PICTURES[1], np.stack(PICTURES[2:])], x=1, y=2
        )
        result = job.result()
        alone = [client.score("tiny-cnn", picture, x=1, y=2) for picture in PICTURES]
        for i, one in enumerate(alone):
            expected = {
                name: value
                for name, value in one.result().items()
                if name not in ("type", "images", "map")
            }
            found = result["pictures"][i]
            assert {name: found[name] for name in expected} == expected
            assert job.score_map(i) == one.score_map()
        assert job.state["n"] == 4


def test_completions_are_those_of_each(service: str) -> None:
    """n of each by one mask; `first` counts on."""
    with Client(service) as client:
        job = client.complete("tiny-cnn", PICTURES, png_of(MASK), n=2, seed=3, first=5)
        result, images = job.result(), job.array()
        for i, picture in enumerate(PICTURES):
            one = client.complete(
                "tiny-cnn", picture, png_of(MASK), n=2, seed=3, first=5 + 2 * i
            )
            np.testing.assert_array_equal(images[2 * i : 2 * i + 2], one.array())
            assert result["pictures"] is not None
            assert result["pictures"][i]["posterior"] == one.result()["posterior"]
            assert (
                result["pictures"][i]["images"] == result["images"][2 * i : 2 * i + 2]
            )
            assert job.marginals(picture=i) == one.marginals()


def test_scores_by_a_second_model_are_its_own(
    service: str, all_models_dir: Path, tmp_path: Path
) -> None:
    """Of several pictures too, and by the command, here and there; a model of other pictures is refused, and so is one
    that is not there."""
    with Client(service) as client:
        result = client.score(
            "tiny-cnn", PICTURES[:2], against="tiny-diagonal"
        ).result()
        for picture, found in zip(PICTURES, result["pictures"], strict=False):
            second = client.score("tiny-diagonal", picture).result()
            assert found["against"] is not None
            assert found["against"]["nats"] == second["nats"]
            assert found["against"]["log_ratio"] == second["nats"] - found["nats"]
        assert client.score("tiny-cnn", PICTURES[0]).result()["against"] is None
        for other, status in (("tiny-rgb", 422), ("nobody", 404)):
            with pytest.raises(ApiError) as refused:
                client.score("tiny-cnn", PICTURES[0], against=other)
            assert refused.value.status == status
    (tmp_path / "one.png").write_bytes(
        png_of(np.uint8(255) * PICTURES[0][0].astype(np.uint8))
    )
    words = [
        "score",
        "tiny-cnn",
        tmp_path / "one.png",
        "--against",
        "tiny-diagonal",
        "--json",
    ]
    there = json.loads(pixelrnn(*words, "--url", service).stdout)["against"]
    here = json.loads(pixelrnn(*words, "--models-dir", all_models_dir).stdout)[
        "against"
    ]
    assert (here["sha256"], here["nats"]) == (
        there["sha256"],
        pytest.approx(there["nats"], rel=1e-6),
    )


def test_a_picture_that_is_too_large_by_itself_is_left_out(tmp_path: Path) -> None:
    """The service does not say which of several is: they are halved, and then it is
    known. The others are scored."""
    files = [tmp_path / "huge.png", tmp_path / "small.png"]
    for file in files:
        file.write_bytes(b"a picture")
    too_large = Answer(413, json.dumps({"detail": "the image has too many bytes"}))
    job = {"id": "a", "model": "m", "status": "succeeded", "result": {"nats": 1.0}}
    answers = [too_large, too_large, Answer(202, json.dumps(job))]
    with flaky(answers) as (url, seen), Client(url) as client, working() as work:
        asked = Several(KINDS["score"], client, {"model": "m"}, How(url=url))
        done = asked.ask(files, work)
    assert [each["file"] for each in done.facts["pictures"]] == [str(files[1])]
    left_out = f"{files[0]}: the image has too many bytes"
    assert done.facts["left_out"] == [left_out]
    assert len(seen) == len(answers)


def test_a_file_of_several_pictures_among_others_is_refused(tmp_path: Path) -> None:
    """A zip, for instance: which result is of which file is not known then."""
    files = [tmp_path / "two.zip", tmp_path / "one.png"]
    for file in files:
        file.write_bytes(b"a picture")
    result = {"pictures": [{"nats": 1.0}] * 3}
    job = {"id": "a", "model": "m", "status": "succeeded", "result": result}
    answers = [Answer(202, json.dumps(job))]
    with flaky(answers) as (url, _), Client(url) as client, working() as work:
        asked = Several(KINDS["score"], client, {"model": "m"}, How(url=url))
        with pytest.raises(RemoteError, match=r"3 pictures in 2 files: .* job a has"):
            asked.ask(files, work)
