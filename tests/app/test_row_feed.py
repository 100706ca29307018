"""What a reader is told when Redis forgets, fails or falls behind."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app.entries import Entry
from app.services.fleet import FleetWatch
from app.services.jobs import Jobs
from app.services.row_feed import FeedEvent, RowFeed
from app.services.row_reader import RowReader
from app.store import Store
from tests.app.answers import submit_sample
from tests.app.hand_worker import HandWorker
from tests.app.live import events_of

LOST_DATA_IS_TOLD_WITHIN_S = 30.0


class FlakyStore(Store):
    """Rows cannot be read while it is flaky."""

    flaky = False

    async def entries_after(self, job_id: str, seq: int) -> list[Entry]:
        if self.flaky:
            raise RedisConnectionError("away")
        return await super().entries_after(job_id, seq)


def submit(client: httpx.Client) -> str:
    return submit_sample(client)["links"]["self"]


def run(
    url: str, work: Callable[[FlakyStore, RowReader, RowFeed, Jobs], Awaitable[None]]
) -> None:
    async def main() -> None:
        store = FlakyStore(url, budget_s=3)
        reader = RowReader(store, url)
        jobs = Jobs(store, FleetWatch(store, 0.5), "", full=False)
        try:
            async with asyncio.timeout(30):
                await work(store, reader, RowFeed(reader, jobs, ping_s=15), jobs)
        finally:
            await reader.close()
            await store.close()

    asyncio.run(main())


def test_end_comes_behind_its_rows_when_redis_was_in_trouble(
    redis_url: str, client: httpx.Client, worker: HandWorker
) -> None:
    """The job ends while the reader can read nothing: it still gets every row first, and the end under its own id."""
    job_id = submit(client).rpartition("/")[2]

    async def work(store: FlakyStore, _: RowReader, feed: RowFeed, jobs: Jobs) -> None:
        job, seen = await jobs.view(job_id), list[FeedEvent]()

        async def read() -> None:
            async for batch in feed.events(job, follower):
                seen.extend(batch)

        with feed.follow(job, 0) as follower:
            reading = asyncio.create_task(read())
            await asyncio.sleep(0.1)
            store.flaky = True
            follower.fall_behind()
            await asyncio.to_thread(worker.draw)
            follower.doubt()
            await asyncio.sleep(0.3)
            store.flaky = False
            await reading
        assert [event.seq for event in seen if event.seq] == [1, 2, 3, 4, 5]
        assert seen[-1].name == "done"

    run(redis_url, work)


def test_end_has_its_own_id_when_the_reader_is_ahead_of_it(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A place that the stream has not reached: the end is told all the same, once the job has ended."""
    link = submit(client)
    with client.stream("GET", f"{link}/events", params={"from": "500-0"}) as response:
        events = events_of(response)
        next(events)
        worker.draw()
        end = next(events)
    assert (end.name, end.id) == ("done", "5-0")


@pytest.mark.parametrize(
    "restarted", [False, True], ids=["emptied", "restarted without its data"]
)
def test_reader_is_told_soon_when_the_data_is_gone(
    client: httpx.Client, worker: HandWorker, restarted: bool
) -> None:
    """It does not wait for rows that nobody will write."""
    link = submit(client)
    with client.stream("GET", f"{link}/events") as response:
        events = events_of(response)
        next(events)
        began = time.monotonic()
        worker.redis.flushall()
        if restarted:
            worker.redis.execute_command(
                "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"
            )
        end = next(events)
    assert (end.name, end.data["status"]) == ("error", 404)
    assert time.monotonic() - began < LOST_DATA_IS_TOLD_WITHIN_S
