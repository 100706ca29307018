"""What a worker tells Prometheus."""

import socket
import urllib.request

import pytest

from tests.ports import free_port
from worker.contract import logs
from worker.metrics import MetricsPortError, UsageCollector, serve
from worker.orders.usage import Usage


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


def test_a_taken_port_is_said() -> None:
    """In words, and before any work is taken."""
    with (
        socket.create_server(("", 0)) as holder,
        pytest.raises(MetricsPortError, match="in use"),
    ):
        serve(UsageCollector({}, {}, lambda: 0), holder.getsockname()[1])
