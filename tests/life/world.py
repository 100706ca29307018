"""An API, two workers and a server, as one thread moves them; and what must hold of their jobs after each move.

All is real but the network, threads and the clock: the API's `Store`, RQ's worker,
`HeldJobs`, `Beginning`, `Publisher`, `Ending` and `Recovery`, and their scripts.
"""

import asyncio
import contextlib
import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError
from rq.exceptions import DequeueTimeout

from app import store
from app.entries import entries_of
from app.imaging.given import GivenPixels
from app.queue_entry import queue_key
from app.store import Store
from tests.life.faults import CLOCK, Fault, Line, Server
from worker.contract import keys, scripts
from worker.contract.events import TERMINAL_EVENT, EventType, row_entry
from worker.contract.jobs import JobSpec, JobStatus, Priority
from worker.contract.submission import SubmissionAnswer, SubmissionTerms
from worker.jobs.ledger import (
    OPEN,
    Answer,
    Batch,
    Ledger,
    OpenedJob,
    SettleAnswer,
    Unclaimed,
)
from worker.jobs.publisher import Publisher
from worker.orders.claims import SUCCEEDED, Claim, Outcome, failed
from worker.orders.faults import drawing_failed
from worker.queue.beginning import Beginning
from worker.queue.ending import Ending
from worker.queue.held_jobs import HeldJobs
from worker.queue.recovery import Recovery
from worker.queue.rq_worker import RqWorker
from worker.queue.taking import AT_ONCE, Taking

ROWS = 3
MAX_JOBS = 5
MAX_HELD = 3
PASSES_TO_END = 12
LEAST_RESERVED = 16 * 1024
"""Bytes: at least so many are reserved for an open job, and one that has ended has less."""
"""After the last fault every job has ended when so many new workers have looked for work."""

_SIZE: dict[str, Any] = {
    "model": "m",
    "digest": "d",
    "seed": 1,
    "n": 1,
    "temperature": 1.0,
}
_SHAPE: dict[str, Any] = {"height": ROWS, "width": 2, "channels": 1}
_INTERMEDIATE = f"{queue_key()}:intermediate"
_STARTED = f"rq:wip:{keys.QUEUE}"


class BrokenPromiseError(BaseException):
    """What must hold and does not. No net for unforeseen errors catches it."""


def promise(kept: bool, what: str) -> None:
    if not kept:
        raise BrokenPromiseError(what)


def row_of(y: int) -> str:
    return row_entry(0, y, bytes([y, 2 * y]))


@dataclass
class Turn:
    """A job that waits for its turn."""

    line: str
    is_behind: int
    """How far its turn was behind the latest one when it came."""
    overtaken_by: set[str] = field(default_factory=set)
    """Jobs of the other lines that came later and stand before it."""


@dataclass
class Known:
    """What clients were told."""

    accepted: set[str] = field(default_factory=set)
    ended: dict[str, bytes] = field(default_factory=dict)
    by_key: set[tuple[str, str]] = field(default_factory=set)
    """Owners and their jobs."""
    turns: dict[str, Turn] = field(default_factory=dict)
    """All that have waited, in the order in which they came."""


class JudgedLedger(Ledger):
    """Watches who writes."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self._server, self._watch = line.server, line.server.redis
        self._forgot = 0

    def _owner(self, job_id: str) -> bytes | None:
        return self._watch.hget(keys.job(job_id), "owner")

    def add_open_commands(self, pipeline: Any, job_id: str, token: str) -> None:
        self._forgot = self._server.forgot
        super().add_open_commands(pipeline, job_id, token)

    def parse_open_replies(
        self, job_id: str, token: str, answers: Sequence[Any], deaths: int = 0
    ) -> OpenedJob | Unclaimed:
        opened = super().parse_open_replies(job_id, token, answers, deaths)
        is_kept = self._server.forgot == self._forgot
        if (
            is_kept
            and isinstance(opened, OpenedJob)
            and self._watch.exists(keys.job(job_id))
        ):
            promise(
                self._owner(job_id) in (token.encode(), None),
                "a claim that is given makes its worker the owner",
            )
        return opened

    def append(self, batches: Sequence[Batch]) -> list[Answer | RedisError]:
        owners = [self._owner(batch.claim.job_id) for batch in batches]
        answers = super().append(batches)
        for batch, owner, answer in zip(batches, owners, answers, strict=True):
            if answer in (Answer.OK, Answer.ENDED):
                promise(
                    owner == batch.claim.token.encode(),
                    "only the owner of the newest claim writes rows",
                )
        return answers

    def settle(self, job_id: str, token: str, outcome: Outcome) -> SettleAnswer:
        owner, status = self._watch.hmget(keys.job(job_id), "owner", "status")
        settled = super().settle(job_id, token, outcome)
        if settled is SettleAnswer.ENDED:
            promise(status in OPEN, "a job ends once")
            promise(
                token in ("", (owner or b"").decode()),
                "only the owner of the newest claim ends a job",
            )
        return settled

    def release(self, claim: Claim, counted: bool = True) -> bool:
        owner = self._owner(claim.job_id)
        released = super().release(claim, counted)
        promise(
            not released or owner == claim.token.encode(),
            "only the owner of the newest claim gives a job back",
        )
        return released


class Worker:
    """One worker's process; also the `admission` of its own jobs."""

    def __init__(self, server: Server, name: str) -> None:
        self.line = Line.to(server)
        rq = RqWorker(keys.QUEUE, self.line, name)
        rq.register_birth()
        self.held = HeldJobs(rq, MAX_HELD)
        self.ledger = JudgedLedger(self.line)
        self.ending = Ending(rq, self.held, self.ledger.release)
        self.publisher = Publisher(
            self.ledger,
            self._stopped,
            lambda claim, end: self.closed.append((claim, end)),
            0,
        )
        self.taking = Taking(rq, self.held, self)  # type: ignore[arg-type]
        self.beginning = Beginning(rq, self.held, self.ending, self)  # type: ignore[arg-type]
        self.recovery = Recovery(self.line)
        self.closed: list[tuple[Claim, Outcome]] = []
        self.drawing: dict[str, range] = {}
        """Of each claim, the rows that are still to be drawn."""
        self.leases: dict[str, int] = {}
        """Of each execution, how long its lease was last granted or renewed for."""

    is_compiling = False

    def is_ours(self, spec: bytes | None) -> bool:
        return True

    def add_open_commands(self, job_id: str, pipeline: Any, token: str) -> None:
        self.ledger.add_open_commands(pipeline, job_id, token)

    def open(
        self, job_id: str, token: str, answers: Sequence[Any], deaths: int = 0
    ) -> bool:
        opened = self.ledger.parse_open_replies(job_id, token, answers)
        if isinstance(opened, Unclaimed):
            return False
        self.publisher.open(opened.claim)
        self.drawing[token] = range(
            opened.claim.last_seq, JobSpec.read(opened.spec_json).rows_total
        )
        return True

    def drop(self, name: bytes, outcome: Outcome) -> None:
        self.ledger.settle(name.decode(), "", outcome)

    def _stopped(self, token: str) -> None:
        self.drawing.pop(token, None)

    def take(self, newcomer: bool = False) -> None:
        if newcomer:
            self.taking._take_newcomer()
        else:
            self.taking._take_queued(min(self.held.wait_for_room(), AT_ONCE))
        while self.taking._pending:
            self.beginning.begin(self.taking._pending.popleft())

    def draw(self, rows: int) -> None:
        """The next rows of the oldest claim; with the last one it ends, or behind it, where that one came alone."""
        for token, left in list(self.drawing.items())[:1]:
            if left:
                self.publisher.publish({token: [row_of(y) for y in left[:rows]]})
            self.drawing[token] = left[rows:]
            if not left[rows:] and not len(left) == rows == 1:
                self.end(SUCCEEDED)

    def end(self, outcome: Outcome) -> None:
        for token in list(self.drawing)[:1]:
            self.publisher.end(token, outcome)
            del self.drawing[token]

    def write(self) -> None:
        if self.publisher._with_work():
            self.publisher._turn()

    def finish(self) -> None:
        if self.closed:
            ended = self.closed[:2]
            self.ending.finish(ended)
            del self.closed[: len(ended)]


class _Awaited:
    """A line as the API speaks to it."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def execute_command(self, *words: Any) -> Any:
        return self._line.execute_command(*words)


class World:
    """`steps` are all moves so far, so that they can be made again."""

    def __init__(self, url: str) -> None:
        self.known, self._durable = Known(), Known()
        self.server = Server(url, self._forget)
        self._redis = self.server.redis
        for script in (
            scripts.SUBMIT,
            scripts.APPEND,
            scripts.FINISH,
            scripts.CANCEL,
            store._WITHDRAW,
        ):
            self._redis.script_load(
                script
            )  # as it is most of the time; else each life would begin with other commands
        self._api = Line.to(self.server)
        self._store = Store("redis://nowhere", 60)
        self._store._redis = _Awaited(self._api)
        self._runner = asyncio.Runner()
        self._ids: list[str] = []
        self._lines: dict[str, str] = {}
        self._failing: set[str] = set()
        self._unused: set[str] = set()
        """Canceled before they were taken."""
        self._recoveries = 0
        self._names = 0
        self.workers = [self._new_worker(), self._new_worker()]
        self.steps: list[tuple[str, dict[str, Any]]] = []

    def close(self) -> None:
        self._runner.close()
        self._redis.close()

    def step(self, name: str, **arguments: Any) -> None:
        """One move, and what must hold then."""
        self.steps.append((name, arguments))
        getattr(self, name)(**arguments)
        self.check()

    def _new_worker(self) -> Worker:
        self._names += 1
        return Worker(self.server, f"w{self._names}")

    def _forget(self) -> None:
        self.known = copy.deepcopy(self._durable)
        for worker in self.workers:
            worker.leases = dict.fromkeys(worker.leases, 0)

    def _move(self, line: Line, what: Any, fault: str, after: int) -> None:
        line.arm(Fault(fault) if fault else None, after)
        try:
            what()
        except (RedisError, DequeueTimeout):
            pass
        finally:
            line.arm(None, 0)

    def can(self, name: str, worker: int) -> bool:
        """Would this step change anything?"""
        w = self.workers[worker]
        needs = {
            "submit": lambda: len(self._ids) < MAX_JOBS,
            "cancel": lambda: bool(self._ids),
            "take": lambda: (
                len(w.held) < MAX_HELD and bool(self._redis.exists(queue_key()))
            ),
            "take_newcomer": lambda: bool(self._redis.exists(queue_key())),
            "draw": lambda: bool(w.drawing),
            "fail": lambda: bool(w.drawing),
            "write": lambda: bool(w.publisher._with_work()),
            "finish": lambda: bool(w.closed),
            "beat": lambda: bool(w.held.all()),
            "stop": lambda: bool(w.held.all()),
            "arrive": lambda: bool(self.server.late),
        }
        return needs[name]() if name in needs else True

    # What clients do

    def submit(
        self,
        kind: str,
        key: bool,
        owner: str = "c",
        priority: str = "interactive",
        fault: str = "",
        after: int = 0,
    ) -> None:
        if len(self._ids) < MAX_JOBS:
            self._ids.append(f"job{len(self._ids) + 1}")
            job_id = self._ids[-1]
            self._lines[job_id] = f"{priority}:{owner}"
            spec = JobSpec(
                id=job_id, kind=kind, priority=Priority(priority), **_SIZE, **_SHAPE
            )
            self._move(self._api, lambda: self._submit(spec, owner, key), fault, after)

    def _submit(self, spec: JobSpec, owner: str, key: bool) -> None:
        terms = SubmissionTerms(
            client=owner, owner=owner, rate=1e6, burst=10**6, client_jobs=100, queue=queue_key(), queue_jobs=100,
            queue_work=10**9, idempotency="key" if key else "", body="body", webhook="https://hooks.example/",
        )  # fmt: skip
        job_id, kind = spec.id, spec.kind
        given = GivenPixels(bytes(2 * ROWS)) if kind == "score" else None
        known = self.known
        answer, words = self._runner.run(
            self._store.submit(terms, spec, given, keys.QUEUE)
        )
        promise(
            answer in (SubmissionAnswer.ACCEPTED, SubmissionAnswer.AGAIN),
            "a job is accepted",
        )
        accepted = words[0].decode() if answer is SubmissionAnswer.AGAIN else job_id  # type: ignore[union-attr]
        known.accepted.add(
            accepted
        )  # which is forgotten if the server has come back older meanwhile
        if key:
            known.by_key.add((owner, accepted))

    def cancel(self, job: int, fault: str = "", after: int = 0) -> None:
        if self._ids:
            self._move(
                self._api,
                lambda: self._cancel(self._ids[job % len(self._ids)]),
                fault,
                after,
            )

    def _cancel(self, job_id: str) -> None:
        before, owner = self._redis.hmget(keys.job(job_id), "status", "owner")
        lease = self._redis.zscore(_STARTED, f"{job_id}:{(owner or b'').decode()}")
        is_leased = lease is not None and lease > self.server.now
        said = self._runner.run(self._store.cancel(job_id))
        expected = {
            None: "missing",
            b"queued": "canceled",
            b"running": "canceling" if is_leased else "canceled",
        }.get(before, "settled")
        promise(
            said == expected, "a cancel says what it did, also when it is sent again"
        )

    # What workers do

    def take(self, worker: int, fault: str = "", after: int = 0) -> None:
        w = self.workers[worker]
        if self.can("take", worker):
            before = self._waiting()
            self._move(w.line, w.take, fault, after)
            self._note_leases(w, renewed=False)
            taken = [
                turn for job_id, turn in before.items() if job_id not in self._waiting()
            ]
            promise(
                bool(fault) or self._latest_turn() >= max(taken, default=0),
                "it is noted whose turn it was",
            )

    def take_newcomer(self, worker: int, fault: str = "", after: int = 0) -> None:
        w = self.workers[worker]
        self._move(w.line, lambda: w.take(newcomer=True), fault, after)
        self._note_leases(w, renewed=False)

    def beat(self, worker: int, fault: str = "", after: int = 0) -> None:
        w, forgot = self.workers[worker], self.server.forgot

        def renew() -> None:
            w.held.beat(w.line)
            if self.server.forgot == forgot:
                self._note_leases(w, renewed=True)

        self._move(w.line, renew, fault, after)

    def _note_leases(self, worker: Worker, renewed: bool) -> None:
        """Of all that the worker holds, or only of what it has just taken."""
        now = self.server.now
        for execution in worker.held.all():
            is_meant = renewed or execution.composite_key not in worker.leases
            if (
                is_meant
                and self._redis.zscore(_STARTED, execution.composite_key) is not None
            ):
                worker.leases[execution.composite_key] = now + keys.LEASE_S

    def draw(self, worker: int, rows: int) -> None:
        self.workers[worker].draw(rows)

    def write(self, worker: int, fault: str = "", after: int = 0) -> None:
        self._move(self.workers[worker].line, self.workers[worker].write, fault, after)

    def fail(self, worker: int) -> None:
        w = self.workers[worker]
        self._failing |= {
            execution.job_id for execution in w.held.all() if execution.id in w.drawing
        }
        w.end(failed(drawing_failed(ValueError("x"))))

    def finish(self, worker: int, fault: str = "", after: int = 0) -> None:
        self._move(self.workers[worker].line, self.workers[worker].finish, fault, after)

    def stop(self, worker: int, fault: str = "", after: int = 0) -> None:
        """As on SIGTERM: what is under way goes back to the queue."""
        self._move(
            self.workers[worker].line,
            self.workers[worker].ending.give_all_back,
            fault,
            after,
        )
        self.kill(worker)

    def kill(self, worker: int) -> None:
        self.workers[worker] = self._new_worker()

    def recover(self, worker: int, fault: str = "", after: int = 0) -> None:
        """A pass over what dead workers left; it takes nothing from the living."""
        self._recoveries += 1
        self._redis.delete(
            keys.sweep_lock(keys.QUEUE)
        )  # as when nobody has swept for long
        self.workers[worker].recovery._next_sweep_at = float("-inf")
        self._move(
            self.workers[worker].line,
            self.workers[worker].recovery.run_once,
            fault,
            after,
        )
        now = self.server.now
        for w in self.workers:
            for execution in w.held.all():
                member = execution.composite_key
                is_open = self._redis.hget(keys.job(execution.job_id), "status") in OPEN
                if is_open and w.leases.get(member, 0) > now:
                    promise(
                        self._redis.zscore(_STARTED, member) is not None,
                        "a lease that is renewed is not lost",
                    )

    # What happens to all

    def wait(self, seconds: int) -> None:
        self._redis.incrby(CLOCK, seconds)
        if seconds >= keys.LEASE_S:
            self._redis.delete(
                keys.recovery_lock(keys.QUEUE)
            )  # its lifetime is by the server's own clock

    def arrive(self) -> None:
        """A command that was on its way is carried out."""
        if self.server.late:
            with contextlib.suppress(RedisError):
                self.server.late.pop(0)()

    def save(self) -> None:
        """What the server holds now is durable."""
        self.server.keep()
        self._durable = copy.deepcopy(self.known)

    def settle_down(self) -> None:
        """No more faults: every job ends, by workers that are new."""
        while self.server.late:
            self.arrive()
        for _ in range(PASSES_TO_END):
            self.kill(0)
            self.kill(1)
            self.wait(21)
            self.recover(0)
            while self._redis.llen(queue_key()):
                self.take(0)
                while (
                    self.workers[0].drawing
                    or self.workers[0].publisher._with_work()
                    or self.workers[0].closed
                ):
                    self.draw(0, ROWS)
                    self.write(0)
                    self.finish(0)
            self.check()
            if self._is_over():
                break
        for job_id in self._ids:
            status = self._redis.hget(keys.job(job_id), "status")
            promise(status not in OPEN, "every accepted job ends")
        promise(self._is_over(), "what has ended leaves the queue")

    def _is_over(self) -> bool:
        lists = queue_key(), _INTERMEDIATE, _STARTED, keys.OPEN
        return not self._redis.exists(*lists)

    # What must hold

    def check(self) -> None:
        open_jobs: dict[str, dict[bytes, bytes]] = {}
        pipeline = self._redis.pipeline()
        for job_id in self._ids:
            pipeline.hgetall(keys.job(job_id))
            pipeline.xrange(keys.events(job_id))
            pipeline.zscore(keys.WEBHOOKS, job_id)
        found = pipeline.execute()
        for job_id, record, events, due in zip(
            self._ids, found[::3], found[1::3], found[2::3], strict=True
        ):
            promise(
                bool(record) or job_id not in self.known.accepted,
                "an accepted job is there",
            )
            if not record:
                promise(not events, "there are no rows without a job")
                continue
            self._check_job(job_id, record, events)
            self._check_webhook(record, due)
            if record[b"status"] in OPEN:
                open_jobs[job_id] = record
        self._check_books(open_jobs)
        self._check_bytes_held([record for record in found[::3] if record])
        owners = Counter(owner for owner, _ in self.known.by_key)
        promise(
            max(owners.values(), default=0) <= 1, "an Idempotency-Key makes one job"
        )

    def _check_job(
        self, job_id: str, record: dict[bytes, bytes], found: Sequence[Any]
    ) -> None:
        promise(b"rows_total" in record, "no job that is gone is brought back to life")
        status, total = record[b"status"], int(record[b"rows_total"])
        promise(len(found) == int(record.get(b"entries", 0)), "record and stream agree")
        events = entries_of(found)
        promise(
            [event.seq for event in events] == list(range(1, len(events) + 1)),
            "events are numbered 1, 2, 3 without a gap",
        )
        rows = [event.data for event in events if event.type is EventType.ROW]
        promise(
            rows == [row_of(y) for y in range(len(rows))] and len(rows) <= total,
            "each row comes once, in order",
        )
        ends = [event.type.value for event in events[len(rows) :]]
        expected = (
            [] if status in OPEN else [TERMINAL_EVENT[JobStatus(status.decode())].value]
        )
        promise(
            ends == expected,
            "the last event says how the job ended, and is the only one",
        )
        promise(int(record[b"last_seq"]) == len(events), "record and stream agree")
        promise(int(record[b"rows_done"]) == len(rows), "record and stream agree")
        promise(
            status != b"succeeded" or len(rows) == total,
            "a job that succeeded has all its rows",
        )
        promise(self.known.ended.get(job_id, status) == status, "an end is final")
        promise(status != b"failed" or job_id in self._failing or self._recoveries > keys.CRASHES_FORGIVEN,
                "a job fails only where its model fails, or its workers die")  # fmt: skip
        if status not in OPEN:
            self.known.ended[job_id] = status
        if status == b"canceled" and record[b"attempts"] == b"0":
            self._unused.add(job_id)

    def _check_webhook(self, record: dict[bytes, bytes], due: float | None) -> None:
        promise(
            due is not None, "an accepted job is among those whose end is to be told"
        )
        is_open = record[b"status"] in OPEN
        promise(
            is_open or due == float(record[b"finished_at"]),
            "an end is to be told as soon as it is there",
        )

    def _check_books(self, open_jobs: dict[str, dict[bytes, bytes]]) -> None:
        pipeline = self._redis.pipeline()
        pipeline.zrange(keys.OPEN, 0, -1)
        pipeline.hmget(keys.LOAD, "work", "room", "of:c", "of:d")
        pipeline.hgetall(keys.ROOM)
        pipeline.lrange(queue_key(), 0, -1)
        pipeline.hgetall(keys.QUEUE_WORK)
        tickets, (work, room, *counts), rooms, queue, of_queues = pipeline.execute()
        booked = sorted(ticket.split(b":")[1].decode() for ticket in tickets)
        count = sum(int(count or 0) for count in counts)
        promise(
            booked == sorted(open_jobs) and count == len(booked),
            "the books list the open jobs",
        )
        left = sum(
            int(r[b"work"]) - _drawn(int(r[b"work"]), r) for r in open_jobs.values()
        )
        promise(int(work or 0) == left, "the books know what work is left")
        promise(
            sum(map(int, of_queues.values())) == left and of_queues.keys() <= {queue_key().encode()},
            "the books know what work is left in each queue",
        )  # fmt: skip
        promise(
            {name.decode() for name in rooms} == set(booked),
            "room is reserved for open jobs, and no others",
        )
        promise(
            int(room or 0) == sum(map(int, rooms.values())), "reserved room adds up"
        )
        promise(
            max(Counter(queue).values(), default=0) <= 2,
            "a job does not fill the queue",
        )
        self._check_turns(Counter(self._lines[job_id][-1] for job_id in open_jobs))

    def _check_bytes_held(self, records: Iterable[Mapping[bytes, bytes]]) -> None:
        expected = {"c": Counter[bytes](), "d": Counter[bytes]()}

        promised = {
            client: (
                self._redis.hget(keys.idempotency(client, "key"), "job") or b""
            ).decode()
            for client in expected
        }

        def charge(client: str, size: int, since: bytes, ttl_s: int) -> None:
            span = int((float(since) + ttl_s) // keys.HELD_SPAN_S)
            expected[client][b"%d" % span] += size

        for record in records:
            _, job, client = record[b"ticket"].decode().split(":")
            size, span = record[b"held"].split(b":")
            expected[client][span] += int(size)
            is_open = record[b"status"] in OPEN
            if not is_open:
                left_s = keys.RESULT_TTL_S + keys.TOMBSTONE_TTL_S
                charge(client, keys.TOMBSTONE_BYTES, record[b"finished_at"], left_s)
            if job == promised[client]:
                ttl_s = keys.IDEMPOTENCY_TTL_S
                charge(client, keys.IDEMPOTENCY_BYTES, record[b"created_at"], ttl_s)
            promise(
                is_open == (int(size) >= LEAST_RESERVED),
                "of a job that has ended its client has the bytes that are kept",
            )
        for client, of_spans in expected.items():
            found = self._redis.hgetall(keys.held_bytes(client))
            counted = {
                span: int(size) for span, size in found.items() if span.isdigit()
            }
            promise(
                counted == of_spans
                and sum(counted.values()) == int(found.get(b"bytes", 0)),
                "the bytes that a client's jobs take add up",
            )

    def _waiting(self) -> dict[str, int]:
        """The turns of those that no worker has taken yet, in the queue's order."""
        ids = [name.decode() for name in self._redis.lrange(queue_key(), 0, -1)]
        turns = {job_id: self._redis.hget(keys.job(job_id), "turn") for job_id in ids}
        return {job_id: int(turn) for job_id, turn in turns.items() if turn}

    def _latest_turn(self) -> int:
        return int(self._redis.zscore(keys.turns(keys.QUEUE), "now") or 0)

    def _check_turns(self, open_of: Mapping[str, int]) -> None:
        """open_of: how many open jobs each owner has."""
        known, waiting, latest = self.known.turns, self._waiting(), self._latest_turn()
        ids = list(waiting)
        promise(
            sorted(ids, key=waiting.__getitem__) == ids,
            "jobs wait in the order of their turns",
        )
        for place, job_id in enumerate(ids):
            if job_id in known:
                continue
            line = self._lines[job_id]
            known[job_id] = Turn(line, waiting[job_id] - latest)
            if open_of[line[-1]] == 1 and not self.server.forgot:
                self._check_newcomer(
                    line, Counter(self._lines[earlier] for earlier in ids[:place])
                )
            for later in ids[place + 1 :]:
                if later in known and known[later].line != line:
                    known[later].overtaken_by.add(job_id)
        for line in {known[job_id].line for job_id in ids}:
            of_line = [
                job_id
                for job_id in known
                if job_id in waiting and known[job_id].line == line
            ]
            promise(
                [i for i in ids if known[i].line == line] == of_line,
                "a line is first in, first out",
            )
        if not self.server.forgot:
            for job_id in ids:
                self._check_overtaken(known[job_id])

    def _check_newcomer(self, line: str, before: Mapping[str, int]) -> None:
        for other, jobs in before.items():
            most = _cost(line) // _cost(other) + 1
            promise(jobs <= most, "a newcomer waits for few others")

    def _check_overtaken(self, job: Turn) -> None:
        """Those that were canceled before they were taken had no turn."""
        known = self.known.turns
        lines = Counter(
            known[other].line for other in job.overtaken_by if other not in self._unused
        )
        for line, times in lines.items():
            promise(
                times * _cost(line) < job.is_behind,
                "no line has more turns than it should before another's",
            )


def _cost(line: str) -> int:
    """How far one job brings its line on."""
    return 1 if line.startswith(Priority.INTERACTIVE) else 4


def _drawn(work: int, record: dict[bytes, bytes]) -> int:
    total = int(record[b"rows_total"])
    return work * int(record[b"rows_done"]) // total if total else 0
