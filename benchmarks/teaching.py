"""Measures how far `pixelrnn train FOLDER` comes in minutes. Writes its page.

    python benchmarks/teaching.py SETS [--minutes 5]     so many minutes for each of three sets

SETS has `coins` (color/ of 32/ in cryptocurrency-icons 0.18.1, `npm pack cryptocurrency-icons`), `flags` (16x11/ of
Debian's famfamfam-flag-png 0.1) and `Symbola_hint.ttf` (Debian's fonts-symbola 2.60), whose symbols are drawn here.
The rate for colour was chosen by the validation pictures of the first two; nothing was chosen by the third. Scores are
of the test pictures, which are neither learned from nor chosen by; processor time is of the training alone.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sections import machine, table, write_section

from model_core.data.datasets import read_dataset
from model_core.data.options import ReadOptions
from model_core.models import load_model
from model_core.training.evaluate import evaluate_model
from model_core.training.teaching import file_bits

PAGE = Path("docs/train-your-own.md")
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


def taught(pictures: Path, minutes: float, work: Path) -> tuple[str, ...]:
    """A line of the table: how far the command comes with these pictures, and what files of them need."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
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
        [sys.executable, "-m", "pixelrnn", *words],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts = json.loads(ended.stdout.splitlines()[-1])
    model = load_model(work / "models" / pictures.name)
    test = np.asarray(
        read_dataset(
            pictures, "test", model.config, ReadOptions(cache=work / "runs" / "cache")
        )
    )
    score = evaluate_model(model, test)
    config, count = model.config, sum(1 for path in pictures.iterdir())
    return (
        f"{pictures.name}: {count}, {config.width}x{config.height}x{config.channels}, {config.values} values",
        f"{facts['guessing_bits_per_dim']:.2f}",
        f"{file_bits(test, config):.2f}",
        f"{file_bits(test, config, 'WEBP'):.2f}",
        f"**{score.bits_per_dim:.2f}** ± {score.bits_standard_error:.2f}",
        f"{facts['iteration']:,}",
        f"{(after.ru_utime - before.ru_utime) / 60:.1f}",
    )


def main() -> None:
    """Train on each set, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        draw_symbols(arguments.sets / "Symbola_hint.ttf", work / "symbols")
        sets = [arguments.sets / "coins", arguments.sets / "flags", work / "symbols"]
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
