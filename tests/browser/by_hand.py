"""The page before a real API, with a worker that is moved by hand: states that elsewhere last only for a moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.settings import Settings
from tests.app.hand_worker import HandWorker
from tests.app.live import serving
from tests.browser.site import Site


class Stack:
    """What a `Site` wants to know of a service, and the worker, whose model `grey` draws 4 rows of 3 pixels."""

    def __init__(self, url: str, redis_url: str) -> None:
        self.url = url
        self.worker = HandWorker(redis_url)
        self.worker.announce()


@contextmanager
def moved_by_hand(browser: Any, redis_url: str, **settings: Any) -> Iterator[Site]:
    with serving(Settings(redis_url=redis_url, port=0, fleet_age_s=0, **settings)) as (
        url,
        _,
    ):
        stack = Stack(url, redis_url)
        context = browser.new_context(base_url=url)
        site = Site(context, stack)  # pyright: ignore[reportArgumentType]
        yield site
        context.close()
        stack.worker.redis.close()
    assert site.complaints == []
