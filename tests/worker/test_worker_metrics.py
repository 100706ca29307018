"""What a worker tells Prometheus."""

import socket
import urllib.request
from multiprocessing import Pipe
from pathlib import Path

import pytest

from tests.app.hand_worker import GREY
from tests.ports import free_port
from worker.contract import logs
from worker.engine_link import EngineLink
from worker.main import Worker
from worker.metrics import MetricsPortError, UsageCollector, serve
from worker.orders.catalogue import Catalogue
from worker.orders.usage import Usage
from worker.settings import Settings
from worker.teaching_link import TeachingLink


def test_usage_is_told_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps, occupancy, rows, images and slots by model, as they are when they are asked for; and lines that the
    engine's process could not log."""
    usage, port = Usage(), free_port()
    stop = serve(
        UsageCollector(
            {"m": usage, "secret": usage},
            {"m": 18},
            lambda: 3,
            {"secret"},
            lambda: [0.5, 0.25],
        ),
        port,
    )
    monkeypatch.setattr(logs.lines, "dropped_elsewhere", 7 - logs.lines.dropped)
    usage.step(seconds=0.5, busy=4, rows=2, left=1)
    with urllib.request.urlopen(
        f"http://127.0.0.1:{port}/metrics", timeout=60
    ) as answer:
        lines = answer.read().decode().splitlines()
    stop()
    assert not [line for line in lines if "secret" in line], (
        "a model that one key alone sees"
    )
    assert {
        'pixelrnn_worker_step_seconds_count{model="m"} 1.0',
        'pixelrnn_worker_step_seconds_sum{model="m"} 0.5',
        'pixelrnn_worker_image_seconds_total{model="m"} 2.0',
        'pixelrnn_worker_rows_total{model="m"} 2.0',
        'pixelrnn_worker_images_total{model="m"} 1.0',
        'pixelrnn_worker_slots{model="m"} 18.0',
        'pixelrnn_worker_drawing_seconds_total{thread="0"} 0.5',
        'pixelrnn_worker_drawing_seconds_total{thread="1"} 0.25',
        "pixelrnn_worker_jobs 3.0",
        "pixelrnn_worker_log_lines_dropped_total 7.0",
    } <= set(lines)


def test_weights_that_left_memory_are_not_named() -> None:
    """Each exchange of a shared model would add another name for ever. What the metrics
    read is the link's own dictionary, from the start."""
    ours, engine = Pipe()
    link = EngineLink.__new__(EngineLink)
    link._connection = ours
    link._stopping = True
    link.usage = {"mine": Usage()}
    collector = UsageCollector(link.usage, {}, lambda: 0)
    link.start(lambda rows: None, lambda: None, {})
    engine.send([("used", {"mine": Usage(), "mine@1": Usage()})])
    engine.send([("used", {"mine": Usage(), "mine@2": Usage(steps=3)})])
    engine.close()
    link._thread.join()
    steps = next(iter(collector.collect()))
    counts = {
        sample.labels["model"]: sample.value
        for sample in steps.samples
        if sample.name.endswith("_count")
    }
    assert counts == {"mine": 0, "mine@2": 3}


def test_a_taken_port_is_said() -> None:
    """In words, and before any work is taken."""
    with (
        socket.create_server(("", 0)) as holder,
        pytest.raises(MetricsPortError, match="in use"),
    ):
        serve(UsageCollector({}, {}, lambda: 0), holder.getsockname()[1])


def test_weights_of_a_private_model_that_were_exchanged_are_not_named(
    redis_url: str, tmp_path: Path
) -> None:
    """Jobs accepted for them may still come after a restart, when the worker has only a
    copy, which does not say whose they are."""
    settings = Settings(redis_url=redis_url, added_dir=tmp_path)
    link = TeachingLink(settings)
    link.usage = {"grey@0": Usage(), "secret@0": Usage(), "gone@0": Usage()}
    worker = Worker(settings, link, Catalogue({"grey": GREY}, {}, ""))
    secret = GREY.model_copy(update={"name": "secret"})
    worker._served(secret.model_copy(update={"owner": "alice"}), "secret@1")
    worker._brought(GREY, "grey@0")
    worker._brought(secret, "secret@0")
    worker._brought(GREY.model_copy(update={"name": "gone"}), "gone@0")
    told = {
        sample.labels["model"]
        for metric in worker._metrics.collect()
        for sample in metric.samples
        if "model" in sample.labels
    }
    assert told == {"grey@0"}
