"""A kind of job declared in one file, tests/declared_kind.py: an API and a worker that read it take it as it is."""

import io
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from model_core import load_model
from model_core.measures.picture_score import score_picture
from tests.ports import free_port
from tests.worker.harness import Client, StartWorker, wait_for
from worker.contract import keys

ROOT = Path(__file__).parents[2]


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process that is started from here on reads the declaration first."""
    (tmp_path / "sitecustomize.py").write_text(
        "from tests.declared_kind import declare\n\ndeclare()\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")


@pytest.fixture
def api(
    declared: None, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    port = free_port()
    monkeypatch.setenv("REDIS_URL", redis_url)
    command = [sys.executable, "-m", "pixelrnn", "api", "--port", str(port)]
    with (
        subprocess.Popen(command) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as speaker,
    ):
        wait_for(lambda: answers(speaker), "the API")
        yield speaker
        process.terminate()


def answers(speaker: httpx.Client) -> bool:
    try:
        return speaker.get("/healthz").is_success
    except httpx.TransportError:
        return False


def test_a_declared_kind_is_served(
    client: Client, start_worker: StartWorker, api: httpx.Client, models_dir: Path
) -> None:
    """Submitted, queued, carried out, answered, listed and found in openapi.json."""
    pixels = np.random.default_rng(1).integers(0, 2, (6, 5), np.uint8) * 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    start_worker(models="tiny-cnn")
    assert api.get("/models/tiny-cnn").json()["can"][-1] == "weigh"

    def weigh(**fields: object) -> httpx.Response:
        return api.post(
            "/weigh",
            data={"model": "tiny-cnn"} | fields,
            files={"image": file.getvalue()},
        )

    queued = weigh()
    assert (queued.status_code, queued.json()["kind"], queued.json()["status"]) == (
        202,
        "weigh",
        "queued",
    )
    link = queued.json()["links"]["self"]
    nats = score_picture(
        load_model("tiny-cnn", models_dir=models_dir), pixels[None] // 255
    ).nats
    found = api.get(link, params={"wait": 60}).json()
    assert found["status"] == "succeeded", found["error"]
    assert found["result"] == {
        "type": "weight",
        "weight": pytest.approx(nats),
        "images": [f"{link}/image"],
    }
    shown = Image.open(io.BytesIO(api.get(f"{link}/image").content))
    np.testing.assert_array_equal(np.asarray(shown), pixels)
    assert [
        job["kind"] for job in api.get("/jobs", params={"kind": "weigh"}).json()["jobs"]
    ] == ["weigh"]
    assert api.get("/jobs", params={"kind": "sample"}).json()["jobs"] == []

    in_bits = api.get(
        weigh(in_bits="true").json()["links"]["self"], params={"wait": 60}
    ).json()
    assert in_bits["result"]["weight"] == pytest.approx(nats / math.log(2))
    specs = [
        json.loads(client.redis.hget(keys.job(job["id"]), "spec"))
        for job in (found, in_bits)
    ]
    assert [(spec.get("version"), spec.get("options")) for spec in specs] == [
        (None, None),
        (5, {"in_bits": True}),
    ]
    assert weigh(in_bytes="true").status_code == 422


def test_a_declared_kind_is_in_the_schema(api: httpx.Client) -> None:
    """Its call, its form, its word and its result."""
    schema = api.get("/openapi.json").json()
    call, models = schema["paths"]["/weigh"]["post"], schema["components"]["schemas"]
    assert (call["operationId"], call["description"]) == (
        "create_weight",
        "How much a picture weighs.",
    )
    form = set(models["WeighForm"]["properties"])
    assert form >= {"image", "model", "fit", "in_bits", "webhook"}
    its_own = {"x", "y", "influence", "label", "against", "colours"}
    assert form == set(models["ScoreForm"]["properties"]) - its_own | {"in_bits"}
    assert "weigh" in models["JobKind"]["enum"]
    assert models["WeighResult"]["required"] == ["weight", "type", "images"]
    union, _ = models["Result"]["anyOf"]
    assert {"$ref": "#/components/schemas/WeighResult"} in union["oneOf"]
