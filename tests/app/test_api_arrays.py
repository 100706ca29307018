"""Pictures as arrays of the model's values: .npy files in and out, of which nothing is unpickled."""

import base64
import io
import pickle
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import RefusedError
from app.imaging.npy import read_array
from model_core.data.pixels import pixels_to_values, values_to_pixels
from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import GREY, SCALES, HandWorker, image_bytes
from worker.contract import keys
from worker.contract.kinds import KINDS

_SHAPE = {"height": 3, "width": 2, "channels": 3, "values": 4}
FOUR = GREY.model_copy(
    update={"name": "four", "digest": "4" * 64, "can": tuple(KINDS), **_SHAPE}
)
"""3 x 2, in colour, with four values."""
NPY = "application/x-npy"
VALUES = np.arange(18).reshape(3, 3, 2) % 4


def npy(array: NDArray[Any], **how: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **how)
    return file.getvalue()


def array_of(answer: httpx.Response) -> NDArray[Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (200, NPY), (
        answer.text
    )
    return np.load(io.BytesIO(answer.content), allow_pickle=False)


@pytest.fixture(autouse=True)
def models(worker: HandWorker) -> None:
    worker.announce(FOUR, GREY, SCALES)


def pixels_of(values: NDArray[Any]) -> bytes:
    """(C, H, W) values as a job keeps them."""
    return values_to_pixels(values, 4).transpose(1, 2, 0).tobytes()


def test_drawn_images_come_as_values(client: httpx.Client, worker: HandWorker) -> None:
    """All of a job by GET and by POST, or one; of the small stage too. Whole numbers below the model's, as the library
    has them."""
    key = {"Idempotency-Key": "arrays"}
    job = submit_sample(client, model="four", n=3, seed=1, headers=key)
    spec = worker.draw()
    rows = np.stack(
        [
            np.frombuffer(image_bytes(spec, i), np.uint8).reshape(3, 2, 3)
            for i in range(3)
        ]
    )
    expected = pixels_to_values(rows.transpose(0, 3, 1, 2), 4)
    link = job["links"]["image"]
    for how in (
        {"params": {"format": "npy"}},
        {"headers": {"Accept": NPY}},
        {"params": {"format": "npy", "grid": 1}},
    ):
        found = array_of(client.get(link, **how))
        assert (found.dtype, found.shape) == (np.uint8, (3, 3, 3, 2))
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        array_of(client.get(f"{link}?sample=1", headers={"Accept": NPY})), expected[1:2]
    )
    again = {"model": "four", "n": 3, "seed": 1}
    for headers, more in (({"Accept": NPY}, {}), ({}, {"format": "npy"})):
        answer = client.post(
            "/sample", json=again | more, headers={**key, **headers, "Prefer": "wait"}
        )
        np.testing.assert_array_equal(array_of(answer), expected)
    assert (
        "scale"
        in is_problem(client.get(link, params={"format": "npy", "scale": 2}), 422)[
            "detail"
        ]
    )
    scales = submit_sample(client, model="scales")["links"]["image"]
    worker.draw()
    assert array_of(
        client.get(scales, params={"format": "npy", "stage": "small"})
    ).shape == (1, 3, 2, 3)


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "<i2", ">i2", "<u4", ">i8", "<i8", "<u8"]
)
def test_a_picture_is_given_as_values(
    client: httpx.Client, worker: HandWorker, dtype: str
) -> None:
    """As the body itself, with the other fields in the query; in a form; as JSON: the same job. It comes back."""
    file = npy(VALUES.astype(dtype))
    text = base64.b64encode(file).decode()
    asked: list[Callable[[], httpx.Response]] = [
        lambda: client.post(
            "/score",
            params={"model": "four", "x": 1, "y": 2},
            content=file,
            headers=TYPED,
        ),
        lambda: client.post(
            "/score",
            data={"model": "four", "x": "1", "y": "2"},
            files={"image": ("i", file)},
        ),
        lambda: client.post(
            "/score",
            json={
                "model": "four",
                "x": 1,
                "y": 2,
                "image": f"data:{NPY};base64,{text}",
            },
        ),
    ]
    for ask in asked:
        answer = ask()
        assert answer.status_code == 202, answer.text
        spec = worker.take()
        assert (spec.kind, spec.options.x, spec.options.y) == ("score", 1, 2)
        assert worker.redis.hget(keys.image(spec.id), "pixels") == pixels_of(VALUES)
        given = client.get(f"/jobs/{spec.id}/given", headers={"Accept": NPY})
        np.testing.assert_array_equal(array_of(given), VALUES[None])


TYPED = {"Content-Type": NPY}


def test_a_hole_is_given_by_negative_numbers_or_by_a_mask(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A mask is booleans, or 0 and 1, of the image's height and width; it wins."""
    hole = np.array([[False, True], [False, False], [True, True]])
    pierced = np.where(hole, -1, VALUES)
    mask = npy(hole)
    posts = [
        client.post(
            "/complete",
            params={"model": "four", "n": 2, "seed": 2**53 - 1},
            content=npy(pierced),
            headers=TYPED,
        ),
        client.post(
            "/complete",
            data={"model": "four"},
            files={"image": ("i", npy(VALUES)), "mask": ("m", mask)},
        ),
        client.post(
            "/complete",
            data={"model": "four"},
            files={"image": ("i", npy(pierced)), "mask": ("m", mask)},
        ),
    ]
    for number, answer in enumerate(posts):
        assert answer.status_code == 202, answer.text
        assert answer.json()["filled_pixels"] == 3
        spec = worker.take()
        assert (spec.n, spec.seed == 2**53 - 1) == (
            (2, True) if number == 0 else (1, False)
        )
        assert (
            worker.redis.hget(keys.image(spec.id), "keep")
            == (~hole).astype(np.uint8).tobytes()
        )
        kept = np.frombuffer(
            worker.redis.hget(keys.image(spec.id), "pixels"), np.uint8
        ).reshape(3, 2, 3)
        np.testing.assert_array_equal(
            kept[~hole], values_to_pixels(VALUES, 4).transpose(1, 2, 0)[~hole]
        )
        filled = client.get(
            f"/jobs/{spec.id}/given", params={"of": "mask"}, headers={"Accept": NPY}
        )
        np.testing.assert_array_equal(array_of(filled)[0, 0], hole)


def test_several_pictures_are_one_array(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The body may be an array of several; a grey picture may be flat."""
    several = np.stack([VALUES, (VALUES + 1) % 4, (VALUES + 2) % 4])
    job = client.post(
        "/encode", params={"model": "four"}, content=npy(several), headers=TYPED
    ).json()
    assert job["n"] == 3
    assert worker.redis.hget(keys.image(worker.take().id), "pixels") == b"".join(
        map(pixels_of, several)
    )
    worker.announce(GREY.model_copy(update={"can": tuple(KINDS)}))
    flat = client.post(
        "/score",
        params={"model": "grey"},
        content=npy(np.ones((4, 3), bool)),
        headers=TYPED,
    )
    assert flat.status_code == 202, flat.text


def test_what_is_no_array_of_values_is_refused(
    client: httpx.Client, subtests: pytest.Subtests
) -> None:
    """In a sentence that says what was expected; a pickle is never opened."""
    for file, status, words in [
        (npy(VALUES.astype(float)), 422, "no whole numbers"),
        (npy(np.asfortranarray(VALUES)), 422, "Fortran order"),
        (npy(np.array([{"a": 1}], object), allow_pickle=True), 400, "Python objects"),
        (npy(VALUES + 1), 422, "whole numbers from 0 to 3"),
        (npy(VALUES - 1), 422, "whole numbers from 0 to 3"),
        (npy(VALUES[:, :2]), 422, "another shape: expected (3, 3, 2)"),
        (npy(np.zeros((0, 3, 3, 2), int)), 422, "another shape"),
        (npy(np.int64(3)), 422, "another shape"),
        (npy(VALUES)[:-1], 400, "have as many bytes as"),
        (b"\x93NUMPY", 400, "an unknown version"),
        (b"\x93NUMPY\x09\x00" + bytes(100), 400, "an unknown version"),
        (b"\x93NUMPY\x01\x00\xff\xff{" + b"(" * 65534, 400, "longer than"),
        (pickle.dumps(VALUES), 400, "not a readable"),
        (b"", 400, "not a readable"),
    ]:
        with subtests.test(words=words):
            answer = client.post(
                "/score", params={"model": "four"}, content=file, headers=TYPED
            )
            assert words in is_problem(answer, status)["detail"]


def test_fields_in_the_query_are_judged_as_those_of_a_form(
    client: httpx.Client,
) -> None:
    """A misspelt one, one out of range, a missing one; where the body is a form the query is still nobody's."""
    for query, pointer in (
        ({"modle": "four"}, "#/query/modle"),
        ({"x": "-1"}, "#/query/x"),
        ({}, "#/query/model"),
    ):
        problem = is_problem(
            client.post("/score", params=query, content=npy(VALUES), headers=TYPED), 422
        )
        assert pointer in [error["pointer"] for error in problem["errors"]]
    is_problem(
        client.post(
            "/score",
            params={"x": 1},
            data={"model": "four"},
            files={"image": ("i", npy(VALUES))},
        ),
        422,
    )
    is_problem(client.post("/sample", content=npy(VALUES), headers=TYPED), 415)
    large = client.post(
        "/score",
        params={"model": "four"},
        content=npy(np.zeros((2**21,), np.uint8)),
        headers=TYPED,
    )
    is_problem(large, 413)


def test_maps_are_no_values(client: httpx.Client, worker: HandWorker) -> None:
    """Of a picture that is handed to /verify, an array cannot say how it was drawn."""
    worker.announce(FOUR)
    answer = client.post("/verify", content=npy(VALUES), headers=TYPED)
    assert "it is not a PNG" in is_problem(answer, 400)["detail"]


def test_mutated_files_are_read_as_numpy_does_or_refused(client: httpx.Client) -> None:
    """Never anything else, whichever bytes are changed, cut or repeated; some over HTTP, where none makes a 500."""
    random = np.random.default_rng(5)
    seeds = [npy(VALUES.astype(dtype)) for dtype in ("u1", ">i4", "<i8", "?")]
    readable = 0
    for trial in range(4000):
        data = bytearray(seeds[trial % len(seeds)])
        for _ in range(random.integers(1, 4)):
            place = int(random.integers(6, len(data) if trial % 3 else 80))
            way = random.integers(3)
            if way == 0:
                data[place] = int(random.integers(256))
            elif way == 1:
                del data[place : place + int(random.integers(1, 9))]
            else:
                data[place:place] = data[place : place + int(random.integers(1, 9))]
            if len(data) < 81:
                break
        try:
            found = read_array(bytes(data))
        except RefusedError:
            found = None
        if found is not None:
            expected = np.load(io.BytesIO(data), allow_pickle=False)
            assert found.shape == expected.shape
            assert (
                np.array(found.numbers).astype(expected.dtype).tolist()
                == expected.ravel().tolist()
            )
            readable += 1
        if trial % 100 == 0:
            answer = client.post(
                "/score", params={"model": "four"}, content=bytes(data), headers=TYPED
            )
            assert answer.status_code in (202, 400, 422), answer.text
    assert readable > 100
