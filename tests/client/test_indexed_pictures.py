"""Models of categories, served: pictures in their palette, out and in, and what is refused."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

from model_core import load_model, log_likelihood, sample
from model_core.errors import PixelRNNError
from model_core.models import Model
from pixelrnn.client import Client
from pixelrnn.verbs import root
from tests.app.answers import is_problem
from tests.app.pictures import chunk, grey16, indexed_png, png
from tests.house.running import ForkedUp
from tests.tiny_models import PALETTES, save_tiny_tiles

NAMES = list(PALETTES)
LOWER = Image.new("L", (5, 6))
LOWER.paste(255, (0, 3, 5, 6))


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tiles") / "models"
    save_tiny_tiles(directory)
    return directory


@pytest.fixture(scope="module")
def service(
    models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Its URL, with all of its processes."""
    with ForkedUp(tmp_path_factory.mktemp("data"), models_dir) as running:
        yield running.url


@pytest.fixture
def http(service: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=service, timeout=60, headers={"Prefer": "wait=60"}
    ) as client:
        yield client


@pytest.fixture
def client(service: str) -> Iterator[Client]:
    with Client(service) as client:
        yield client


def rgba(palette: tuple[str, ...]) -> np.ndarray:
    return np.array(
        [[*bytes.fromhex(f"{colour[1:]:f<8}")] for colour in palette], np.uint8
    )


def shown(values: np.ndarray, name: str) -> Image.Image:
    """Values (H, W) as a picture in colours, not indexed."""
    return Image.fromarray(rgba(PALETTES[name])[values])


def drawn(models_dir: Path, name: str, n: int, seed: int) -> tuple[Model, np.ndarray]:
    model = load_model(name, models_dir=models_dir)
    return model, sample(model, n, seed)[:, 0].numpy()


def colours_in(picture: bytes, mode: str = "P") -> np.ndarray:
    with Image.open(io.BytesIO(picture)) as image:
        assert image.mode == mode
        return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_indexed_in_the_model_s_palette(
    http: httpx.Client, client: Client, models_dir: Path, name: str
) -> None:
    """A sample, enlarged, in the grid, while it is drawn and as WebP; rows and arrays are values; JPEG is refused."""
    _, values = drawn(models_dir, name, 3, seed=5)
    job, expected = client.sample(name, n=3, seed=5), rgba(PALETTES[name])[values]
    assert [
        (row.sample, row.y)
        for row in job.rows()
        if row.pixels != bytes(values[row.sample, row.y].tolist())
    ] == []
    assert (job.values()[:, 0] == values).all()
    assert [
        np.array_equal(image.convert("RGBA"), each)
        for image, each in zip(job.images(), expected, strict=True)
    ]
    address = f"/jobs/{job.id}/image"
    for asked in ({}, {"follow": 1}):
        for i in range(3):
            assert (
                colours_in(http.get(address, params={**asked, "sample": i}).content)
                == expected[i]
            ).all()
    large = colours_in(http.get(address, params={"sample": 1, "scale": 3}).content)
    assert (large == expected[1].repeat(3, 0).repeat(3, 1)).all()
    grid = colours_in(http.get(address, params={"grid": 1}).content)
    gap = (128, 128, 128, 255) if len(PALETTES[name]) < 256 else rgba(PALETTES[name])[0]
    assert (grid[:6, 6:11] == expected[1]).all()
    assert (grid[:6, 5] == gap).all()
    webp = http.get(
        address, params={"sample": 2}, headers={"Accept": "image/webp"}
    ).content
    with Image.open(io.BytesIO(webp)) as image:
        assert image.format == "WEBP"
        assert (np.asarray(image.convert("RGBA")) == expected[2]).all()
    refused = is_problem(http.get(address, headers={"Accept": "image/jpeg"}), 422)
    assert (
        refused["detail"]
        == "format: JPEG does not keep the colours of a palette; expected png or webp"
    )


@pytest.mark.parametrize("name", NAMES)
def test_pictures_come_in_by_their_colours(
    http: httpx.Client, models_dir: Path, name: str
) -> None:
    """Indexed in any order, in RGBA, or as an array of values: the same score. Encoded, they come back; what we drew is
    verified, and one changed pixel is not."""
    model, (values, _) = drawn(models_dir, name, 2, seed=5)
    nats = -float(log_likelihood(model, torch.from_numpy(values)[None, None]))
    array = io.BytesIO()
    np.save(array, values[None])
    files = [png(shown(values, name)), array.getvalue()]
    if "80" not in PALETTES[name][1] and name != "tiny-tiles":
        files.append(
            png(
                shown(values, name)
                .convert("RGB")
                .convert("P", palette=Image.Palette.ADAPTIVE)
            )
        )
    for file in files:
        answer = http.post("/score", data={"model": name}, files={"image": file})
        assert answer.json()["result"]["nats"] == pytest.approx(nats, rel=1e-5), (
            answer.text
        )
        assert (
            answer.json()["moved_pixels"],
            answer.json()["result"]["quantised_pixels"],
        ) == (None, 0)
    coded = http.post("/encode", data={"model": name}, files={"image": files[0]}).json()
    assert coded["status"] == "succeeded", coded["error"]
    blob = http.get(coded["result"]["blob"]).content
    back = http.post(
        "/decode", content=blob, headers={"Content-Type": "application/vnd.pixelrnn"}
    ).json()
    assert (
        colours_in(http.get(back["result"]["images"][0]).content)
        == np.asarray(shown(values, name))
    ).all()
    sampled = http.post("/sample", json={"model": name, "seed": 5}).json()
    ours = http.get(sampled["result"]["images"][0], params={"scale": 2}).content
    assert http.post("/verify", files={"image": ours}).json()["result"]["verified"]
    with Image.open(io.BytesIO(ours)) as image:
        text, other = PngInfo(), (int(values[1, 1]) + 1) % len(PALETTES[name])
        for key, value in image.info.items():
            if isinstance(value, str):
                text.add_text(str(key), value)
        image.paste(other, (2, 2, 4, 4))
        changed = png(image, pnginfo=text)
    verdict = http.post("/verify", files={"image": changed}).json()["result"]
    assert (verdict["verified"], verdict["changed_pixels"]) == (False, 1)


def test_other_colours_are_named_or_take_the_nearest(http: httpx.Client) -> None:
    """Every call that takes a picture names the first foreign colour; with colours=nearest it says how many moved, and
    how far. What is filled may have any colour, and stretched pixels are never mixed."""
    picture = Image.new("RGB", (5, 6), "#ff0000")
    picture.putpixel((3, 1), (250, 3, 0))
    picture.putpixel((0, 4), (1, 2, 3))
    file, form = png(picture), {"model": "tiny-three"}
    for kind, files in (
        ("score", {}),
        ("encode", {}),
        ("complete", {"mask": png(LOWER)}),
    ):
        refused = is_problem(
            http.post(f"/{kind}", data=form, files={"image": file, **files}), 422
        )
        assert (
            "the image has the colour #fa0300ff at (3, 1), which is none of the model's 3"
            in refused["detail"]
        )
        taken = http.post(
            f"/{kind}",
            data={**form, "colours": "nearest"},
            files={"image": file, **files},
        ).json()
        far = (5.8, 1) if kind == "complete" else (252.0, 2)
        assert (taken["moved_distance"], taken["moved_pixels"]) == far, taken
    completed = colours_in(http.get(taken["result"]["images"][0]).content)
    assert (completed[:3] == (255, 0, 0, 255)).all()
    bars = Image.new("RGB", (11, 13), "#ff0000")
    bars.paste("#0000ff", (5, 0, 11, 13))
    fitted = http.post(
        "/score", data={**form, "fit": "resize"}, files={"image": png(bars)}
    ).json()
    assert (fitted["status"], fitted["result"]["quantised_pixels"]) == ("succeeded", 0)
    asked = {**form, "x": 1, "y": 1, "influence": True}
    found = http.post(
        "/score", data=asked, files={"image": png(bars.crop((0, 0, 5, 6)))}
    ).json()["result"]["pixel"]
    assert [len(row) for row in found["influence"]] == [5] * 6
    assert np.count_nonzero(found["influence"]) > 3


def test_a_transparent_colour_is_a_category_and_never_a_hole(
    http: httpx.Client,
) -> None:
    """/complete and /v1's edits want a mask then; without such a colour, what is transparent is filled as ever."""
    clear, hole = Image.new("RGBA", (5, 6)), {"mask": png(LOWER)}
    asked = {"data": {"model": "tiny-tiles"}, "files": {"image": png(clear)}}
    refused = is_problem(http.post("/complete", **asked), 422)
    assert (
        "expected a mask: what is transparent is one of the model's colours"
        in refused["detail"]
    )
    edit = http.post(
        "/v1/images/edits",
        data={"model": "tiny-tiles", "prompt": ""},
        files={"image": png(clear)},
    )
    assert edit.status_code == 400, edit.text
    assert "expected a mask" in edit.text
    done = http.post(
        "/complete", data={"model": "tiny-tiles"}, files={"image": png(clear), **hole}
    ).json()
    assert done["filled_pixels"] == 15
    assert (colours_in(http.get(done["result"]["images"][0]).content)[:3] == 0).all()
    half = Image.new("RGBA", (5, 6), "#00ff00")
    half.paste((0, 0, 0, 0), (0, 3, 5, 6))
    filled = http.post(
        "/complete", data={"model": "tiny-three"}, files={"image": png(half)}
    ).json()
    assert filled["filled_pixels"] == 15
    expected = http.get(
        f"/jobs/{filled['id']}/marginals", headers={"Accept": "image/png"}
    ).content
    assert (colours_in(expected)[:3] == (0, 255, 0, 255)).all()


Door = Callable[..., dict[str, Any]]
"""Scores a file, with options, and says the nats of its picture, or else `detail`."""


@pytest.fixture(params=["service", "command"])
def door(
    request: pytest.FixtureRequest, http: httpx.Client, models_dir: Path, tmp_path: Path
) -> Door:
    def by_service(
        file: bytes, name: str = "tiny-three", **more: str
    ) -> dict[str, Any]:
        answer = http.post(
            "/score", data={"model": name, **more}, files={"image": file}
        )
        return (
            answer.json()["result"]
            if answer.status_code == 200
            else is_problem(answer, answer.status_code)
        )

    def by_command(
        file: bytes, name: str = "tiny-three", **more: str
    ) -> dict[str, Any]:
        (tmp_path / "picture").write_bytes(file)
        options = [word for key, value in more.items() for word in (f"--{key}", value)]
        words = [
            "score",
            name,
            str(tmp_path / "picture"),
            "--models-dir",
            str(models_dir),
            "--json",
            *options,
        ]
        done = CliRunner().invoke(root, words)
        if done.exit_code == 0:
            return json.loads(done.stdout.splitlines()[-1])
        assert done.exit_code == 2 or isinstance(done.exception, PixelRNNError), (
            done.exception
        )
        return {"detail": f"{done.exception} {done.stderr}"}

    return by_service if request.param == "service" else by_command


THREE = chunk(b"PLTE", b"\xff\0\0\0\xff\0\0\0\xff")
ROWS = [[(3 * y + x * x) % 2 for x in range(5)] for y in range(6)]


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_an_interlaced_picture_is_taken_as_it_looks(door: Door, depth: int) -> None:
    """Numbers of any size, plain or by Adam7, are the same picture."""
    plain, woven = (
        indexed_png(ROWS, depth, THREE, is_interlaced=each) for each in (False, True)
    )
    known = door(png(shown(np.array(ROWS), "tiny-three")))["nats"]
    assert [door(file)["nats"] for file in (plain, woven)] == [known, known]


def test_numbers_beyond_a_palette_are_refused(door: Door) -> None:
    """They have no colour; a palette of 257 is none."""
    rows = [[0, 1, 2, 0, 1]] * 6
    two, many = (
        chunk(b"PLTE", b"\xff\0\0\0\xff\0"),
        chunk(b"PLTE", bytes(i % 256 for i in range(3 * 257))),
    )
    for is_interlaced in (False, True):
        assert (
            "beyond its palette"
            in door(indexed_png(rows, 8, two, is_interlaced=is_interlaced))["detail"]
        )
    assert "the image" in door(indexed_png(rows, 8, many))["detail"]


def test_two_numbers_of_one_colour_are_one_category(door: Door) -> None:
    """A picture counts by its colours."""
    twice = chunk(b"PLTE", b"\xff\0\0\0\xff\0\0\xff\0")
    once = door(indexed_png([[0, 1, 1, 0, 1]] * 6, 8, THREE))["nats"]
    assert door(indexed_png([[0, 2, 1, 0, 2]] * 6, 8, twice))["nats"] == once


def test_transparency_of_a_palette_counts(door: Door) -> None:
    """A number that tRNS makes clear is the clear category, and nothing of a model without one."""
    rows, clear = [[0, 1, 2, 0, 1]] * 6, chunk(b"tRNS", b"\0")
    assert "#00000000" in door(indexed_png(rows, 8, THREE, clear))["detail"]
    tiles = b"".join(bytes.fromhex(colour[1:7]) for colour in PALETTES["tiny-tiles"])
    known = door(png(shown(np.array(rows), "tiny-tiles")), "tiny-tiles")["nats"]
    for is_interlaced in (False, True):
        file = indexed_png(
            rows, 8, chunk(b"PLTE", tiles), clear, is_interlaced=is_interlaced
        )
        assert door(file, "tiny-tiles")["nats"] == known


def test_sixteen_bits_are_seen_by_their_upper_half(door: Door) -> None:
    """Grey of 16 bits is no colour of a palette, or its nearest; it is never bleached."""
    black, white = (
        grey16(*[[0] * 5] * 6),
        grey16(*[[0x1234, 0x12FF, 0x1200, 0x1234, 0x1234]] * 6),
    )
    assert "none of the model's 3" in door(black)["detail"]
    flat = png(Image.new("L", (5, 6), 0x12))
    assert (
        door(white, "tiny-all", colours="nearest")["nats"]
        == door(flat, "tiny-all", colours="nearest")["nats"]
    )


def test_a_choice_of_colours_that_there_is_not_is_refused(
    http: httpx.Client, door: Door
) -> None:
    """And a model that draws takes none."""
    assert "colours" in door(png(Image.new("RGB", (5, 6))), colours="any")["detail"]
    greys = is_problem(
        http.post("/sample", json={"model": "tiny-three", "colours": "nearest"}), 422
    )
    assert "colours" in json.dumps(greys)


def test_the_card_says_the_palette(http: httpx.Client) -> None:
    """In GET /models, and in each job; a model without one says an empty list."""
    palettes = {
        model["name"]: tuple(model["palette"])
        for model in http.get("/models").json()["models"]
    }
    assert palettes == PALETTES
    assert (
        tuple(http.post("/sample", json={"model": "tiny-three"}).json()["palette"])
        == PALETTES["tiny-three"]
    )
