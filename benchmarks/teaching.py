"""Measures how far `pixelrnn train FOLDER` comes in minutes. Writes its page.

    python benchmarks/teaching.py SETS [--minutes 5]     so many minutes for each of three sets
    python benchmarks/teaching.py SETS --processes 2     updates a second by two processes and by one
    python benchmarks/teaching.py SETS --processes 2 --seeds 3     and bits/dim of three seeds by each

SETS has `coins` (color/ of 32/ in cryptocurrency-icons 0.18.1, `npm pack cryptocurrency-icons`), `flags` (16x11/ of
Debian's famfamfam-flag-png 0.1) and `Symbola_hint.ttf` (Debian's fonts-symbola 2.60), whose symbols are drawn here.
The rate for colour was chosen by the validation pictures of the first two; nothing was chosen by the third. Scores are
of the test pictures, which are neither learned from nor chosen by; processor time is of the training alone.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from sections import machine, table, write_section

from model_core.data.datasets import read_dataset
from model_core.data.options import ReadOptions
from model_core.data.splits import Values
from model_core.models import Model, load_model
from model_core.training.evaluate import Score, evaluate_model
from model_core.training.images import RunImages
from model_core.training.launch import time_with
from model_core.training.recipe import Recipe
from model_core.training.teaching import file_bits, lesson
from model_core.training.timing import TimingRequest, TrainingImages, learner_of

PAGE = Path("docs/train-your-own.md")
PROCESSES_PAGE = Path("docs/internals/training.md")
ROUNDS = 5
"""Groups that are started to time updates; the best round counts."""
UPDATES = 40
"""Updates that are timed in each round, by one process and then by several."""
LEAST_GAIN = 0.85
"""Part of the number of processes by which updates have to become faster: 1.7 of 2."""
LARGE_OPTIMISER = 0.1
"""Part of an update above which the optimiser, which every process repeats, counts: then
LEAST_OF_AMDAHL of what Amdahl's law gives is enough."""
LEAST_OF_AMDAHL = 0.9
SYMBOLS = (0x2190, 0x2400), (0x2600, 0x27C0), (0x1F300, 0x1F650), (0x1F680, 0x1F700)
POINTS, LEAST = 24, 4


def draw_symbols(font_file: Path, folder: Path) -> None:
    """One picture for each symbol that the font has, black on white, as large as it is."""
    font = ImageFont.truetype(str(font_file), POINTS)
    folder.mkdir()
    for code in (code for first, end in SYMBOLS for code in range(first, end)):
        left, top, right, bottom = font.getbbox(chr(code))
        if min(right - left, bottom - top) >= LEAST:
            side = int(max(right - left, bottom - top)) + 4
            image = Image.new("L", (side, side), 255)
            place = (side - left - right) // 2, (side - top - bottom) // 2
            ImageDraw.Draw(image).text(place, chr(code), font=font, fill=0)
            image.save(folder / f"{code:05x}.png")


def trained(
    pictures: Path, minutes: float, work: Path, options: Sequence[str] = ()
) -> tuple[dict[str, Any], Score, Model, Values]:
    """Train on these pictures by the command. Return its facts, the score of the test
    pictures, the model and the test pictures."""
    words = [
        "train",
        str(pictures),
        "--minutes",
        f"{minutes:g}",
        "--json",
        "--publish",
        str(work / "models"),
    ]
    words += ["--runs-dir", str(work / "runs")]
    ended = subprocess.run(
        [sys.executable, "-m", "pixelrnn", *words, *options],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    facts = json.loads(ended.stdout.splitlines()[-1])
    model = load_model(work / "models" / pictures.name)
    test = np.asarray(
        read_dataset(
            pictures, "test", model.config, ReadOptions(cache=work / "runs" / "cache")
        )
    )
    return facts, evaluate_model(model, test), model, test


def taught(pictures: Path, minutes: float, work: Path) -> tuple[str, ...]:
    """A line of the table: how far the command comes with these pictures, and what files of them need."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts, score, model, test = trained(pictures, minutes, work)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    config, count = model.config, sum(1 for path in pictures.iterdir())
    assert score.bits_standard_error is not None
    return (
        f"{pictures.name}: {count}, {config.width}x{config.height}x{config.channels}, {config.values} values",
        f"{facts['guessing_bits_per_dim']:.2f}",
        f"{file_bits(test, config):.2f}",
        f"{file_bits(test, config, 'WEBP'):.2f}",
        f"**{score.bits_per_dim:.2f}** ± {score.bits_standard_error:.2f}",
        f"{facts['iteration']:,}",
        f"{(after.ru_utime - before.ru_utime) / 60:.1f}",
    )


def sped_up(pictures: Path, processes: int, work: Path) -> tuple[str, ...]:
    """Return a line of the table of processes: how much faster their updates are."""
    directory = work / "runs" / f"{pictures.name}-timed"
    recipe = lesson(pictures, 5, directory).recipe
    # Each process then has one share, and one process the whole batch.
    training = recipe.training.model_copy(update={"shares": 0})
    recipe = recipe.model_copy(update={"training": training})
    images = RunImages(recipe, directory).train()
    timing = TimingRequest(recipe, directory, counts=(1, processes), updates=UPDATES)
    rounds = [time_with(timing, processes, images)[0] for _ in range(ROUNDS)]
    alone_s = min(update_s[1] for update_s in rounds)
    together_s = min(update_s[processes] for update_s in rounds)
    gain = alone_s / together_s
    part = optimiser_s(recipe, images) / alone_s
    amdahl = 1 / (part + (1 - part) / processes)
    wanted = LEAST_GAIN * processes
    if part > LARGE_OPTIMISER:
        wanted = LEAST_OF_AMDAHL * amdahl
    return (
        f"{pictures.name}: {training.precision}, batches of {training.batch}",
        f"{1 / alone_s:.2f}",
        f"{1 / together_s:.2f}",
        f"**{gain:.2f}**",
        f"{part:.1%}",
        f"{amdahl:.2f}",
        f"{wanted:.2f}{'' if gain >= wanted else ', missed'}",
    )


def optimiser_s(recipe: Recipe, images: TrainingImages) -> float:
    """Return the seconds of an update that clipping, the update rule and the average
    take."""
    learner = learner_of(recipe, images)
    learner.advance(0, stop=False)
    gradients = torch.randn_like(learner.parameters.gradients)
    times: list[float] = []
    for iteration in range(1, UPDATES):
        learner.parameters.gradients.copy_(gradients)
        began = time.perf_counter()
        learner.optimiser.clip()
        learner.optimiser.step(1e-3)
        if learner.average is not None:
            learner.average.update(iteration)
        times.append(time.perf_counter() - began)
    return min(times)


def scored_seeds(
    pictures: Path, minutes: float, work: Path, processes: int, seeds: int
) -> tuple[str, ...]:
    """Return a line of the table of seeds: bits/dim of the test pictures after trainings
    by one process and by several."""
    cells = [pictures.name]
    for count in (1, processes):
        bits: list[float] = []
        for seed in range(seeds):
            place = work / f"seed-{seed}-by-{count}"
            words = ["--processes", str(count), "--set", f"training.seed={seed}"]
            bits.append(trained(pictures, minutes, place, words)[1].bits_per_dim)
        deviation = statistics.stdev(bits) if seeds > 1 else 0.0
        cells.append(f"{statistics.mean(bits):.3f} ± {deviation:.3f}")
    return tuple(cells)


def compare_processes(
    arguments: argparse.Namespace, sets: list[Path], work: Path
) -> None:
    """Write the table of processes, and that of seeds if it is wanted."""
    processes = arguments.processes
    loads: list[str] = []
    rows: list[tuple[str, ...]] = []
    for pictures in sets:
        rows.append(sped_up(pictures, processes, work))
        loads.append(f"{os.getloadavg()[1]:.0f}")
        print(rows[-1], "load", loads[-1], flush=True)
    head = (
        "pictures",
        "updates/s, 1 process",
        f"{processes} processes",
        "times as fast",
        "optimiser",
        "Amdahl's law",
        "wanted",
    )
    about = (
        f"`python benchmarks/teaching.py SETS --processes {processes}`: best of {ROUNDS} "
        f"rounds, alternately; {machine()}, load {', '.join(loads)}."
    )
    lines = [about, "", *table(head, rows)]
    if arguments.seeds:
        minutes, seeds = arguments.minutes, arguments.seeds
        scores = [
            scored_seeds(pictures, minutes, work, processes, seeds) for pictures in sets
        ]
        head = ("pictures", "1 process", f"{processes} processes")
        about = f"Bits/dim of test pictures after {minutes:g} minutes, {seeds} seeds."
        lines += ["", about, "", *table(head, scores)]
    write_section("teaching-processes", lines, PROCESSES_PAGE)


def main() -> None:
    """Train on each set, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument(
        "--processes", type=int, help="time updates by so many processes and by one"
    )
    parser.add_argument(
        "--seeds", type=int, default=0, help="and train with so many seeds by each"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        draw_symbols(arguments.sets / "Symbola_hint.ttf", work / "symbols")
        sets = [arguments.sets / "coins", arguments.sets / "flags", work / "symbols"]
        if arguments.processes is not None:
            compare_processes(arguments, sets, work)
            return
        loads, rows = [], []
        for pictures in sets:
            rows.append(taught(pictures, arguments.minutes, work))
            loads.append(f"{os.getloadavg()[1]:.0f}")
            print(rows[-1], "load", loads[-1], flush=True)
    head = (
        "pictures",
        "guessing",
        "PNG",
        "WebP",
        "model",
        "updates",
        "processor minutes",
    )
    facts = f"Bits/dim of test pictures after {arguments.minutes:g} minutes; {machine()}, load {', '.join(loads)}."
    write_section("teaching", [facts, "", *table(head, rows)], PAGE)


if __name__ == "__main__":
    main()
