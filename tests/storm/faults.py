"""What goes wrong: each fault, and for how long."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from tests.proxy import Mishap, Trouble
from tests.storm.models import BAD, GUEST, NEW
from tests.storm.world import NothingToStrikeError, World, send

SCRIPTS = (b"EVAL", b"MULTI")
"""In commands that change something."""
MET_S = 15.0
"""How long a fault of the wire waits for such a command."""
FULL_S = 1.2
OLDER_BY_S = (0.3, 3.0)
LOOKS_S = 2.0
"""How often a worker looks at its models."""
TORN_S = 3.0
"""An API that starts waits longer for a file to be written."""

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
    """Only where there are small disks."""
    forgets: bool = False
    """Redis comes back without any job."""
    turns_back: bool = False
    """Redis comes back as it was when the fault began."""

    def fits(self, world: World) -> bool:
        return (world.apart or not self.apart) and (world.disk.is_real or not self.disk)

    def is_possible(self, world: World, busy: set[str]) -> bool:
        """Of one that fits."""
        return busy.isdisjoint(self.parts) and (
            not self.deaths or world.may_die(self.parts[0], self.deaths)
        )


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
    world.disk.fill()
    await asyncio.sleep(FULL_S)
    world.disk.clear()
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


async def full_log_disk(world: World, rng: random.Random) -> None:
    """Nobody can write a log."""
    world.log_disk.fill()
    await asyncio.sleep(LONGEST_STOP_S ** rng.random())
    world.log_disk.clear()


async def exchanged(world: World, _: random.Random) -> None:
    world.models.exchange()


async def removed(world: World, rng: random.Random) -> None:
    """And put back, perhaps before anybody has seen it."""
    world.models.remove(GUEST)
    await asyncio.sleep(rng.uniform(0, 3 * LOOKS_S))
    world.models.come_back()


async def new_model(world: World, rng: random.Random) -> None:
    """A good one, which is served, and goes."""
    world.models.put_new(rng.randrange(3, 2**31))
    await world.until(
        lambda answer: NEW in _names(answer),
        world.keys.owners[0],
        "a new model is served",
    )
    world.models.remove(NEW)


async def bad_model(world: World, rng: random.Random) -> None:
    """Nobody serves it."""
    world.models.put_bad(rng)
    await asyncio.sleep(rng.uniform(0, 6 * LOOKS_S))
    await world.until(
        lambda answer: GUEST in _names(answer),
        world.keys.owners[0],
        "other models are served",
    )
    await world.until(
        lambda answer: BAD not in _names(answer),
        world.keys.owners[0],
        "a bad model is not served",
    )
    world.models.remove(BAD)


def _names(answer: httpx.Response) -> list[str]:
    return (
        [model["name"] for model in answer.json()["models"]]
        if answer.is_success
        else []
    )


async def torn_keys(world: World, rng: random.Random) -> None:
    world.keys.tear()
    await asyncio.sleep(rng.uniform(0, TORN_S))
    world.keys.mend()


async def lost_keys(world: World, rng: random.Random) -> None:
    world.keys.lose()
    await asyncio.sleep(LONGEST_STOP_S ** rng.random())
    world.keys.mend()


async def other_keys(world: World, _: random.Random) -> None:
    """A third owner gets a key, and loses it."""
    key = world.keys.add("cyd")
    await world.until(lambda answer: answer.is_success, key, "a new key opens")
    world.keys.revoke("cyd")
    await world.until(
        lambda answer: answer.status_code == HTTPStatus.UNAUTHORIZED,
        key,
        "a revoked key opens nothing",
    )


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
    Kind(
        "Redis, back without its data",
        ("server", "supervisor"),
        without_data,
        deaths=1,
        forgets=True,
    ),
    Kind(
        "Redis, back with an older state",
        ("server", "supervisor"),
        older_state,
        deaths=1,
        turns_back=True,
    ),
    Kind(
        "`pixelrnn up`, kill -9",
        ("supervisor", "server"),
        killing("supervisor", signal.SIGKILL),
    ),
    Kind(
        "`pixelrnn up`, SIGTERM",
        ("supervisor", "server"),
        killing("supervisor", signal.SIGTERM),
    ),
    Kind(
        "`pixelrnn up`, SIGSTOP 1 to 30 s",
        ("supervisor", "server"),
        stopping("supervisor"),
    ),
    Kind("reply of Redis lost", (), on_the_wire(Mishap.REPLY_LOST), apart=True),
    Kind(
        "reply of Redis late by up to 8 s",
        (),
        on_the_wire(Mishap.REPLY_LATE),
        apart=True,
    ),
    Kind(
        "command to Redis late by up to 8 s",
        (),
        on_the_wire(Mishap.COMMAND_LATE),
        apart=True,
    ),
    Kind("logs, disk full", ("logs",), full_log_disk, disk=True),
    Kind("model exchanged", ("models",), exchanged),
    Kind("model removed, and back", ("models",), removed),
    Kind("model put in, good", ("models",), new_model),
    Kind("model put in, bad", ("models",), bad_model),
    Kind("file of keys torn for up to 3 s", ("keys",), torn_keys),
    Kind("file of keys gone for up to 30 s", ("keys", "api", "supervisor"), lost_keys),
    Kind("key added, and revoked", ("keys",), other_keys),
]
