"""Which workers `pixelrnn health` is about."""

import socket
from typing import Any

import pytest

from tests.app.hand_worker import GREY, HandWorker
from worker.health import is_warm
from worker.settings import Settings

HOST = socket.gethostname()
COMPILING = GREY.model_copy(update={"compiling": True})


@pytest.mark.parametrize(
    ("settings", "alive", "expected"),
    [
        ({"worker_name": "w1"}, "w1", True),
        ({"worker_name": "w1"}, "w10", False),
        ({}, f"{HOST}-cpu-0a1b2c3d", True),
        ({}, f"{HOST}-2-cpu-0a1b2c3d", False),
        ({}, "w1", False),
    ],
)
def test_only_the_worker_that_is_meant_counts(
    redis_url: str, settings: dict[str, Any], alive: str, expected: bool
) -> None:
    """Another one, whose name begins like that, may be alive while this one is dead."""
    HandWorker(redis_url, alive).announce()
    assert is_warm(Settings(redis_url=redis_url, **settings)) is expected


def test_a_worker_counts_once_a_model_is_ready(redis_url: str) -> None:
    """It announces models before that, which may take minutes."""
    worker = HandWorker(redis_url, "w1")
    settings = Settings(redis_url=redis_url, worker_name="w1")
    assert not is_warm(settings)
    worker.announce(COMPILING)
    assert not is_warm(settings)
    worker.announce(COMPILING, GREY)
    assert is_warm(settings)
