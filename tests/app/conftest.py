"""The API as a live server on a free port, in front of the test's Redis."""

from collections.abc import Iterator

import httpx
import pytest

from app.settings import Settings
from tests.app.hand_worker import HandWorker
from tests.app.live import serving
from worker.contract import logs


@pytest.fixture(scope="session")
def api_url(redis_server: str) -> Iterator[str]:
    """One server for all tests: it keeps nothing outside Redis."""
    logs.configure(quiet=("httpx",))  # as app.serve does
    with serving(Settings(redis_url=redis_server, port=0, fleet_age_s=0)) as (url, _):
        yield url


@pytest.fixture
def client(api_url: str, redis_url: str) -> Iterator[httpx.Client]:
    """Speaks to a server whose Redis is empty."""
    with httpx.Client(base_url=api_url, timeout=60) as speaker:
        yield speaker


@pytest.fixture
def worker(redis_url: str) -> Iterator[HandWorker]:
    """A live worker with the models `grey` (4 x 3) and `colour` (3 x 2)."""
    hand = HandWorker(redis_url)
    hand.announce()
    yield hand
    hand.redis.close()
