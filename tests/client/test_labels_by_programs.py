"""Labels through the whole service: both clients, the verbs, and answers that are Bayes' rule by enumeration."""

import asyncio
import base64
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from model_core import load_model, log_likelihood, sample, upsample
from model_core.data.pixels import values_to_pixels
from pixelrnn.client import ApiError, AsyncClient, Client
from tests.client.by_command import ended, pixelrnn, pixels, png_of, remote
from tests.house.running import ForkedUp
from tests.tiny_models import save_tiny_labelled, save_tiny_labelled_scales

MODEL, SCALES = "tiny-labelled", "tiny-labelled-scales"
SIZE = 4, 3
PICTURE = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0]], np.uint8)
ABOVE = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0]], bool)
BELOW = np.array([[0, 0, 0], [0, 0, 1], [1, 1, 1], [1, 1, 1]], bool)
NOTHING, ALL = np.zeros(SIZE, bool), np.ones(SIZE, bool)
"""True = given."""


@pytest.fixture(scope="module")
def labelled_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("labelled")
    save_tiny_labelled(directory)
    save_tiny_labelled_scales(directory)
    return directory


@pytest.fixture(scope="module")
def labelled(
    labelled_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """URL of the service, with all of its processes."""
    running = ForkedUp(tmp_path_factory.mktemp("data"), labelled_dir)
    running.wait_until_ready()
    yield running.url
    running.output()


def joint(directory: Path, name: str, keep: NDArray[np.bool_]) -> dict[str, float]:
    """p(label, what is given) of every label, summed over all pictures that agree with what is given."""
    model = load_model(name, models_dir=directory)
    every = np.array([*itertools.product((0, 1), repeat=PICTURE.size)]).reshape(
        -1, 1, *SIZE
    )
    agree = torch.from_numpy(every[(every[:, 0] == PICTURE)[:, keep].all(1)])
    return {
        label.name: label.prior
        * float(log_likelihood(model, agree, label.name).double().exp().sum())
        for label in model.card.labels
    }


@pytest.mark.parametrize("name", [MODEL, "tiny-labelled-two"])
def test_classification_is_bayes_rule_by_enumeration(
    labelled: str, labelled_dir: Path, name: str
) -> None:
    """Exactly, of a whole picture, of its first pixels, of nothing at all; closely by particles."""
    image = png_of(PICTURE * 255)
    with Client(labelled) as client:
        for keep in (ALL, ABOVE, NOTHING, BELOW):
            mask = png_of((~keep).astype(np.uint8) * 255)
            found = client.classify(name, image, mask, particles=200).result()
            true = joint(labelled_dir, name, keep)
            total = sum(true.values())
            is_exact = keep.all() or not keep.any() or (name == MODEL and keep is ABOVE)
            assert (found["exact"], found["quality"] == "exact") == (is_exact, is_exact)
            near: dict[str, Any] = (
                {"rel": 1e-3, "abs": 1e-5} if is_exact else {"abs": 0.1}
            )
            assert {
                each["name"]: each["p"] for each in found["labels"]
            } == pytest.approx({label: p / total for label, p in true.items()}, **near)
            assert found["nats"] == pytest.approx(
                -np.log(total), abs=1e-3 if is_exact else 0.5
            )
            assert [each["p"] for each in found["labels"]] == sorted(
                (e["p"] for e in found["labels"]), reverse=True
            )


def test_both_clients_ask_for_labels(labelled: str, labelled_dir: Path) -> None:
    """Images are those that are drawn here, and the pictures are verified by the labels that they name."""
    model = load_model(MODEL, models_dir=labelled_dir)
    wanted = sample(model, 3, seed=7, label=["cat", "0", "cat"]).numpy()[:, 0] * 255

    async def asynchronously() -> list[str]:
        async with AsyncClient(labelled) as client:
            job = await client.sample(MODEL, seed=7, label=["cat", "0", 2])
            return (await job.result()).get("labels") or []

    assert asyncio.run(asynchronously()) == ["cat", "0", "cat"]
    image = png_of(PICTURE * 255)
    with Client(labelled) as client:
        job = client.sample(MODEL, seed=7, label=["cat", "0", 2])
        np.testing.assert_array_equal(job.array()[..., 0], wanted)
        free = client.sample(MODEL, n=4, seed=9)
        free.wait()
        for each in (job, free):
            assert all(
                client.verify(each.image(sample=i)).result()["verified"]
                for i in range(each.state["n"])
            )
        nats = {
            name: client.score(MODEL, image, label=name).result()["nats"]
            for name in ("1", "0", "cat")
        }
        true = -float(
            log_likelihood(model, torch.from_numpy(PICTURE[None, None]).long(), "0")
        )
        assert nats["0"] == pytest.approx(true, rel=1e-5)
        found = client.classify(MODEL, image).result()
        assert {
            each["name"]: each["nats"] for each in found["labels"]
        } == pytest.approx(nats, rel=1e-5)
        file = client.encode(MODEL, [image], label="cat")
        file.wait()
        np.testing.assert_array_equal(
            client.decode(file.blob()).array()[0, ..., 0], PICTURE * 255
        )
        with pytest.raises(ApiError, match="expected one of 1, 0, cat"):
            client.sample(MODEL, label="dog")


def test_verbs_ask_for_labels(
    labelled: str, labelled_dir: Path, tmp_path: Path
) -> None:
    """As without a service; what one wrote the other verifies; an unknown label is one line and exit code 2."""
    words = ["sample", MODEL, "--seed", 5, "--label", "cat", "--label", "0", "--out"]
    remote(labelled, *words, tmp_path / "there.png")
    pixelrnn(*words, tmp_path / "here.png", "--models-dir", labelled_dir)
    assert pixels(tmp_path / "there.png") == pixels(tmp_path / "here.png")
    for name in ("here", "there"):
        assert json.loads(
            pixelrnn(
                "verify",
                tmp_path / f"{name}.png",
                "--models-dir",
                labelled_dir,
                "--json",
            ).stdout
        )["verified"]
    one = ["sample", MODEL, "--seed", 5, "--label", "1", "--out", tmp_path / "one.png"]
    pixelrnn(*one, "--models-dir", labelled_dir)
    assert json.loads(remote(labelled, "verify", tmp_path / "one.png", "--json"))[
        "verified"
    ]
    Image.fromarray(PICTURE * 255).save(tmp_path / "picture.png")
    found = json.loads(
        remote(labelled, "classify", MODEL, tmp_path / "picture.png", "--json")
    )
    assert sum(each["p"] for each in found["labels"]) == pytest.approx(1)
    refused = ended("remote", "sample", MODEL, "--label", "dog", "--url", labelled)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert "expected one of 1, 0, cat" in line


def test_an_upsampling_has_the_label_that_is_asked_for(
    labelled: str, labelled_dir: Path, tmp_path: Path
) -> None:
    """By the client and by both verbs: the library's bytes, and the picture says the label."""
    name, small = SCALES, np.array([[[0, 3], [1, 2], [3, 3]]] * 3)
    model = load_model(name, models_dir=labelled_dir)
    expected = values_to_pixels(
        upsample(model, torch.from_numpy(small), 1, seed=7, label="cat").numpy(), 4
    )
    picture = tmp_path / "small.png"
    Image.fromarray(values_to_pixels(small, 4).transpose(1, 2, 0)).save(picture)
    with Client(labelled) as client:
        job = client.upsample(name, picture, 1, seed=7, label="cat")
        job.result()
        job.save(tmp_path / "client.png")
    said = str(picture), "--seed", "7", "--label", "cat"
    pixelrnn(
        "upsample",
        name,
        *said,
        "--models-dir",
        labelled_dir,
        "--out",
        tmp_path / "verb.png",
    )
    remote(labelled, "upsample", name, *said, "--out", tmp_path / "remote.png")
    for path in (tmp_path / f"{how}.png" for how in ("client", "verb", "remote")):
        with Image.open(path) as found:
            np.testing.assert_array_equal(
                np.asarray(found.convert("RGB")), expected[0].transpose(1, 2, 0)
            )
            assert found.info["label"] == "cat"


def test_openais_prompt_is_the_name_of_a_label(
    labelled: str, labelled_dir: Path
) -> None:
    """In capitals or not; any other is refused with a list of what there is."""
    url, asked = (
        f"{labelled}/v1/images/generations",
        {"model": SCALES, "n": 2, "seed": 7, "size": "4x6"},
    )
    answer = httpx.post(url, json={**asked, "prompt": " Cat"}, timeout=60)
    files = [
        io.BytesIO(base64.b64decode(each["b64_json"])) for each in answer.json()["data"]
    ]
    expected = sample(
        load_model(SCALES, models_dir=labelled_dir), 2, seed=7, label="cat"
    ).numpy()
    np.testing.assert_array_equal(
        [np.asarray(Image.open(each)) for each in files],
        values_to_pixels(expected, 4).transpose(0, 2, 3, 1),
    )
    refused = httpx.post(url, json={**asked, "prompt": "a dog"}, timeout=60)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "prompt")
    assert (
        "expected one of its labels, 1, 0, cat, or an empty prompt"
        in refused.json()["error"]["message"]
    )


def test_several_pictures_are_classified_as_each_alone(labelled: str) -> None:
    """Wholes and parts, each by its own mask; of `MODEL`."""
    pictures, masks = (
        [255 * PICTURE[..., None], 255 * (1 - PICTURE)[..., None]],
        [png_of(~ALL), png_of(~ABOVE | BELOW)],
    )
    with Client(labelled) as client:
        found = client.classify(MODEL, pictures, masks, particles=8).result()[
            "pictures"
        ]
        alone = [
            client.classify(MODEL, *given, particles=8).result()
            for given in zip(pictures, masks, strict=True)
        ]
    for several, one in zip(found, alone, strict=True):
        assert several["labels"] == one["labels"]
        assert several["particles"] == one["particles"]
