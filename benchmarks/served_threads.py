"""Images a second that a whole service draws in several threads and in one: writes its
section of docs/internals/performance.md.

    python benchmarks/served_threads.py                  one thread, and two
    python benchmarks/served_threads.py --threads 1 4 --rounds 5 --model mnist-row-lstm

Two services, each what `pixelrnn up` starts on processors, run at the same time and work
in turns: a round sends JOBS jobs of the most images that a request may have, waits for the
last picture and counts. So both meet the same other programs of the machine. The median
of the rounds counts; `faster` is that of the ratios round by round, with its quartiles.
"""

import argparse
import json
import os
import statistics
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from sections import machine, number, table, write_section
from stack import Stack

MODELS = ["mnist-diagonal-bilstm", "mnist-row-lstm", "cifar10-small-pixelcnn"]
IMAGES = 64
"""Images of a job: the most that POST /sample takes."""
JOBS = 4
"""Jobs of a round, which wait at the same time, so that no slot is empty before the end."""


def submit(url: str, model: str, seed: int) -> str:
    """Return the id of a new job."""
    body = json.dumps({"model": model, "n": IMAGES, "seed": seed}).encode()
    request = urllib.request.Request(
        f"{url}/sample", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.loads(answer.read())["id"])


def images_per_s(stack: Stack, model: str, round_number: int) -> float:
    """Return the images a second of one round."""
    seeds = range(round_number * JOBS, (round_number + 1) * JOBS)
    began = time.perf_counter()
    with ThreadPoolExecutor(JOBS) as senders:
        ids = list(senders.map(lambda seed: submit(stack.url, model, seed), seeds))
    for job_id in ids:
        stack.wait_end(job_id)
    return JOBS * IMAGES / (time.perf_counter() - began)


def compared(model: str, threads: list[int], rounds: int) -> tuple[str, ...]:
    """Return a line of the table: the model, images a second for each number of threads,
    and how much faster the last number is than the first."""
    with ExitStack() as running:
        stacks = [
            running.enter_context(Stack(model, PIXELRNN_DRAW_THREADS=str(count)))
            for count in threads
        ]
        for stack in stacks:  # the first round warms up
            images_per_s(stack, model, rounds)
        speeds = [
            [images_per_s(stack, model, number) for stack in stacks]
            for number in range(rounds)
        ]
    medians = [statistics.median(each) for each in zip(*speeds, strict=True)]
    ratios = [each[-1] / each[0] for each in speeds]
    first, ratio, third = statistics.quantiles(ratios, n=4)
    return (
        f"`{model}`",
        *(number(each, 3) for each in medians),
        f"**{ratio:.2f}** ({first:.2f} to {third:.2f})",
    )


def main() -> None:
    """Compare the numbers of threads for each model, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", default=MODELS)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    rows = []
    loads = []
    for model in given.model:
        rows.append(compared(model, given.threads, given.rounds))
        loads.append(f"{os.getloadavg()[0]:.1f}")
        print(rows[-1], "load", loads[-1], flush=True)
    threads = [f"{count} thread{'s' * (count > 1)}" for count in given.threads]
    about = (
        f"`python benchmarks/served_threads.py`: images a second of {JOBS} jobs of "
        f"{IMAGES} images over HTTP, median of {given.rounds} rounds; {machine()}, load "
        f"{', '.join(loads)}."
    )
    head = ("model", *threads, "faster (quartiles)")
    write_section("served-threads", [about, "", *table(head, rows)])


if __name__ == "__main__":
    main()
