"""A storm of hours on the real stack: python -m tests.storm --hours 8

After each fault it writes its counts; where it was interrupted it goes on with them, until they are of so many hours.
Its table goes into docs/internals/storm.md. Exit status 1 where any job came to harm. As root it gives Redis a small
disk of its own, which it fills now and then. Linux only.
"""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.storm.counts import COUNTS, Counts, table, write_page
from tests.storm.judge import HARMS
from tests.storm.load import Mix
from tests.storm.sitting import Storm, any_fault, sit
from tests.storm.wishes import save_models

SITTING_S = 1800.0
"""Then all begins anew."""

EMBEDDED = 1 / 3
"""Of the sittings: Redis is a child of `pixelrnn up`, and no service of its own."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.storm", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--hours", type=float, default=1.0, help="of all storms that the counts are of"
    )
    parser.add_argument(
        "--counts",
        type=Path,
        default=COUNTS,
        help="a file of its own leaves the page as it is",
    )
    parser.add_argument(
        "--cores",
        type=float,
        default=0.5,
        help="how many processors it may keep busy, on average",
    )
    parser.add_argument(
        "--jobs",
        type=float,
        default=1.2,
        help="how many a second; fewer on a busy machine",
    )
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        default=Storm.threads,
        help="numbers of drawing threads, of which each sitting has one",
    )
    arguments = parser.parse_args()
    counts = Counts(arguments.counts)
    mix, threads = Mix(per_s=arguments.jobs), arguments.threads
    asyncio.run(_storm(counts, arguments.hours, arguments.cores, mix, threads))
    print(table(counts))
    if arguments.counts == COUNTS:
        write_page(counts)
    return int(harm(counts) > 0)


async def _storm(
    counts: Counts, hours: float, cores: float, mix: Mix, threads: Sequence[int]
) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    folder = Path(tempfile.mkdtemp(prefix="pixelrnn-storm-"))
    save_models(folder / "models")
    storm = Storm(counts, folder / "models", cores, mix=mix, threads=threads)
    while counts.hours < hours and not told.is_set():
        place = folder / time.strftime("%d-%H.%M.%S")
        before, seed = harm(counts), random.randrange(2**32)
        storm.rng = random.Random(seed)
        storm.say(
            f"{place.name}: seed {seed}, {sum(of['faults'] for of in counts.faults.values())} faults so far"
        )
        is_over = _when_over(told, min(SITTING_S, 3600 * (hours - counts.hours)))
        await sit(storm, place, storm.rng.random() > EMBEDDED, any_fault(), is_over)
        if harm(counts) == before:  # else its logs are of interest
            shutil.rmtree(place)
    print(
        f"logs of sittings in which harm came to a job: {sorted(folder.glob('*-*/logs'))}"
    )


def harm(counts: Counts) -> int:
    return sum(counts.total(harm) for harm in HARMS) + counts.unexpected_exits


def _when_over(told: asyncio.Event, seconds: float) -> Callable[[], bool]:
    """So long after it was first asked, when all is up, or when we are told to end."""
    ends_at = float("inf")

    def is_over() -> bool:
        nonlocal ends_at
        ends_at = min(ends_at, time.monotonic() + seconds)
        return told.is_set() or time.monotonic() > ends_at

    return is_over


if __name__ == "__main__":
    sys.exit(main())
