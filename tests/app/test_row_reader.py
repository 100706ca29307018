"""Rows over shared connections: every entry once and in order, however the reader and the shard fall behind."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.services.row_reader import SHARDS, Pause, RowReader
from app.store import Store
from tests.acceptance import ACCEPT
from tests.app.hand_worker import GREY, HandWorker
from tests.fakes import job_spec
from worker.contract import keys, scripts
from worker.contract.jobs import JobSpec


@pytest.fixture
def worker(redis_url: str) -> HandWorker:
    return HandWorker(redis_url)


def job(worker: HandWorker, name: str, n: int = 64) -> JobSpec:
    """A running job of `n` images with 4 rows each."""
    spec = job_spec(GREY, id=name, n=n)
    worker.redis.eval(
        ACCEPT, 4, *scripts.of(name), spec.entry(), spec.rows_total, keys.ACTIVE_TTL_S
    )
    worker.redis.eval(scripts.CLAIM, 4, *scripts.of(name), worker.token)
    return spec


def run(
    url: str, work: Callable[[RowReader], Awaitable[None]], shards: int = SHARDS
) -> None:
    async def main() -> None:
        store = Store(url, budget_s=3)
        reader = RowReader(store, url, shards)
        try:
            async with asyncio.timeout(30):
                await work(reader)
        finally:
            await reader.close()
            await store.close()

    asyncio.run(main())


async def collect(reader: RowReader, name: str, after: int = 0) -> list[int]:
    seen: list[int] = []
    with reader.follow(name, after) as follower:
        while (batch := await follower.next(20)) is not Pause.ENDED:
            assert isinstance(batch, list)
            seen += [entry.seq for entry in batch]
            if batch[-1].is_last:
                break
    return seen


def draw(worker: HandWorker, spec: JobSpec) -> None:
    for sample in range(spec.n):
        worker.rows(spec, *((sample, y) for y in range(4)))
    worker.settle(spec)


def test_entries_come_once_when_many_follow_many(
    redis_url: str, worker: HandWorker
) -> None:
    """Late, early and returning readers of several jobs on one connection."""
    specs = [job(worker, f"job-{i}", n=3) for i in range(5)]

    async def work(reader: RowReader) -> None:
        places = [(spec.id, after) for spec in specs for after in (0, 0, 2, 12)]
        tasks = [asyncio.create_task(collect(reader, *place)) for place in places]
        await asyncio.sleep(0.1)
        for spec in specs:
            await asyncio.to_thread(draw, worker, spec)
        for (_, after), task in zip(places, tasks, strict=True):
            assert await task == list(range(after + 1, 14))

    run(redis_url, work, shards=1)


def test_reader_who_comes_inside_an_entry_gets_the_rest_of_it(
    redis_url: str, worker: HandWorker
) -> None:
    """Four rows are written together: whether it comes before them or behind, and then reads on or waits."""
    spec = job(worker, "inside", n=2)

    async def work(reader: RowReader) -> None:
        early = [
            asyncio.create_task(collect(reader, spec.id, after)) for after in (2, 5)
        ]
        await asyncio.sleep(0.1)
        await asyncio.to_thread(draw, worker, spec)
        assert [
            entry_id for entry_id, _ in worker.redis.xrange(keys.events(spec.id))
        ] == [b"4-0", b"8-0", b"9-0"]
        assert [await task for task in early] == [
            list(range(3, 10)),
            list(range(6, 10)),
        ]
        for after in range(9):
            assert await collect(reader, spec.id, after) == list(range(after + 1, 10))

    run(redis_url, work)


def test_reader_ahead_of_the_stream_does_not_keep_rows_from_others(
    redis_url: str, worker: HandWorker
) -> None:
    """It names a row that is not there yet: others still get each row as it comes."""
    spec = job(worker, "ahead", n=2)

    async def work(reader: RowReader) -> None:
        with (
            reader.follow(spec.id, 1_000_000) as ahead,
            reader.follow(spec.id, 0) as usual,
        ):
            assert await ahead.next(0.05) is Pause.QUIET
            assert await usual.next(0.05) is Pause.QUIET
            await asyncio.to_thread(worker.rows, spec, (0, 0))
            batch = await usual.next(2)
            assert isinstance(batch, list)
            assert [entry.seq for entry in batch] == [1]

    run(redis_url, work)


def test_reader_ahead_of_the_stream_learns_of_its_end(
    redis_url: str, worker: HandWorker
) -> None:
    """Also if another reader of the job receives the end itself."""
    spec = job(worker, "ahead", n=1)

    async def work(reader: RowReader) -> None:
        with reader.follow(spec.id, 1_000_000) as ahead:
            assert await ahead.next(0.05) is Pause.QUIET
            usual = asyncio.create_task(collect(reader, spec.id))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(draw, worker, spec)
            assert await usual == [1, 2, 3, 4, 5]
            assert await ahead.next(5) is Pause.DOUBT

    run(redis_url, work)


def test_slow_reader_catches_up_when_its_queue_overflowed(
    redis_url: str, worker: HandWorker
) -> None:
    """It is offered more than it may hold: what was dropped is read again from the stream, and no one else waits."""
    spec = job(worker, "slow", n=300)

    async def work(reader: RowReader) -> None:
        with reader.follow(spec.id, 0) as slow:
            assert await slow.next(0.05) is Pause.QUIET
            quick = asyncio.create_task(collect(reader, spec.id))
            await asyncio.to_thread(draw, worker, spec)
            assert await quick == list(range(1, 1202))
            seen: list[int] = []
            while not seen or seen[-1] < 1201:
                batch = await slow.next(20)
                assert isinstance(batch, list)
                seen += [entry.seq for entry in batch]
            assert seen == list(range(1, 1202))

    run(redis_url, work)


def test_connections_are_few_when_readers_are_many(
    redis_url: str, worker: HandWorker
) -> None:
    """300 readers of 100 jobs: one connection a shard, and those for commands."""
    specs = [job(worker, f"few-{i}", n=1) for i in range(100)]
    before = int(worker.redis.info("clients")["connected_clients"])

    async def work(reader: RowReader) -> None:
        tasks = [
            asyncio.create_task(collect(reader, spec.id))
            for spec in specs
            for _ in range(3)
        ]
        await asyncio.sleep(0.5)
        assert int(worker.redis.info("clients")["connected_clients"]) - before <= 32
        for spec in specs:
            await asyncio.to_thread(draw, worker, spec)
        assert await asyncio.gather(*tasks) == [[1, 2, 3, 4, 5]] * 300

    run(redis_url, work)


def test_rows_come_at_once_when_a_job_joins_a_waiting_shard(
    redis_url: str, worker: HandWorker
) -> None:
    """The read under way is woken; it does not have to time out first."""
    first, second = job(worker, "first", n=1), job(worker, "second", n=1)

    async def work(reader: RowReader) -> None:
        waiting = asyncio.create_task(collect(reader, first.id))
        await asyncio.sleep(0.2)
        joining = asyncio.create_task(collect(reader, second.id))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(draw, worker, second)
        async with asyncio.timeout(2):
            assert await joining == [1, 2, 3, 4, 5]
        await asyncio.to_thread(draw, worker, first)
        assert await waiting == [1, 2, 3, 4, 5]

    run(redis_url, work, shards=1)


def test_follower_ends_when_the_reader_is_stopped(
    redis_url: str, worker: HandWorker
) -> None:
    """Those that wait, and those that begin later."""
    spec = job(worker, "stop", n=1)

    async def work(reader: RowReader) -> None:
        waiting = asyncio.create_task(collect(reader, spec.id))
        await asyncio.sleep(0.1)
        reader.stop()
        assert await waiting == []
        assert await collect(reader, spec.id) == []
        assert reader.readers == 0

    run(redis_url, work)


def test_rows_come_once_when_connections_are_killed(
    redis_url: str, worker: HandWorker
) -> None:
    """Again and again, while they are drawn."""
    spec = job(worker, "killed", n=30)

    async def work(reader: RowReader) -> None:
        reading = asyncio.create_task(collect(reader, spec.id))
        for sample in range(spec.n):
            worker.rows(spec, *((sample, y) for y in range(4)))
            if sample % 10 == 5:
                worker.redis.execute_command(
                    "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"
                )
            await asyncio.sleep(0.02)
        worker.settle(spec)
        assert await reading == list(range(1, 122))

    run(redis_url, work)
