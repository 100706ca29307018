"""Drawing beside one dense pass, for every preset: writes docs/internals/performance.md and docs/img/sampling-*.svg.

    python benchmarks/sampling.py                          everything; an hour or more on two cores
    python benchmarks/sampling.py --preset mnist-pixelcnn  one preset; the other rows stay as they are
    python benchmarks/sampling.py --quick                  small presets and batches, one round, nothing written
    python benchmarks/sampling.py --publish                write the page from the figures that there are

What would take longer than --limit seconds is left out. The figures are kept in
benchmarks/sampling.json, those of each processor by themselves; see model_core/measures/speed.py for what is
measured.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chart import Panel, svg
from sections import PAGE, machine, number, processor, table, write_section

from model_core import untrained
from model_core.config import PRESETS
from model_core.measures.speed import measure, useful_operations

FIGURES = Path(__file__).with_suffix(".json")
PLOTS = PAGE.parents[1] / "img"
BATCHES, THREADS = (1, 4, 16, 64), (1, 2)
QUICK_PRESETS = ("mnist-diagonal-bilstm", "mnist-row-lstm")
GUESSED_RATE = 15e9
"""Operations a second, until a first measurement says how long a batch takes."""

IN_PAGE = (1, 1), (16, 1)
"""Images and threads of the page's rows; the file of figures has all."""

HEADER = (
    *(
        "preset",
        "images",
        "threads",
        "sample s",
        "forward s",
        "ratio",
        "naive / sample",
    ),
    *("images/s", "GFLOP/s", "of peak", "first row p50 ms", "p95 ms"),
)

Facts = dict[str, Any]
Figures = dict[str, dict[str, Facts]]
"""Figures by processor, then by cell."""


def main() -> None:
    arguments = _arguments()
    figures: Figures = (
        {}
        if arguments.quick or not FIGURES.exists()
        else json.loads(FIGURES.read_text())
    )
    if not arguments.publish:
        measure_all(arguments, figures)
    if not arguments.quick:
        publish(figures)
    print(
        "\n".join(
            table(
                HEADER, [row(facts) for facts in ordered(figures.get(processor(), {}))]
            )
        )
    )


def measure_all(arguments: argparse.Namespace, figures: Figures) -> None:
    """Add what is asked for to the figures, and keep them after every preset."""
    quick, ours = arguments.quick, figures.setdefault(processor(), {})
    presets = arguments.preset or (QUICK_PRESETS if quick else sorted(PRESETS))
    batches, rounds = (
        ((1, 4), 1) if quick else (arguments.batch or BATCHES, arguments.rounds)
    )
    for preset in presets:
        for key, facts in cells(preset, batches, rounds, arguments.limit):
            ours[key] = {**facts, "machine": machine()}
            print(json.dumps(facts), flush=True)
        if not quick:
            FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--preset", nargs="+", choices=sorted(PRESETS), help="only these"
    )
    parser.add_argument(
        "--batch", nargs="+", type=int, help="only so many images at once"
    )
    parser.add_argument("--publish", action="store_true", help="measure nothing")
    parser.add_argument(
        "--rounds",
        type=int,
        default=5,
        help="runs of each kind, of which the median counts",
    )
    parser.add_argument(
        "--limit", type=float, default=300.0, help="seconds that one cell may take"
    )
    parser.add_argument("--quick", action="store_true", help="see that it works")
    return parser.parse_args()


def cells(
    preset: str, batches: tuple[int, ...], rounds: int, limit_s: float
) -> Iterator[tuple[str, Facts]]:
    """Every batch in every number of threads, by key; those left out have a reason instead of figures."""
    operations = useful_operations(untrained(preset).network)
    per_image_s = 3 * (rounds + 1) * operations / GUESSED_RATE
    for batch in batches:
        for threads in THREADS:
            where: Facts = {"preset": preset, "batch": batch, "threads": threads}
            key = f"{preset}/{batch}/{threads}"
            if batch % threads:
                continue  # one image is not shared
            if per_image_s * batch > limit_s:
                yield (
                    key,
                    {
                        **where,
                        "skipped": f"about {per_image_s * batch:.0f} s, more than {limit_s:.0f}",
                    },
                )
            else:
                facts = measure(preset, batch, threads, rounds)
                yield key, facts
                round_s = (
                    facts["sample_s"] + facts["forward_s"] + 2 * facts["fused_s"]
                )  # a naive step is such a pass
                per_image_s = (rounds + 1) * round_s / batch


def ordered(figures: dict[str, Facts]) -> list[Facts]:
    """Measured cells, in the order of the table."""
    measured = (each for each in figures.values() if "skipped" not in each)
    return sorted(
        measured, key=lambda facts: (facts["preset"], facts["threads"], facts["batch"])
    )


def row(facts: Facts) -> list[str]:
    """One line of the table, of what was measured."""
    head = [f"`{facts['preset']}`", str(facts["batch"]), str(facts["threads"])]
    sample_s, naive_s = facts["sample_s"], facts["naive_s"]
    return [
        *head,
        number(sample_s, 3),
        number(facts["forward_s"], 3),
        f"{facts['ratio']:.2f}",
        f"{naive_s / sample_s:.0f}",
        number(facts["images_per_s"], 3),
        number(facts["gflops"], 3),
        f"{facts['efficiency']:.2f}",
        number(1000 * facts["first_row_p50_s"], 3),
        number(1000 * facts["first_row_p95_s"], 3),
    ]


def publish(figures: Figures) -> None:
    """Write the section of the page, and a plot for each processor."""
    write_section(
        "sampling",
        [
            line
            for name in sorted(figures)
            for line in _published(name, ordered(figures[name]))
        ],
    )


def _published(name: str, measured: list[Facts]) -> list[str]:
    """The page's part on one processor; draws its plot."""
    plot = PLOTS / f"sampling-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.svg"
    alone = [each for each in measured if each["threads"] == 1]
    plot.write_text(
        svg(
            [
                _panel(alone, "ratio", "sample / forward", 1.0),
                _panel(alone, "efficiency", "fraction of peak"),
            ]
        )
    )
    return [
        "",
        f"### {name}",
        "",
        f"![Sample time over the time of one dense pass, and the fraction of peak, by batch](../img/{plot.name})",
        "",
        *(
            f"Measured on {machine}."
            for machine in sorted({each["machine"] for each in measured})
        ),
        "",
        *table(
            HEADER,
            [
                row(each)
                for each in measured
                if (each["batch"], each["threads"]) in IN_PAGE
            ],
        ),
        "",
    ]


def _panel(
    measured: list[Facts], name: str, title: str, level: float | None = None
) -> Panel:
    lines: dict[str, list[tuple[float, float]]] = {}
    for facts in measured:
        lines.setdefault(facts["preset"], []).append((facts["batch"], facts[name]))
    return Panel(f"{title}, one thread", "images at once", lines, level)


if __name__ == "__main__":
    main()
