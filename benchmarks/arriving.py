"""Time from a model's being put into the models directory until workers draw from it.

    python benchmarks/arriving.py [--model characters] [--workers 2]

Starts what `pixelrnn up` starts, with so many workers that follow one models directory, which holds one model. Then
another shipped model is copied beside it and renamed into it, as docs/operate.md says, and jobs of it are asked for
until each worker has drawn some.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from stack import Stack

from model_core.shipped import MODELS

FIRST = "mnist-diagonal-bilstm"
LIMIT_S = 300.0


def main() -> None:
    """Read the command line, measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="characters", help="a shipped model, which comes later")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pixelrnn-models-") as place:
        models = Path(place) / "models"
        shutil.copytree(MODELS / FIRST, models / FIRST)
        with Stack("", asked.workers, PIXELRNN_MODELS_DIR=str(models)) as stack:
            until(lambda: len(holders(stack.url, FIRST)) == asked.workers)
            print(json.dumps(measured(stack, models, asked.model, asked.workers)))


def measured(stack: Stack, models: Path, name: str, workers: int) -> dict[str, object]:
    """Seconds since the model's folder got its name: until all workers serve it, and until all have drawn from it."""
    beside = models.parent / name
    shutil.copytree(MODELS / name, beside)
    beside.rename(models / name)
    began = time.monotonic()
    until(lambda: len(holders(stack.url, name)) == workers)
    served_s = time.monotonic() - began
    drawn: dict[str, int] = {}
    until(lambda: len(count(drawn, stack, draw(stack, name, 2 * workers))) == workers)
    return {
        "model": name,
        "workers": workers,
        "served_s": round(served_s, 1),
        "drawn_s": round(time.monotonic() - began, 1),
        "jobs": drawn,
    }


def holders(url: str, name: str) -> list[str]:
    """The workers that are ready to draw from a model."""
    found = httpx.get(f"{url}/models/{name}", timeout=30)
    return [place["name"] for place in found.json()["loaded_on"]] if found.is_success else []


def draw(stack: Stack, name: str, n: int) -> list[str]:
    """Ask for so many jobs at once; their ids, when all have ended."""
    asked = {"model": name, "n": 16}
    ids = [httpx.post(f"{stack.url}/sample", json=asked, timeout=30).json()["id"] for _ in range(n)]
    for job_id in ids:
        stack.wait_end(job_id)
    return ids


def count(drawn: dict[str, int], stack: Stack, ids: list[str]) -> dict[str, int]:
    """Add whose log says that it began which of these jobs."""
    for log, text in stack.worker_logs().items():
        if found := sum(job_id in text for job_id in ids):
            drawn[log] = drawn.get(log, 0) + found
    return drawn


def until(is_so: Callable[[], object]) -> None:
    """Wait. RuntimeError after five minutes."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError("it did not come about in five minutes")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
