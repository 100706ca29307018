"""Several pictures in one call: what is taken, what is refused and how that is said, and where each is seen."""

import json
from collections.abc import Sequence

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.app.answers import picture_of
from tests.app.hand_worker import SCORER, HandWorker
from tests.app.pictures import png
from tests.archives import npy, zipped
from worker.contract import keys
from worker.contract.jobs import JobSpec
from worker.contract.kinds.score import ScoreSummary
from worker.contract.several import SeveralSummary


def grey(pixel: int, size: tuple[int, int] = (3, 4)) -> bytes:
    return png(Image.new("L", size, pixel))


def npy_of(count: int) -> bytes:
    return npy(np.zeros((count, 1, 4, 3), np.uint8))


def sent(
    images: Sequence[bytes], masks: Sequence[bytes] = ()
) -> list[tuple[str, tuple[str, bytes]]]:
    return [("image", ("i", data)) for data in images] + [
        ("mask", ("m", data)) for data in masks
    ]


def accepted(
    worker: HandWorker, answer: httpx.Response
) -> tuple[JobSpec, bytes, bytes]:
    """The job that a worker gets, and what it has of it: pixels and what of them is kept."""
    assert answer.status_code == 202, answer.text
    spec = worker.take()
    pixels, keep = worker.redis.hmget(keys.image(spec.id), "pixels", "keep")
    return spec, pixels, keep or b""


def test_pictures_lie_one_after_the_other(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Files, arrays of several and a zip, in order; hidden files and folders of a zip are none. The job says so, and
    that earlier workers leave it alone; a job of one picture is as it was."""
    worker.announce(SCORER)
    archive = zipped(
        {
            "a/": b"",
            "a/1.png": grey(255),
            "__MACOSX/1.png": b"?",
            ".x": b"?",
            "a/2.png": grey(0),
        }
    )
    answer = client.post(
        "/score",
        data={"model": "scorer"},
        files=sent([grey(255), npy_of(2), archive]),
    )
    spec, pixels, _ = accepted(worker, answer)
    assert pixels == b"".join(bytes([pixel] * 12) for pixel in (255, 0, 0, 255, 0))
    assert (spec.n, spec.options.picture_count, spec.version) == (5, 5, 8)
    one = accepted(
        worker, client.post("/score", data={"model": "scorer"}, files=sent([grey(0)]))
    )[0]
    assert (one.n, one.options.picture_count, one.version) == (1, 1, 1)
    assert spec.work == 5 * one.work


def test_a_mask_is_for_all_or_for_each(
    client: httpx.Client, worker: HandWorker
) -> None:
    """And n counts the images of all; what is drawn of a picture is the largest hole's."""
    images, small = [grey(0), grey(255)], Image.new("L", (3, 4))
    small.putpixel((0, 3), 255)
    form = {"model": "grey", "n": 3, "method": "clamp"}
    spec, _, keep = accepted(
        worker, client.post("/complete", data=form, files=sent(images, [png(small)]))
    )
    hole = bytes([1] * 9 + [0, 1, 1])
    assert (spec.n, spec.rows_total, keep) == (6, 24, 2 * hole)
    spec, _, keep = accepted(
        worker,
        client.post(
            "/complete", data=form, files=sent(images, [png(small), grey(255)])
        ),
    )
    assert (keep, spec.options.stored_fields()["filled_pixels"]) == (
        hole + bytes(12),
        12,
    )


LARGE = grey(0, (1500, 1500))


def test_one_that_cannot_be_taken_refuses_all(
    client: httpx.Client, worker: HandWorker, subtests: pytest.Subtests
) -> None:
    """The refusal says which picture it is, counted over all files; nothing is larger than it may be."""
    for images, masks, status, pointer, words in [
        ([grey(0)] * 3 + [b"?"], [grey(255)], 400, "#/image/3", "not a readable"),
        ([grey(0), grey(0, (3, 5))], [grey(255)], 422, "#/image/1", "3x5"),
        ([npy_of(2), b"\x93NUMPY"], [grey(255)], 400, "#/image/2", "array"),
        (
            [grey(0)] * 3,
            [grey(255)] * 2,
            422,
            "#/mask",
            "for 3 pictures: expected one for all, or one for each",
        ),
        ([grey(0)] * 2, [grey(255), grey(0)], 422, "#/image/1", "no pixel of 128"),
        ([grey(0)] * 33, [grey(255)], 422, "#/n", "at most 1 for 33 pictures"),
        ([npy_of(65)], [grey(255)], 422, "#/image", "at most 64"),
        ([grey(0)] * 65, [], 422, "#/image", "64"),
        ([LARGE, LARGE], [grey(255)], 413, "#/image/1", "together"),
        ([grey(0)] * 2, [LARGE, LARGE], 413, None, "together"),
        ([zipped({"a": bytes(2**21)})] * 3, [grey(255)], 413, None, "too many bytes"),
        (
            [zipped({str(i): b"" for i in range(200)})] * 2,
            [grey(255)],
            413,
            None,
            "entries",
        ),
        ([zipped({"../a": grey(0)})], [grey(255)], 422, None, "leads out"),
        ([zipped({"a/": b""})], [grey(255)], 422, "#/image", "no picture"),
        (
            [zipped({"a": grey(0)})[:-30]],
            [grey(255)],
            400,
            None,
            "zip that cannot be read",
        ),
    ]:
        with subtests.test(words=words):
            fit = "resize" if status == 413 else "strict"
            answer = client.post(
                "/complete",
                data={"model": "grey", "n": 2, "fit": fit},
                files=sent(images, masks),
            )
            problem = answer.json()
            assert answer.status_code == status, problem
            assert [error["pointer"] for error in problem.get("errors") or ()] == (
                [pointer] if pointer else []
            )
            assert words in json.dumps(problem)


def test_each_picture_of_a_score_is_seen(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Its numbers stand in the result; its heat map, its map and itself at their addresses. No other number has any."""
    worker.announce(SCORER)
    spec = accepted(
        worker,
        client.post(
            "/score", data={"model": "scorer"}, files=sent([grey(0), grey(255)])
        ),
    )[0]
    numbers = {
        "bits_per_dim": 1.0,
        "per_colour_bits": (1.0,),
        "height": 4,
        "width": 3,
        "quantised_pixels": 0,
    }
    each = [ScoreSummary(nats=nats, uniform_bits=1.0, **numbers) for nats in (1.0, 2.0)]
    summary = SeveralSummary(pictures=tuple(each))
    bits, heat = bytes(48) + b"\0\0\x80\x3f" * 12, bytes(36) + b"\xff" * 36
    worker.settle_told(spec, summary, bits=bits, heat=heat)
    job = f"/jobs/{spec.id}"
    result = client.get(job).json()["result"]
    assert result["type"] == "scores"
    assert result["images"] == [f"{job}/image?sample=0", f"{job}/image?sample=1"]
    assert [each["nats"] for each in result["pictures"]] == [1.0, 2.0]
    assert [each["images"] for each in result["pictures"]] == [
        [image] for image in result["images"]
    ]
    assert client.get(result["pictures"][1]["map"]).json()["bits"] == [[[1.0]] * 3] * 4
    for path, pixel in (
        (result["images"][1], 255),
        (f"{job}/given?picture=1", 255),
        (f"{job}/given", 0),
    ):
        with picture_of(client.get(path)) as picture:
            assert set(picture.convert("L").tobytes()) == {pixel}
    for path in (
        f"{job}/score-map?picture=2",
        f"{job}/given?picture=2",
        f"{job}/score-map?picture=64",
    ):
        assert client.get(path).status_code == 422
