"""Hands in jobs of every kind, whether earlier ones have ended or not; reads, leaves, comes back, cancels, deletes."""

import asyncio
import contextlib
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import Any, Self

from pixelrnn.client import AsyncClient, calls
from pixelrnn.client.asynchronous import AsyncJob
from pixelrnn.client.errors import ApiError, JobEndedError, ServiceError
from tests.storm.counts import Books, Life
from tests.storm.judge import ENDS, Account, Finding, Outcome, Seen, Verdict, judge
from tests.storm.telling import Listener
from tests.storm.wishes import TRAINING, Wish, decodings, first_wishes, verifications

PATIENCE_S = 1800.0
"""A job that has not ended so long after it was asked for is lost. Where twenty other programs run, a service that was
killed takes minutes to start."""

MOST_UNDER_WAY = 40
CLIENTS = 2
"""Of each owner."""
TRIES = 1000
LOOK_AGAIN_S = 0.5
TOLD_WITHIN_S = 600.0
"""Two tries after the first are made in a third of this time."""


@dataclass(frozen=True)
class Mix:
    """Jobs a second, and of these which part is canceled, is read over many connections, is read twice, is polled and
    not read, is deleted at the end, is to be told to a receiver, is read by signed links too, is asked for by another
    owner."""

    per_s: float = 1.2
    canceled: float = 0.12
    hopping: float = 0.3
    twice: float = 0.2
    polled: float = 0.15
    deleted: float = 0.1
    told: float = 0.4
    linked: float = 0.3
    pried: float = 0.1


class Load:
    """Jobs for the service at `url`, of several owners, by their keys. `say` receives a line for each harm."""

    def __init__(
        self,
        url: str,
        keys: Sequence[str],
        books: Books,
        rng: random.Random,
        say: Callable[[str], None],
        mix: Mix,
        listener: Listener,
    ) -> None:
        self._listener = listener
        self._to_be_told: dict[str, tuple[str, Life]] = {}
        """How each job ended whose end is still to be told."""
        self._books = books
        self._rng = rng
        self._say = say
        self._mix = mix
        self._owners = [
            [AsyncClient(url, key, TRIES) for _ in range(CLIENTS)] for key in keys
        ]
        self._nobody = AsyncClient(url, tries=TRIES)
        self._jobs: set[asyncio.Task[None]] = set()
        self._ids: set[str] = set()
        self.right: dict[Wish, set[Outcome]] = {}
        """What each wish may come to; of the guest, as many as it has versions."""

    @property
    def _clients(self) -> list[AsyncClient]:
        return [self._nobody, *chain(*self._owners)]

    async def __aenter__(self) -> Self:
        for client in self._clients:  # one that nobody ever answered gives up soon
            await client.send(calls.get("/healthz"))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._jobs:
            task.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        for client in self._clients:
            await client.close()

    async def learn(self) -> None:
        """What each wish comes to, undisturbed."""
        client, wishes = self._owners[0][0], first_wishes()
        jobs = [await client.start(wish.request()) for wish in wishes]
        for wish, job in zip(wishes, jobs, strict=True):
            await self._learn(wish, job)
        samples = [job for job in jobs if job.state["kind"] == "sample"]
        wishes = verifications(
            [await job.image() for job in samples[:: len(samples) // 3]]
        )
        wishes += decodings(
            [await job.blob() for job in jobs if job.state["kind"] == "encode"]
        )
        for wish in wishes:
            await self._learn(wish, await client.start(wish.request()))

    async def learn_again(self) -> None:
        """What the guest's jobs come to, now that it was exchanged."""
        client = self._owners[0][0]
        for wish in filter(lambda wish: wish.of_guest, self.right):
            while len(self.right[wish]) == 1:
                await self._learn(wish, await client.start(wish.request()))

    async def _learn(self, wish: Wish, job: AsyncJob) -> None:
        seen = Seen()
        await _look(self._owners[0][0], job, seen)
        self.right.setdefault(wish, set()).add(seen.outcome)
        self._ids.add(job.id)

    async def blow(self) -> None:
        """Until canceled, from a training on. An open load: what comes does not wait for what was there."""
        wishes = list(self.right)
        first = [wish for wish in wishes if wish.kind == TRAINING]
        while True:
            await asyncio.sleep(self._rng.expovariate(self._mix.per_s))
            self._settle_told()
            wish = first.pop() if first else self._rng.choice(wishes)
            is_second = wish.kind == TRAINING and self._books.is_under_way(
                TRAINING
            )  # owners may have two
            if len(self._jobs) < MOST_UNDER_WAY and not is_second:
                task = asyncio.create_task(self._live(wish))
                self._jobs.add(task)
                task.add_done_callback(self._jobs.discard)

    async def rest(self) -> None:
        """Until every job has ended and is judged. Then no other jobs may be there."""
        await asyncio.gather(*self._jobs)
        await self._expect_told()
        for clients in self._owners:
            async for job in clients[0].jobs():
                if job.id not in self._ids:
                    self._find(
                        job.state["kind"],
                        Finding(Verdict.DOUBLED, f"nobody handed in {job.id}"),
                    )

    async def _expect_told(self) -> None:
        """Every end that was to be told has been; some only at the second try, or the third."""
        deadline = time.monotonic() + TOLD_WITHIN_S
        while self._to_be_told and time.monotonic() < deadline:
            self._settle_told()
            await asyncio.sleep(LOOK_AGAIN_S)
        for job_id in self._to_be_told:
            self._find("webhook", Finding(Verdict.LOST, f"nobody was told of {job_id}"))

    def _settle_told(self) -> None:
        """What was told is as it is. Where Redis came back with an older state, the job may end in another way."""
        told = self._listener.told()
        for job_id, (status, life) in list(self._to_be_told.items()):
            if self._books.forgot_at > life.began:
                del self._to_be_told[job_id]
            elif job_id in told:
                del self._to_be_told[job_id]
                self._books.counts.readers.update(webhooks=1)
                if told[job_id] != {status}:
                    self._find(
                        "webhook",
                        Finding(
                            Verdict.MISLED,
                            f"{told[job_id]} was told of a job that is {status}",
                        ),
                    )

    def _find(self, kind: str, finding: Finding) -> None:
        """A harm that is of no job under way."""
        self._end(
            self._books.begin(Wish(kind, 0, lambda _: calls.get(""))), [finding], ""
        )

    async def _live(self, wish: Wish) -> None:
        life, seen, job_id = self._books.begin(wish), Seen(), ""
        owner, other = self._rng.sample(self._owners, 2)
        client = self._rng.choice(owner)
        try:
            async with asyncio.timeout(PATIENCE_S):
                is_told = self._rng.random() < self._mix.told
                call = wish.request()
                job = await client.start(
                    self._listener.asked(call) if is_told else call
                )
                job_id = job.id
                self._ids.add(job.id)
                seen.accepted = time.monotonic()
                if self._rng.random() < self._mix.pried:
                    seen.others_see_it = await _is_seen(self._rng.choice(other), job)
                await self._attend(client, job, seen)
                await _look(client, job, seen)
                if self._rng.random() < self._mix.linked:
                    await _look_by_links(client, self._nobody, job, seen)
                if wish.kind == TRAINING and seen.status == Verdict.SUCCEEDED:
                    await _remove_model(client, job)
                if self._rng.random() < self._mix.deleted:
                    await _delete(job)
                elif is_told:
                    self._to_be_told[job.id] = seen.status, life
        except (ServiceError, TimeoutError) as trouble:
            seen.trouble = trouble
        back = [fault for fault in self._books.during(life) if fault.turns_back]
        has_no_pictures = (
            wish.kind == TRAINING and back
        )  # they went when it ended the first time
        if has_no_pictures or (wish.of_guest and _is_unknown_model(seen)):
            self._books.forget(life)
            return
        forgotten = any(fault.forgets for fault in self._books.during(life)) or any(
            seen.accepted is not None and fault.began < seen.accepted for fault in back
        )
        verdicts = [
            judge(seen, right, forgotten, bool(back)) for right in self.right[wish]
        ]
        self._end(
            life,
            min(
                verdicts,
                key=lambda findings: sum(bool(finding.why) for finding in findings),
            ),
            job_id,
        )
        self._books.counts.readers.update(
            readers=len(seen.accounts), events=sum(len(a.events) for a in seen.accounts)
        )

    def _end(self, life: Life, findings: list[Finding], job_id: str) -> None:
        for finding in findings:
            if finding.why:
                faults = [
                    f"{fault.kind} {time.monotonic() - fault.began:.1f} s ago"
                    for fault in self._books.during(life)
                ]
                age_s = time.monotonic() - life.began
                self._say(
                    f"{finding.verdict}: {life.wish.kind} {job_id} ({age_s:.1f} s old), {finding.why}; {faults}"
                )
        self._books.end(life, findings)

    async def _attend(self, client: AsyncClient, job: AsyncJob, seen: Seen) -> None:
        """Read it to its end, in one way or another, and perhaps cancel it meanwhile."""
        mix, rng = self._mix, self._rng
        if rng.random() < mix.polled:
            ways = [_poll(job)]
        else:
            ways = [
                self._read(client, job, seen, is_hopping=rng.random() < mix.hopping)
            ]
        if rng.random() < mix.twice:
            ways.append(
                self._read(
                    client, job, seen, is_hopping=False, after_s=rng.uniform(0, 2)
                )
            )
        if rng.random() < mix.canceled:
            ways.append(_cancel(job, rng.uniform(0, 1)))
        await _all(ways)

    async def _read(
        self,
        client: AsyncClient,
        job: AsyncJob,
        seen: Seen,
        is_hopping: bool,
        after_s: float = 0.0,
    ) -> None:
        """To the end. A hopping reader leaves after some rows, and comes back with the last id that it has."""
        await asyncio.sleep(after_s)
        account = Account()
        while not account.has_ended:
            leave_after = self._rng.randint(1, 6) if is_hopping else None
            rows = client.follow(f"/jobs/{job.id}/events", account)
            async with contextlib.aclosing(rows):  # pyright: ignore[reportArgumentType]  # a generator, which can be closed
                await _take(rows, leave_after)
            await asyncio.sleep(self._rng.uniform(0, 0.2) if is_hopping else 0)
        seen.accounts.append(account)


async def _look(client: AsyncClient, job: AsyncJob, seen: Seen) -> None:
    """At a job that has ended, from the beginning: its stream, its record, and what else it left. Again where Redis
    came back meanwhile with an older state, in which it has not."""
    while True:
        record = Account()
        await _take(client.follow(f"/jobs/{job.id}/events", record), None)
        state = await job.refresh()
        seen.record, seen.status, seen.rows_total = (
            record,
            state["status"],
            state["rows_total"],
        )
        try:
            if seen.status == Verdict.SUCCEEDED:
                seen.rest = await _digest(client, job)
            if seen.status in ENDS.values():
                return
        except ApiError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise
        await asyncio.sleep(LOOK_AGAIN_S)


def _is_unknown_model(seen: Seen) -> bool:
    """The request came while the model was away."""
    return (
        seen.accepted is None
        and getattr(seen.trouble, "status", None) == HTTPStatus.NOT_FOUND
    )


async def _is_seen(client: AsyncClient, job: AsyncJob) -> bool:
    """True where a client is shown the job, which is another owner's."""
    try:
        await client.job(job.id)
    except ApiError as error:
        if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return False
        raise
    return True


async def _look_by_links(
    client: AsyncClient, nobody: AsyncClient, job: AsyncJob, seen: Seen
) -> None:
    """At its picture and its stream, as who has no key does; where it has not been forgotten meanwhile."""
    try:
        links = await job.links()
        record = Account()
        await _take(nobody.follow(links["events"], record), None)
        seen.by_link = record
        if seen.status == Verdict.SUCCEEDED:
            shown = await nobody.send(calls.get(links["image"]))
            seen.shown_alike = (
                shown.content
                == (await client.send(calls.get(f"/jobs/{job.id}/image"))).content
            )
    except ApiError as error:
        if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            raise


async def _take(rows: AsyncIterator[object], most: int | None) -> None:
    taken = 0
    async for _ in rows:
        taken += 1
        if taken == most:
            return


async def _poll(job: AsyncJob) -> None:
    with contextlib.suppress(JobEndedError):
        await job.wait()


async def _cancel(job: AsyncJob, after_s: float) -> None:
    await asyncio.sleep(after_s)
    await job.cancel()


async def _delete(job: AsyncJob) -> None:
    """It may be gone, or be back at a time before its end, as the store may."""
    try:
        await job.delete()
    except ApiError as error:
        if error.status not in (
            HTTPStatus.NOT_FOUND,
            HTTPStatus.GONE,
            HTTPStatus.CONFLICT,
        ):
            raise


async def _remove_model(client: AsyncClient, job: AsyncJob) -> None:
    """That a training made. Its place may be gone already: the request may come twice, as any."""
    try:
        await client.remove_model(job.state["model"])
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise


async def _digest(client: AsyncClient, job: AsyncJob) -> str:
    """Of what a job left beside its rows. How far a training comes depends on the machine."""
    result = job.state["result"]
    assert result is not None
    if result["type"] == "training":
        return "trained"
    parts = [json.dumps(result, sort_keys=True).replace(job.id, "").encode()]
    paths = ["image"] + [
        name for name in ("map", "marginals", "blob") if result.get(name)
    ]
    for path in paths:
        address = f"/jobs/{job.id}/image" if path == "image" else str(result[path])
        parts.append((await client.send(calls.get(address))).content)
    return hashlib.sha256(b"".join(parts)).hexdigest()


async def _all(ways: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All at once; the first trouble ends the others, and is raised as it is."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
