"""`/v1`: OpenAI's own Python package asks for images and models, and gets what this service draws."""

import base64
import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from model_core import complete, load_model, sample
from model_core.data.pixels import values_to_pixels
from tests.client.tools import PROGRAMS, PYTHON, run

JSON, TEXT = {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}
HOLE = np.zeros((6, 5), bool)
HOLE[3:] = True


def pixels_of(text: str, scale: int) -> np.ndarray:
    """The picture of a base64, as pixels (H, W); each is a square."""
    with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
        large = np.asarray(picture.convert("L"))
    small = large[::scale, ::scale]
    np.testing.assert_array_equal(
        np.kron(small, np.ones((scale, scale), np.uint8)), large
    )
    return small


def transparent(path: Path) -> Path:
    """A black picture of 5 x 6, each pixel a square of 4, whose lower half is transparent."""
    alpha = np.kron(255 * np.uint8(~HOLE), np.ones((4, 4), np.uint8))
    Image.fromarray(np.dstack([0 * alpha] * 3 + [alpha])).save(path)
    return path


needs_openai = pytest.mark.skipif(
    not list(PYTHON.parent.glob("lib/python3*/site-packages/openai")),
    reason="`make test` installs OpenAI's package",
)


@needs_openai
def test_openais_client_draws_and_edits(
    service: str, all_models_dir: Path, tmp_path: Path
) -> None:
    """New images and completions are the library's, each pixel a square of the largest side that fits; a link opens;
    what does not apply is refused in one sentence, in a body that the client understands."""
    mask, plain = transparent(tmp_path / "mask.png"), tmp_path / "plain.png"
    Image.new("RGB", (20, 24)).save(plain)
    found = json.loads(
        run(
            PYTHON / "python",
            PROGRAMS / "use_openai.py",
            service,
            "tiny-cnn",
            plain,
            mask,
        )
    )
    model = load_model("tiny-cnn", models_dir=all_models_dir)
    assert "tiny-cnn" in found["models"]
    assert found["model"] == "tiny-cnn"
    assert (found["size"], found["seed"]) == ("50x60", 7)
    drawn = values_to_pixels(sample(model, 3, seed=7).numpy(), 2)[:, 0]
    np.testing.assert_array_equal(
        [pixels_of(text, 10) for text in found["drawn"]], drawn
    )
    given = torch.zeros(1, 6, 5, dtype=torch.int64)
    filled = values_to_pixels(
        complete(model, given, torch.from_numpy(~HOLE), 2, seed=3).values.numpy(), 2
    )[:, 0]
    np.testing.assert_array_equal(
        [pixels_of(text, 2) for text in found["edited"]], filled
    )
    assert found["shown"] == ["image/webp", "640x768", "webp"]
    statuses = [(status, kind, field) for status, kind, field, _ in found["refused"]]
    wrong = 400, "invalid_request_error"
    assert statuses == [
        (*wrong, "prompt"),
        (*wrong, "size"),
        (*wrong, "size"),
        (*wrong, "quality"),
        (*wrong, "n"),
        (404, "invalid_request_error", None),
        (*wrong, "sed"),
    ]
    assert all(
        words.count(".") <= 1 and len(words) < 300 for *_, words in found["refused"]
    )


@needs_openai
def test_openais_client_streams_partial_images(
    service: str, all_models_dir: Path, tmp_path: Path
) -> None:
    """Events of OpenAI's own types: at even distances the rows that are drawn, black below or what an edit keeps, and
    the whole picture, the same as without a stream; no partial one where none is asked for; else 400."""
    mask, plain = transparent(tmp_path / "mask.png"), tmp_path / "plain.png"
    Image.new("RGB", (20, 24), "white").save(plain)
    found = json.loads(
        run(
            PYTHON / "python",
            PROGRAMS / "stream_openai.py",
            service,
            "tiny-cnn",
            plain,
            mask,
        )
    )
    model = load_model("tiny-cnn", models_dir=all_models_dir)
    drawn = values_to_pixels(sample(model, 1, seed=7).numpy(), 2)[0, 0]
    below = np.arange(6)[:, None]
    for (index, text), rows in zip(found["drawn"], (2, 3, 5, 6), strict=True):
        np.testing.assert_array_equal(
            pixels_of(text, 10), np.where(below < rows, drawn, 0)
        )
        assert index == (None if rows == 6 else [2, 3, 5].index(rows))
    given = torch.ones(1, 6, 5, dtype=torch.int64)
    filled = values_to_pixels(
        complete(model, given, torch.from_numpy(~HOLE), 1, seed=3).values.numpy(), 2
    )[0, 0]
    (_, partial), (_, whole) = found["edited"]
    np.testing.assert_array_equal(pixels_of(partial, 2), np.where(HOLE, 0, 255))
    np.testing.assert_array_equal(pixels_of(whole, 2), filled)
    assert [index for index, _ in found["whole_only"]] == [None]
    assert found["refused"] == [
        "n",
        "partial_images",
        "partial_images",
        "partial_images",
        "response_format",
    ]


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "words"),
    [
        ("POST", "/v1/images/generations", {"json": {"prompt": ""}}, 400, "model"),
        (
            "POST",
            "/v1/images/generations",
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            400,
            "JSON",
        ),
        (
            "POST",
            "/v1/images/generations",
            {"content": b"x", "headers": {"Content-Type": "text/plain"}},
            415,
            "expected a body",
        ),
        (
            "POST",
            "/v1/images/edits",
            {"data": {"model": "tiny-cnn"}, "files": {"mask": b"x"}},
            400,
            "one picture",
        ),
        (
            "POST",
            "/v1/images/edits",
            {"data": {"model": "tiny-cnn"}, "files": {"image": b"x"}},
            400,
            "not a readable",
        ),
        ("POST", "/v1/images/variations", {"json": {}}, 404, "nothing at this path"),
        ("GET", "/v1/images/generations", {}, 405, "POST"),
        ("GET", "/v1/models/none", {}, 404, "expected one of"),
        ("GET", "/v1/models?limit=1", {}, 400, "no query parameters"),
    ],
)
def test_errors_have_openais_body(
    service: str,
    method: str,
    path: str,
    sent: dict[str, object],
    status: int,
    words: str,
) -> None:
    """Whatever is wrong, under /v1; elsewhere it is a problem as ever."""
    answer = httpx.request(method, service + path, timeout=60, **sent)  # pyright: ignore[reportArgumentType]
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/json",
    ), answer.text
    error = answer.json()["error"]
    assert words in error["message"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (
        httpx.get(f"{service}/models/none", timeout=60).headers["content-type"]
        == "application/problem+json"
    )
