"""The processes of the storm, and what starts them again: a real Redis, a proxy before it, a real `pixelrnn up`."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

import httpx

from pixelrnn import embedded
from pixelrnn.up import is_ready
from tests.house.processes import is_alive
from tests.house.running import Up
from tests.proxy import Proxy
from tests.storm.disks import small_disk
from tests.storm.keys import Keys
from tests.storm.models import Models
from worker.contract.added import uploads_in

WORKERS = 2
DISK = "192m"
LOG_DISK = "128m"
MAY_DIE = 4
IN_S = 60.0
"""A child that dies a fifth time within so many seconds ends `pixelrnn up`."""

BACK_LIMIT_S = 1800.0
"""After this long a stack that does not come back is a failure of its own; a busy machine takes its time."""

TRAINER_ENDS_IN_S = 60.0
"""A trainer is told to end when there has been no training for a while. On a busy machine
it takes so long at most, and another training may come meanwhile."""

LOOK_S = 0.1
ASK_AGAIN_S = 7.0
"""So seldom that nobody counts as one who tries keys."""

SETTINGS = {
    "PIXELRNN_PACK_AFTER_S": "0.5",  # readers are still there
    "PIXELRNN_LINK_SECRET": "a secret of the storm, long enough for links",
    "PIXELRNN_CLIENT_RATE": "1000",
    "PIXELRNN_STEP_DELAY_S": "0.03",  # jobs last long enough to be caught in their middle
    "PIXELRNN_SLOTS": "4",
    "PIXELRNN_ENGINE_CPUS": "",
    "PIXELRNN_ACCESS_LOG": "false",
}


class NothingToStrikeError(Exception):
    """The fault cannot come to pass now."""


class World:
    """`apart`: Redis is a service of its own and stands behind a proxy; else it is a child of `pixelrnn up`.
    on_exit: is told what ended though nobody had touched it. settings: beside SETTINGS."""

    def __init__(
        self,
        place: Path,
        models: Path,
        apart: bool,
        on_exit: Callable[[str], None],
        settings: Mapping[str, str],
    ) -> None:
        self._settings = {
            **SETTINGS,
            **settings,
            "PIXELRNN_KEYS_FILE": str(place / "keys.json"),
        }
        self.apart = apart
        self._place = place
        self.models = Models(models, place / "models")
        self.keys = Keys(place / "keys.json")
        self._on_exit = on_exit
        self._data, self._copy = place / "redis" / "appendonlydir", place / "older"
        self._service = embedded.EmbeddedRedis(place)
        self.proxy = Proxy(str(self._service.socket))
        self.excused = False
        """Redis may end by itself."""
        self._standing: dict[int, str] = {}
        self._struck: set[int] = set()
        self._no_training_at = -TRAINER_ENDS_IN_S
        """When there was no training, by the last look that found none."""
        self._deaths: dict[str, deque[float]] = {}

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            settings = dict(self._settings)
            self.disk = stack.enter_context(small_disk(self._service.directory, DISK))
            self.log_disk = stack.enter_context(
                small_disk(self._place / "logs", LOG_DISK, outlives="*.log*")
            )
            if self.apart:
                self._service.start()
                stack.callback(self._service.stop)
                settings["REDIS_URL"] = (
                    f"redis://127.0.0.1:{await self.proxy.listen_tcp()}"
                )
                stack.push_async_callback(self.proxy.close)
            self.up = Up(
                self._place,
                self.models.place,
                *["--device", "cpu"] * WORKERS,
                **settings,
            )
            self.up.key, self.url = self.keys.owners[0], self.up.url
            stack.push_async_callback(self._end)
            await asyncio.to_thread(self.up.wait_until_ready)
            keeper = asyncio.create_task(self._keep())
            stack.callback(keeper.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _end(self) -> None:
        for pid in [self.up.process.pid, *self._standing]:
            send(pid, signal.SIGCONT)
        self.up.process.terminate()
        with contextlib.suppress(ValueError):  # it was read before
            await asyncio.to_thread(self.up.process.communicate)

    async def _keep(self) -> None:
        """What a service manager does: start again what has ended."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._look()

    def _look(self) -> None:
        if self._has_no_training():
            self._no_training_at = time.monotonic()
        if (
            self.apart
            and self._service.process is not None
            and self._service.process.poll() is not None
        ):
            self._note_death(self._service.process.pid, "server")
            self._service.launch()
        if self.up.process.poll() is not None:
            self._note_end_of_up()
            self.up.start_again()
            self._standing = {}
            self._deaths.clear()
        now = self.up.processes()
        for pid, name in self._standing.items():
            if pid not in now and is_alive(pid):
                now[pid] = (
                    name  # at the moment in which it becomes another program it has no command line
                )
            elif pid not in now:
                self._note_death(pid, name)
        self._standing = now

    def _note_death(self, pid: int, name: str) -> None:
        self._deaths.setdefault(name, deque(maxlen=MAY_DIE)).append(time.monotonic())
        may_end = (name == "server" and self.excused) or (
            name == "trainer"
            and time.monotonic() < self._no_training_at + TRAINER_ENDS_IN_S
        )
        if pid not in self._struck and not may_end:
            self._on_exit(f"{name} {pid}")

    def _has_no_training(self) -> bool:
        return not any(uploads_in(self._place / "added").glob("[!.]*"))

    def _note_end_of_up(self) -> None:
        said = self.up.process.communicate()[1]
        waited_for_redis = (
            "no Redis answers" in said
        )  # it says so, and is for its service manager to start again
        if self.up.process.pid not in self._struck and not waited_for_redis:
            self._on_exit(f"up: {said[-600:]}")

    def pids(self, part: str) -> list[int]:
        """Of server, api, worker, engine or supervisor."""
        if part == "supervisor":
            return [self.up.process.pid]
        if part == "engine":
            return list(self.up.engines())
        if part == "server" and self.apart:
            assert self._service.process is not None
            return [self._service.process.pid]
        return [pid for pid, name in self.up.processes().items() if name == part]

    def _one(self, part: str, rng: random.Random | None = None) -> int:
        if pids := self.pids(part):
            return rng.choice(pids) if rng else pids[0]
        raise NothingToStrikeError(part)

    def may_die(self, part: str, times: int = 1) -> bool:
        """Whether it has died so seldom of late that so many deaths more do not end `pixelrnn up`."""
        if part == "server" and self.apart:
            return True
        part = "worker" if part == "engine" else part
        recent = [
            at for at in self._deaths.get(part, ()) if time.monotonic() - at < IN_S + 1
        ]
        return len(recent) + times <= MAY_DIE

    def strike(self, part: str, number: signal.Signals, rng: random.Random) -> int:
        """Send a signal to one of those that there are; it, and what ends with it, may end then. Raises
        NothingToStrikeError where there is none."""
        pid = self._one(part, rng)
        if part == "engine":  # when it hangs, or is gone, its worker ends
            self._struck.add(self.up.engines().get(pid, pid))
        elif number != signal.SIGSTOP:
            self._struck.update(
                [pid, *self._standing] if part == "supervisor" else [pid]
            )
        send(pid, number)
        return pid

    async def back(self) -> None:
        """Wait until everything is there and ready. Raises RuntimeError when that does not come to be."""
        children = {"worker": WORKERS, "api": 1} | ({} if self.apart else {"server": 1})
        deadline = time.monotonic() + BACK_LIMIT_S
        while self._standing_parts() != children or not await asyncio.to_thread(
            is_ready, self.url
        ):
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"not ready {BACK_LIMIT_S:.0f} s after a fault: {self.up.processes()}"
                )
            await asyncio.sleep(LOOK_S)

    def _standing_parts(self) -> Counter[str]:
        """But for a trainer, which comes and goes."""
        return Counter(
            name for name in self.up.processes().values() if name != "trainer"
        )

    def forget(self) -> None:
        """Redis is killed, and comes back without its data."""
        with self._without_redis():
            shutil.rmtree(self._data)

    def keep_copy(self) -> None:
        """Of Redis's data as they are now."""
        pid = self._one("server")
        shutil.rmtree(self._copy, ignore_errors=True)
        send(pid, signal.SIGSTOP)
        shutil.copytree(self._data, self._copy)
        send(pid, signal.SIGCONT)

    def turn_back(self) -> None:
        """Redis is killed, and comes back with the data of the copy."""
        with self._without_redis():
            shutil.rmtree(self._data)
            shutil.copytree(self._copy, self._data)

    @contextlib.contextmanager
    def _without_redis(self) -> Iterator[None]:
        """It is killed, and nobody starts it again meanwhile."""
        pid = self._one("server")
        self._struck.add(pid)
        send(self.up.process.pid, signal.SIGSTOP)
        send(pid, signal.SIGKILL)
        while is_alive(pid):
            time.sleep(0.001)
        yield
        send(self.up.process.pid, signal.SIGCONT)

    async def until(
        self, is_so: Callable[[httpx.Response], bool], key: str, what: str
    ) -> None:
        """Ask for the models with that key until the answer is so, whatever is away meanwhile. Raises RuntimeError when
        that does not come to be."""
        deadline = time.monotonic() + BACK_LIMIT_S
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"}, timeout=40
        ) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    answer = await client.get(f"{self.url}/models")
                    if is_so(answer):
                        return
                await asyncio.sleep(ASK_AGAIN_S)
        raise RuntimeError(f"{what}: not so after {BACK_LIMIT_S:.0f} s")


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
