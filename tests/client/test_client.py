"""`pixelrnn.client` against the running service, and against one in trouble."""

import asyncio
import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from model_core import load_model, sample
from model_core.data.pixels import values_to_pixels
from pixelrnn.client import (
    ApiError,
    AsyncClient,
    Client,
    Estimate,
    JobEndedError,
    Row,
    ServiceError,
)
from tests.client.by_command import png_of
from tests.client.flaky import Answer, flaky
from tests.client.tools import ROOT
from tests.house.packages import make_environment, site_packages, usual

JOB = {"id": "a", "status": "running"}


def _png(width: int, height: int, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, "PNG")
    return file.getvalue()


def _event(name: str, data: object, seq: int = 0) -> str:
    lines = [
        f"event: {name}",
        f"data: {json.dumps(data)}",
        *([f"id: {seq}-0"] if seq else []),
    ]
    return "\n".join(lines) + "\n\n"


def _row(y: int) -> str:
    return _event("row", {"sample": 0, "y": y, "pixels": "AA=="}, y + 1)


def test_rows_are_the_image(service: str, all_models_dir: Path) -> None:
    """Each row comes once, and together they are what the model draws here with the same seed."""
    with Client(service) as client:
        rows = list(client.sample("tiny-cnn", n=2, seed=7).rows())
    model = load_model("tiny-cnn", models_dir=all_models_dir)
    drawn = values_to_pixels(sample(model, n=2, seed=7).numpy(), model.config.values)
    assert {(row.sample, row.y): row.pixels for row in rows} == {
        (i, y): drawn[i, 0, y].tobytes() for i in range(2) for y in range(6)
    }
    assert len(rows) == 12


def test_images_are_the_same_whether_a_job_begins_with_them_or_comes_to_them(
    service: str,
) -> None:
    """`first` counts among the images of the seed: samples, completions by either method and by a single exact draw,
    and upsamplings. Each picture says its number, and is verified by it."""
    mask = np.zeros((6, 5), np.uint8)
    mask[1:3, 1:4] = 255
    lower = np.zeros((6, 5), np.uint8)
    lower[3:] = 255
    holes = [
        {"image": _png(5, 6), "mask": png_of(hole), "method": method}
        for hole, method in ((mask, "posterior"), (mask, "clamp"), (lower, "posterior"))
    ]
    with Client(service) as client:
        for start in (
            lambda **asked: client.sample("tiny-cnn", seed=7, **asked),
            *(
                lambda hole=hole, **asked: client.complete(
                    "tiny-cnn", seed=7, **hole, **asked
                )
                for hole in holes
            ),
            lambda **asked: client.upsample("tiny-scales", _png(2, 3), seed=7, **asked),
        ):
            every, last = start(n=3).array(), start(n=2, first=1)
            np.testing.assert_array_equal(last.array(), every[1:])
            assert (last.state["first"], last.state["n"]) == (1, 2)
            assert not np.array_equal(every[0], every[1])
        job = client.sample("tiny-cnn", n=2, seed=7, first=10**9)
        job.wait()
        found = client.verify(job.image(sample=1)).result()
        assert (found["verified"], found["sample"]) == (True, 10**9 + 1)
        with pytest.raises(ApiError, match="first"):
            client.sample("tiny-cnn", first=10**9 + 1)


def test_estimates_are_heard_while_a_completion_is_drawn(service: str) -> None:
    """By particles of a hole in the middle: some of both pixels, white what is given so. Rows come as without."""
    keep = np.ones((6, 5), bool)
    keep[1:4, 1:5] = False  # 12 pixels: too many to be enumerated
    asked = {
        "model": "tiny-cnn",
        "image": _png(5, 6),
        "mask": png_of(np.uint8(255 * ~keep)),
        "seed": 3,
        "n": 4,
    }
    told: list[Estimate] = []
    with Client(service) as client:
        rows = list(client.complete(**asked).rows(on_estimate=told.append))
        assert list(client.complete(**asked).rows()) == rows
    assert told
    for estimate in told:
        mean = np.frombuffer(estimate.mean, np.uint8).reshape(6, 5)
        assert not mean[keep].any()
        assert 0 <= estimate.sample < 4
        assert 0 < estimate.share <= 1
    assert any(np.frombuffer(estimate.mean, np.uint8).any() for estimate in told)


def test_every_kind_of_job_ends_in_its_result(service: str, tmp_path: Path) -> None:
    """Sample, complete, upsample, score and verify, with pictures as bytes and as files."""
    mask = tmp_path / "mask.png"
    Image.new("L", (5, 6), 255).save(mask)
    with Client(service) as client:
        assert {model["name"] for model in client.models()} == {
            "tiny-cnn",
            "tiny-diagonal",
            "tiny-rgb",
            "tiny-scales",
        }
        jobs = [
            client.sample("tiny-rgb", seed=1),
            client.complete("tiny-cnn", _png(5, 6), mask, n=3, rank=True),
            client.upsample("tiny-scales", _png(2, 3)),
            client.score("tiny-rgb", _png(4, 5), x=1, y=2, influence=True),
        ]
        for job in jobs:
            assert job.wait(timeout_s=60)["status"] == "succeeded"
            job.save(tmp_path / "out.png")
            with Image.open(tmp_path / "out.png") as picture:
                assert picture.size == (job.state["width"], job.state["height"])
        assert len(jobs[1].state["result"]["ranking"]) == 3
        assert len(jobs[3].score_map()["bits"]) == 5
        again = client.verify(jobs[0].image(scale=3)).wait(timeout_s=60)
        assert (again["seed"], again["result"]["verified"]) == (1, True)
        assert {job.id for job in jobs} <= {
            job.id for job in client.jobs(status="succeeded")
        }


def test_links_open_a_job_to_whoever_has_them(service: str) -> None:
    """Pictures and events, without the client."""
    with Client(service) as client:
        job = client.sample("tiny-cnn", n=2, seed=7)
        job.wait()
        links = job.links(expires_in=60)
        assert [
            httpx.get(service + image, timeout=60).content for image in links["images"]
        ] == [
            job.image(0),
            job.image(1),
        ]
        assert "event: done" in httpx.get(service + links["events"], timeout=60).text


def test_cancel_ends_the_rows(service: str) -> None:
    """A canceled job ends its stream with an error that says so."""
    with Client(service) as client:
        job = client.sample("tiny-diagonal", n=64)
        rows = job.rows()
        next(rows)
        assert client.job(job.id).cancel()["id"] == job.id
        with pytest.raises(JobEndedError, match=f"job {job.id} canceled$"):
            list(rows)
        mine = client.sample("tiny-diagonal", n=64)
        mine.cancel()
        with pytest.raises(JobEndedError, match="canceled by you"):
            mine.wait()


@pytest.mark.parametrize(
    "job_id", ["a line\n", "a/b?c#d", "naïve", "\udce9", ".", ".."]
)
def test_any_text_may_be_asked_for_as_an_id(service: str, job_id: str) -> None:
    with Client(service) as client, pytest.raises(ApiError) as refused:
        client.job(job_id)
    assert refused.value.status == 404


def test_images_come_as_numpy_and_pillow_have_them(service: str) -> None:
    """The same pixels as the PNGs; a job says what it is, and one that draws nothing that it has no images."""
    with Client(service) as client:
        job = client.sample("tiny-rgb", n=2, seed=3)
        array = job.array()
        assert array.shape == (2, 5, 4, 3)
        for pixels, picture in zip(array, job.images(), strict=True):
            assert np.array_equal(np.asarray(picture), pixels)
        with Image.open(io.BytesIO(job.image(1))) as png:
            assert np.array_equal(np.asarray(png), array[1])
        assert repr(job) == f"<Job {job.id}: sample by tiny-rgb, succeeded, 100%>"
        assert client.sample("tiny-cnn", seed=3).images()[0].mode == "L"
        score = client.score("tiny-rgb", _png(4, 5))
        with pytest.raises(ServiceError, match="has no images"):
            score.array()


def test_many_jobs_at_once_with_asyncio(service: str) -> None:
    """The asyncio client draws jobs side by side, each with its own bytes."""

    async def draw() -> list[list[Row]]:
        async with AsyncClient(service) as client:

            async def rows(seed: int) -> list[Row]:
                job = await client.sample("tiny-cnn", seed=seed)
                drawn = [row async for row in job.rows()]
                assert (await job.wait())["status"] == "succeeded"
                assert (await job.image()).startswith(b"\x89PNG")
                return drawn

            return await asyncio.gather(*(rows(seed) for seed in (1, 2, 1)))

    first, other, again = asyncio.run(draw())
    assert first == again != other


def test_a_post_is_repeated_with_its_key_after_the_pause_that_was_asked_for() -> None:
    """503 with Retry-After, then a connection that says nothing: a third try, all under one idempotency key."""
    answers = [
        Answer(503, "{}", {"Retry-After": "1"}),
        Answer(None),
        Answer(202, json.dumps(JOB)),
    ]
    with flaky(answers) as (url, seen), Client(url) as client:
        begun = time.monotonic()
        assert client.sample("m").id == "a"
        assert time.monotonic() - begun >= 1.0
    assert len({headers["Idempotency-Key"] for headers in seen}) == 1
    assert len(seen) == 3


def test_the_client_alone_is_a_small_wheel(service: str, tmp_path: Path) -> None:
    """Without the rest of the project, under a name of its own, of which the whole package has no file."""
    subprocess.run(
        [sys.executable, "deploy/release/client.py", tmp_path], cwd=ROOT, check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 200_000
    with zipfile.ZipFile(wheel) as held:
        tops = {name.partition("/")[0].partition("-")[0] for name in held.namelist()}
    assert tops == {"pixelrnn_client"}
    place = tmp_path / "environment"
    make_environment(place, site_packages())  # httpx is there
    pip = [sys.executable, "-m", "pip", "--python", place, "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True)
    program = f"""
import sys
from pixelrnn_client import Client
with Client({service!r}) as client:
    print(client.sample("tiny-cnn").result()["type"], "pixelrnn" in sys.modules)
"""
    ended = subprocess.run(
        [place / "bin" / "python", "-c", program],
        cwd=tmp_path,
        env=usual(),
        capture_output=True,
        text=True,
    )
    assert (ended.stdout, ended.stderr) == ("images False\n", "")


def test_a_broken_stream_goes_on_behind_the_last_row() -> None:
    """A body cut in the middle of a row, and a server that leaves: every row once, from two more connections."""
    start, middle, end = (
        _event("snapshot", JOB) + _row(0) + "event: ro",
        _row(1),
        _event("done", {**JOB, "status": "succeeded"}, 3),
    )
    answers = [
        Answer(200, json.dumps(JOB)),
        Answer(200, start, cut=True),
        Answer(200, middle + _event("server-stopping", {})),
        Answer(200, end),
    ]
    with flaky(answers) as (url, seen), Client(url) as client:
        assert [row.y for row in client.job("a").rows()] == [0, 1]
    assert [headers.get("Last-Event-ID") for headers in seen[1:]] == [
        None,
        "1-0",
        "2-0",
    ]
