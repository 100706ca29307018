"""In how many threads the workers of `pixelrnn up` draw, and on which processors."""

from pathlib import Path

import pytest

from pixelrnn import up
from pixelrnn.up import UpOptions, drawing_threads

PROCESSORS = list(range(4))


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIXELRNN_DRAW_THREADS", "PIXELRNN_ENGINE_CPUS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(up, "available", lambda count: count)


@pytest.mark.parametrize(
    ("devices", "threads"),
    [
        (["cpu"], 3),
        (["cpu", "cpu"], 1),
        (["cpu", "cuda:0"], 3),
        (["cuda:0", "cuda:1"], 1),
    ],
)
def test_workers_on_processors_share_all_but_one(
    devices: list[str], threads: int
) -> None:
    """Those on GPUs need none."""
    assert drawing_threads(devices, PROCESSORS) == threads


def test_named_number_is_that_of_each_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the processors are named, a worker takes as many threads as these."""
    monkeypatch.setenv("PIXELRNN_DRAW_THREADS", "2")
    assert drawing_threads(["cpu", "cpu"], PROCESSORS) == 2
    monkeypatch.setenv("PIXELRNN_DRAW_THREADS", "0")
    monkeypatch.setenv("PIXELRNN_ENGINE_CPUS", "1,2")
    assert drawing_threads(["cpu"], PROCESSORS) == 0


def test_worker_is_told_its_threads_and_processors(tmp_path: Path) -> None:
    """By its environment."""
    options = UpOptions("h", 1, tmp_path, tmp_path)
    worker = up._Worker(
        options, "redis://x", "cpu", tmp_path / "log", (1, 2, 3), threads=3
    )
    assert worker.environment["PIXELRNN_DRAW_THREADS"] == "3"
    assert worker.environment["PIXELRNN_ENGINE_CPUS"] == "1,2,3"
