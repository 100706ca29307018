"""No thread of a worker, and no task of an API, ends of what nobody foresaw: it costs a model, a job or a request."""

import ast
import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from structlog.testing import capture_logs

from app.services import exchanges, packing, webhooks
from app.services.row_reader import Pause, RowReader
from model_core.image_request import ImageRequest
from tests.fakes import VALUES, FakeEngine, Outlet
from tests.worker.harness import wait_for
from worker.contract.jobs import JobStatus
from worker.engine.arrivals import Arrivals, Directory
from worker.engine.cohort import Cohort
from worker.engine.compiling import make_ready
from worker.engine.examination import Repeats
from worker.engine.offering import offer
from worker.engine.runner import Runner
from worker.engine_link import EngineLink
from worker.jobs.ledger import Answer, Batch, SettleAnswer
from worker.jobs.publisher import Publisher
from worker.orders.claims import ROWS_GONE, SUCCEEDED, Claim, Outcome
from worker.orders.drawing import DrawOrder
from worker.orders.images import NewRow, PlannedImage
from worker.process.turn_thread import TurnThread
from worker.queue.ending import Finisher

ROOT = Path(__file__).parents[2]
BUG = ZeroDivisionError("nobody foresaw this")

Logs = list[Any]


@pytest.fixture
def logs() -> Iterator[Logs]:
    with capture_logs() as found:
        yield found


def bugs(logs: Logs) -> list[Any]:
    return [line for line in logs if line["log_level"] == "error"]


def claim(name: str) -> Claim:
    return Claim(name, name, last_seq=0)


def turns_go_on(logs: Logs) -> None:
    """Heartbeat, cancellation and recovery: the next turn is about something else."""
    turns: list[int] = []

    def turn() -> float | None:
        turns.append(1)
        if len(turns) == 1:
            raise BUG
        return None

    thread = TurnThread("recovery", turn)
    thread.start()
    thread.join(60)
    assert len(turns) == 2
    assert [line["event"] for line in bugs(logs)] == ["turn_failed"]


def publisher_goes_on(logs: Logs) -> None:
    """The job is begun again; the one beside it, which has something to write at the same time, and the next one are
    published."""

    class Ledger:
        def append(self, batches: Sequence[Batch]) -> list[Any]:
            if claim("bad") in [batch.claim for batch in batches]:
                raise BUG
            return [Answer.OK for _ in batches]

        def progress(self, told: Sequence[Any]) -> list[Any]:
            return []

        def settle(self, job_id: str, token: str, outcome: Outcome) -> SettleAnswer:
            return SettleAnswer.ENDED

        def has_ended(self, job_id: str) -> bool:
            return False

    closed: dict[str, Outcome] = {}
    publisher = Publisher(
        Ledger(),
        lambda token: None,
        lambda claim, outcome: closed.update({claim.token: outcome}),
    )
    for name in ("beside", "bad", "good"):
        publisher.open(claim(name))
    publisher.publish({"beside": ["{}"], "bad": ["{}"]})
    publisher.end("beside", SUCCEEDED)
    publisher.start()
    wait_for(lambda: len(closed) == 2, "the ends of both")
    publisher.publish({"good": ["{}"]})
    publisher.end("good", SUCCEEDED)
    wait_for(lambda: "good" in closed, "the end of the job")
    publisher.stop(60)
    assert closed.pop("bad") == ROWS_GONE
    assert {name: outcome.status for name, outcome in closed.items()} == dict.fromkeys(
        closed, JobStatus.SUCCEEDED
    )
    assert bugs(logs)


def finisher_goes_on(logs: Logs) -> None:
    """The lease of the job lapses, and the next one's end is told."""
    told: list[str] = []

    def finish(closed: Sequence[tuple[Claim, Outcome]]) -> None:
        if closed[0][0] == claim("bad"):
            raise BUG
        told.extend(each.token for each, _ in closed)

    finisher = Finisher(finish)
    finisher.start()
    finisher.put(claim("bad"), SUCCEEDED)
    wait_for(lambda: bugs(logs), "the log")
    finisher.put(claim("good"), SUCCEEDED)
    finisher.stop(60)
    assert told == ["good"]


def engine_link_goes_on(logs: Logs) -> None:
    """The next word is followed."""
    ours, theirs = Pipe()
    link, heard = EngineLink.__new__(EngineLink), threading.Event()
    link._connection, link._stopping, link.exhausted, link.usage = ours, True, set(), {}
    link.gpu_has_failed = False

    def bad() -> None:
        raise BUG

    link.start(lambda rows: None, lambda: None, {"bad": bad, "good": heard.set})
    theirs.send([("bad",), ("good",)])
    assert heard.wait(60)
    theirs.close()
    assert [line["event"] for line in bugs(logs)] == ["word_failed"]


def engine_goes_on(logs: Logs) -> None:
    """The job fails, in a turn as where it is taken up, and the next one is drawn."""

    class Breaking(Outlet):
        def publish(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
            if "bad" in rows:
                raise BUG
            super().publish(rows)

    def order(token: str) -> DrawOrder:
        return DrawOrder(
            claim(token),
            "fake",
            VALUES,
            [PlannedImage(ImageRequest(seed=1, sample=0), 0)],
        )

    outlet = Breaking()
    runner = Runner({"fake": Cohort(FakeEngine)}, outlet, lambda task: None)
    runner.start()
    for token in ("bad", "good"):
        runner.submit(order(token))
        wait_for(lambda token=token: token in outlet.ends, "the end of the job")
    assert outlet.ends["bad"][0].status is JobStatus.FAILED
    assert outlet.ends["good"][0].status is JobStatus.SUCCEEDED
    runner._inbox.put("served", None)
    wait_for(lambda: "word_failed" in [line["event"] for line in bugs(logs)], "the log")
    runner.stop()
    runner.join(60)


def compiling_goes_on(logs: Logs) -> None:
    """The model is refused, and the next one is ready."""

    class Pool:
        wanted = frozenset[str]()

        def names(self) -> list[str]:
            return ["bad", "good"]

        def is_cold(self, name: str) -> bool:
            return False

        def has_cold_scores(self, name: str) -> bool:
            return False

        def values_of(self, name: str) -> int:
            return 1

        def loops(self, name: str) -> None:
            return None

        def remove(self, name: str) -> None:
            return None

        def warm_up(self, name: str) -> None:
            if name == "bad":
                raise BUG

    ready: list[str] = []
    refused: dict[str, str] = {}
    pool: Any = Pool()
    make_ready(
        pool, {}, (), ready.append, lambda name, reason: refused.update({name: reason})
    )
    assert (ready, list(refused)) == (["good"], ["bad"])
    assert [line["event"] for line in bugs(logs)] == ["model_refused"]


def arrivals_go_on(logs: Logs) -> None:
    """A look that fails, and a model that does: the next look and the next model are taken."""

    class Folder(Directory):
        def __init__(self) -> None:
            self.looks = iter(([BUG], ["bad"]))

        def changes(self) -> tuple[list[str], list[str]]:
            look: list[Any] = next(self.looks, [])
            if not look:
                threading.Event().wait()  # the thread is needed no longer
            if look == [BUG]:
                raise BUG
            return look, []

        def place(self, name: str) -> Path:
            return Path(name)

    nothing: Any = None

    class Examination:
        repeats = Repeats()

        def card(self, place: Path) -> Any:
            raise BUG

        def end(self) -> None:
            return None

        forget_old = end

    examination: Any = Examination()
    pool: Any = SimpleNamespace(cards={}, expected={})
    heard: list[tuple[Any, ...]] = []
    arrivals = Arrivals(
        pool,
        examination,
        examination,
        Folder(),
        "cpu",
        lambda *words: heard.append(words),
        nothing,
    )
    threading.Thread(target=arrivals.follow, args=(0.01,), daemon=True).start()
    refused = wait_for(
        lambda: [words for words in heard if words[0] == "refused"], "the refusal"
    )
    assert refused[0][1].name == "bad"
    assert [line["event"] for line in bugs(logs)] == [
        "models_not_looked_at",
        "model_refused",
    ]


def offering_goes_on(logs: Logs) -> None:
    """Models for browsers are not there, and the thread was at its end anyway."""
    nothing: Any = 1
    offer(nothing, {Path("m"): "0"}, (), 1)
    assert [line["event"] for line in logs] == ["not_laid_out"]


def webhooks_go_on(logs: Logs) -> None:
    """A look that fails: the next one is made."""
    looks: list[int] = []

    class Shelf:
        async def due_webhooks(self, *_: object) -> list[Any]:
            looks.append(1)
            if len(looks) == 1:
                raise BUG
            raise asyncio.CancelledError

    shelf: Any = Shelf()
    anything: Any = 1
    with (
        patch.object(webhooks, "_AFTER_A_BUG_S", 0.0),
        suppress(asyncio.CancelledError),
    ):
        asyncio.run(
            webhooks.Webhooks([anything], anything, shelf, anything, anything).run()
        )
    assert [line["event"] for line in bugs(logs)] == ["webhooks failed"]


def packing_goes_on(logs: Logs) -> None:
    """The job is left as it is, and the next look is made."""
    looks: list[int] = []

    class Shelf:
        async def due_for_packing(self, *_: object) -> list[str]:
            looks.append(1)
            if len(looks) == 2:
                raise asyncio.CancelledError
            return ["bad"]

        async def entries(self, job_id: str) -> list[Any]:
            raise BUG

    shelf: Any = Shelf()
    with patch.object(packing, "_AFTER_A_BUG_S", 0.0), suppress(asyncio.CancelledError):
        asyncio.run(packing.EntryPacking(shelf, 1.0).run())
    assert [line["event"] for line in bugs(logs)] == ["packing failed"]


def row_reader_goes_on(logs: Logs) -> None:
    """Whoever waits is let go, to come back; and then is served."""

    class Shelf:
        async def entries_after(self, job_id: str, seq: int) -> list[Any]:
            return []

        async def not_open(self, jobs: Sequence[str]) -> list[str]:
            return list(jobs)

    class Connection:
        client_id = None
        asked = 0

        async def ask(self, command: bytes) -> list[Any]:
            self.asked += 1
            if self.asked == 1:
                raise BUG
            return []

        async def close(self) -> None:
            return None

    async def read() -> list[object]:
        shelf: Any = Shelf()
        reader = RowReader(shelf, "redis://nowhere", shards=1)
        reader._shards[0]._connection = Connection()  # type: ignore[assignment]
        told: list[object] = []
        for _ in range(2):
            with reader.follow("job", 0) as follower:
                told.append(await follower.next(60))
        await reader.close()
        return told

    assert asyncio.run(read()) == [Pause.ENDED, Pause.DOUBT]
    assert [line["event"] for line in bugs(logs)] == ["reader failed"]


def exchanges_go_on(logs: Logs) -> None:
    """An exchange that fails costs no other one its next step."""
    asked: list[str] = []

    class Shelf:
        async def status(self, job_id: str) -> str:
            asked.append(job_id)
            if job_id == "bad":
                raise BUG
            raise asyncio.CancelledError

        async def now(self) -> Any:
            return SimpleNamespace(workers=[])

    shelf: Any = Shelf()
    with TemporaryDirectory() as place, suppress(asyncio.CancelledError):
        for job_id in ("bad", "good"):
            (Path(place) / "models" / f".{job_id}.former").mkdir(parents=True)
        given: Any = SimpleNamespace(added_dir=Path(place))
        with patch.object(exchanges, "_AFTER_A_BUG_S", 0.0):
            asyncio.run(exchanges.Exchanges(given, shelf, shelf).run())
    assert asked == ["bad", "good"]
    assert [line["event"] for line in bugs(logs)] == ["exchange failed"]


TASKS = {
    "exchanges": exchanges_go_on,
    "packing": packing_goes_on,
    "row reader": row_reader_goes_on,
    "webhooks": webhooks_go_on,
}
"""Those of an API that outlive a request."""

THREADS: dict[str, Callable[[Logs], None]] = {
    "arrivals": arrivals_go_on,
    "brake": turns_go_on,
    "cancellation": turns_go_on,
    "compiling": compiling_goes_on,
    "engine": engine_goes_on,
    "engine link": engine_link_goes_on,
    "finisher": finisher_goes_on,
    "heartbeat": turns_go_on,
    "names": turns_go_on,
    "offering": offering_goes_on,
    "portable": turns_go_on,
    "publisher": publisher_goes_on,
    "recovery": turns_go_on,
    "sweeper": turns_go_on,
}
WITHOUT_A_LOOP = {"", "watch", "teaching"}
"""They wait for the end of another process, and end theirs."""


@pytest.mark.parametrize("task", TASKS)
def test_task_goes_on_when_its_turn_raises_what_nobody_foresaw(
    task: str, logs: Logs
) -> None:
    """It is logged, and the next turn is as ever."""
    TASKS[task](logs)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("thread", THREADS)
def test_thread_goes_on_when_its_turn_raises_what_nobody_foresaw(
    thread: str, logs: Logs
) -> None:
    """It is logged, costs that model or job, and the next one is as ever."""
    THREADS[thread](logs)


def test_each_thread_of_a_worker_is_named_here() -> None:
    """Whoever begins one more says what ends it: nothing."""
    named = set()
    for file in (ROOT / "worker").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in (
                "TurnThread",
                "threading.Thread",
            ):
                words = [
                    word.value for word in call.keywords if word.arg == "name"
                ] or call.args[:1]
                named.add(
                    words[0].value
                    if words and isinstance(words[0], ast.Constant)
                    else ""
                )
    assert named <= {*THREADS, *WITHOUT_A_LOOP}
    assert named >= set(THREADS)
