"""Labels through the whole service: both clients, the verbs, and OpenAI's calls."""

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from model_core import load_model, sample
from model_core.data.pixels import values_to_pixels
from pixelrnn.client import AsyncClient, Client
from tests.client.by_command import ended, pixelrnn, pixels, remote
from tests.house.running import ForkedUp
from tests.tiny_models import save_tiny_labelled, save_tiny_labelled_scales

MODEL, SCALES = "tiny-labelled", "tiny-labelled-scales"


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
    with ForkedUp(tmp_path_factory.mktemp("data"), labelled_dir) as running:
        yield running.url


def test_both_clients_ask_for_labels(labelled: str, labelled_dir: Path) -> None:
    """By name or number; the images are those that are drawn here."""
    model = load_model(MODEL, models_dir=labelled_dir)
    names = ["cat", "0", "cat"]
    wanted = sample(model, 3, seed=7, label=names).numpy()[:, 0] * 255

    async def asynchronously() -> list[str]:
        async with AsyncClient(labelled) as client:
            job = await client.sample(MODEL, seed=7, label=["cat", "0", 2])
            return (await job.result()).get("labels") or []

    assert asyncio.run(asynchronously()) == names
    with Client(labelled) as client:
        job = client.sample(MODEL, seed=7, label=["cat", "0", 2])
        np.testing.assert_array_equal(job.array()[..., 0], wanted)


def test_verbs_ask_for_labels(
    labelled: str, labelled_dir: Path, tmp_path: Path
) -> None:
    """As without a service; the service verifies what was drawn here; an unknown label
    is one line and exit code 2."""
    words = ["sample", MODEL, "--seed", 5, "--label", "cat", "--out"]
    remote(labelled, *words, tmp_path / "there.png")
    pixelrnn(*words, tmp_path / "here.png", "--models-dir", labelled_dir)
    assert pixels(tmp_path / "there.png") == pixels(tmp_path / "here.png")
    found = remote(labelled, "verify", tmp_path / "here.png", "--json")
    assert json.loads(found)["verified"]
    refused = ended("remote", "sample", MODEL, "--label", "dog", "--url", labelled)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert "expected one of 1, 0, cat" in line


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
