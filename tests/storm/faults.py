"""What goes wrong: each fault, and for how long."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.proxy import Mishap, Trouble
from tests.storm.world import NothingToStrikeError, World, send

SCRIPTS = (b"EVAL", b"MULTI")
"""In commands that change something."""
MET_S = 15.0
"""How long a fault of the wire waits for such a command."""
FULL_S = 1.2
OLDER_BY_S = (0.3, 3.0)

Act = Callable[[World, random.Random], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """`parts`: what it is done to; nothing else is done to those at the same time. `deaths`: how many of the first part
    it may cost."""

    name: str
    parts: tuple[str, ...]
    act: Act
    deaths: int = 0
    apart: bool = False
    """Only where Redis stands apart."""
    disk: bool = False
    """Only where Redis has a small disk of its own."""
    forgets: bool = False
    """Redis comes back without any job."""
    turns_back: bool = False
    """Redis comes back as it was when the fault began."""

    def fits(self, world: World) -> bool:
        return (world.apart or not self.apart) and (world.has_disk or not self.disk)

    def is_possible(self, world: World, busy: set[str]) -> bool:
        """Of one that fits."""
        return busy.isdisjoint(self.parts) and (not self.deaths or world.may_die(self.parts[0], self.deaths))


def killing(part: str, number: signal.Signals) -> Act:
    async def act(world: World, rng: random.Random) -> None:
        world.strike(part, number, rng)
        await asyncio.sleep(0.2)
        await world.back()

    return act


LONGEST_STOP_S = 30.0


def stopping(part: str) -> Act:
    """For a second to half a minute, short times more often than long ones."""

    async def act(world: World, rng: random.Random) -> None:
        pid = world.strike(part, signal.SIGSTOP, rng)
        await asyncio.sleep(LONGEST_STOP_S ** rng.random())
        send(pid, signal.SIGCONT)
        await world.back()

    return act


def on_the_wire(mishap: Mishap) -> Act:
    async def act(world: World, rng: random.Random) -> None:
        """Of the wire to Redis, any connection."""
        seconds = 0.0 if mishap is Mishap.REPLY_LOST else 0.2 * 40 ** rng.random()
        trouble = world.proxy.expect(Trouble(mishap, rng.choice(SCRIPTS), seconds))
        try:
            async with asyncio.timeout(MET_S):
                await trouble.met.wait()
            await asyncio.sleep(seconds)
        except TimeoutError:
            raise NothingToStrikeError("the wire") from None
        finally:
            world.proxy.drop(trouble)

    return act


async def full_disk(world: World, _: random.Random) -> None:
    """Redis cannot write what it has answered to, and ends rather than to forget it; until there is room again."""
    world.excused = True
    world.fill_disk()
    await asyncio.sleep(FULL_S)
    world.clear_disk()
    await world.back()
    world.excused = False


async def without_data(world: World, _: random.Random) -> None:
    world.forget()
    await world.back()


async def older_state(world: World, rng: random.Random) -> None:
    """As from a backup, or after a failover to a replica that lagged."""
    world.keep_copy()
    await asyncio.sleep(rng.uniform(*OLDER_BY_S))
    world.turn_back()
    await world.back()


KINDS = [
    Kind("API, kill -9", ("api",), killing("api", signal.SIGKILL), deaths=1),
    Kind("API, SIGTERM", ("api",), killing("api", signal.SIGTERM), deaths=1),
    Kind("API, SIGSTOP 1 to 30 s", ("api",), stopping("api")),
    Kind("worker, kill -9", ("worker",), killing("worker", signal.SIGKILL), deaths=1),
    Kind("worker, SIGTERM", ("worker",), killing("worker", signal.SIGTERM), deaths=1),
    Kind("worker, SIGSTOP 1 to 30 s", ("worker",), stopping("worker")),
    Kind("engine, kill -9", ("worker",), killing("engine", signal.SIGKILL), deaths=1),
    Kind("engine, SIGTERM", ("worker",), killing("engine", signal.SIGTERM), deaths=1),
    Kind("engine, SIGSTOP 1 to 30 s", ("worker",), stopping("engine"), deaths=1),
    Kind("Redis, kill -9", ("server",), killing("server", signal.SIGKILL), deaths=1),
    Kind("Redis, SIGTERM", ("server",), killing("server", signal.SIGTERM), deaths=1),
    Kind("Redis, SIGSTOP 1 to 30 s", ("server",), stopping("server")),
    Kind("Redis, disk full", ("server",), full_disk, deaths=3, disk=True),
    Kind("Redis, back without its data", ("server", "supervisor"), without_data, deaths=1, forgets=True),
    Kind("Redis, back with an older state", ("server", "supervisor"), older_state, deaths=1, turns_back=True),
    Kind("`pixelrnn up`, kill -9", ("supervisor", "server"), killing("supervisor", signal.SIGKILL)),
    Kind("`pixelrnn up`, SIGTERM", ("supervisor", "server"), killing("supervisor", signal.SIGTERM)),
    Kind("`pixelrnn up`, SIGSTOP 1 to 30 s", ("supervisor", "server"), stopping("supervisor")),
    Kind("reply of Redis lost", (), on_the_wire(Mishap.REPLY_LOST), apart=True),
    Kind("reply of Redis late by up to 8 s", (), on_the_wire(Mishap.REPLY_LATE), apart=True),
    Kind("command to Redis late by up to 8 s", (), on_the_wire(Mishap.COMMAND_LATE), apart=True),
]
