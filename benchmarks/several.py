"""Scores of many pictures by a service: in jobs of 64, one a job, and one a job from 16 threads at once.

    python benchmarks/several.py --mnist PATH       1,000 test images of binarized MNIST, three rounds in turn; printed

Seconds are of the clock, from the first request to the last result, by the client of pixelrnn.client.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from page import machine, table
from PIL import Image
from stack import Stack

from model_core import load_model
from model_core.data.datasets import read_dataset
from pixelrnn.client import Client

MODEL = "mnist-diagonal-bilstm"
MANY, THREADS = 64, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    images = read_dataset(arguments.mnist, "test", load_model(MODEL).config)[: arguments.images]
    pictures = [_png(image[0] * 255) for image in images]
    with Stack(MODEL) as stack, Client(stack.url) as client:
        ways: dict[str, Callable[[], list[float]]] = {
            f"jobs of {MANY}": lambda: _together(client, pictures),
            "one a job": lambda: [_nats(client, picture) for picture in pictures],
            f"one a job, {THREADS} at once": lambda: _at_once(client, pictures),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            found = [_timed(way, seconds[name]) for name, way in ways.items()]
            assert found[0] == found[1] == found[2]
    rates = {name: [len(pictures) / each for each in of] for name, of in seconds.items()}
    rows = [[name, f"{statistics.median(of):.0f}", f"{min(of):.0f} to {max(of):.0f}"] for name, of in rates.items()]
    print("\n".join(table(("scores", "images/s", "over rounds"), rows)), machine(), sep="\n")


def _png(pixels: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")  # type: ignore[arg-type]
    return file.getvalue()


def _nats(client: Client, picture: bytes) -> float:
    return client.score(MODEL, picture).result()["nats"]


def _together(client: Client, pictures: list[bytes]) -> list[float]:
    jobs = [client.score(MODEL, pictures[i : i + MANY]) for i in range(0, len(pictures), MANY)]
    return [each["nats"] for job in jobs for each in job.result()["pictures"]]


def _at_once(client: Client, pictures: list[bytes]) -> list[float]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda picture: _nats(client, picture), pictures))


def _timed(way: Callable[[], list[float]], seconds: list[float]) -> list[float]:
    began = time.perf_counter()
    found = way()
    seconds.append(time.perf_counter() - began)
    return found


if __name__ == "__main__":
    main()
