"""`python -m model_core.portable.native`: make ahead of time, for wheels and images,
what a worker would make at its start.

It compiles the loops that draw, and writes the shipped models in the form that browsers
read.

For each level of CPUs that this CPU belongs to (levels.py), code is written where
compiled/keeping.py looks, in the form in which numba keeps it: for this version of
numba and of Python. Each level takes a minute of one core, in a process of its own.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from model_core import shipped
from model_core.card import Card
from model_core.kinds import KINDS
from model_core.levels import FOLDER, LEVELS
from model_core.models_directory import CARD
from model_core.portable.laid_out import BUILT
from model_core.portable.sizes import is_large
from model_core.portable.target import ENVIRONMENT

_COMPILE = (
    "import sys; from model_core.portable.native import compile_kinds as c; "
    "c(sys.argv[1:])"
)


def main() -> None:
    """Compile the loops, in one process for each level, and lay out the shipped models,
    in the folder that `--into` names, whose content is deleted first. Raises
    subprocess.CalledProcessError if a process fails."""
    parser = argparse.ArgumentParser(
        prog="python -m model_core.portable.native", description=__doc__
    )
    parser.add_argument(
        "--into",
        type=Path,
        default=FOLDER,
        help="a folder; what it contains is deleted first",
    )
    names = [level.name for level in LEVELS if level.fits]
    parser.add_argument(
        "--levels",
        nargs="+",
        choices=names,
        default=names,
        help="all that this machine can make",
    )
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=list(KINDS),
        default=list(KINDS),
        help="of network",
    )
    given = parser.parse_args()
    shutil.rmtree(given.into, ignore_errors=True)
    for level in (level for level in LEVELS if level.name in given.levels):
        place = {
            "NUMBA_CACHE_DIR": str(given.into / level.name),
            "PIXELRNN_BUILT_DIR": os.devnull,
        }
        command = [sys.executable, "-c", _COMPILE, *given.kinds]
        subprocess.run(command, env=os.environ | level.environment | place, check=True)
        size = sum(file.stat().st_size for file in given.into.rglob("*"))
        print(
            f"{level.name}: {size:,} bytes so far",
            flush=True,
        )
    _lay_out(given.into / BUILT, given.kinds)


def _lay_out(folder: Path, kinds: Collection[str]) -> None:
    """Write the shipped models of these kinds of network in the form that browsers
    read. Models with more weights than `LARGEST_MIB` are left out."""
    cards = {path.parent: Card.read(path) for path in shipped.MODELS.glob(f"*/{CARD}")}
    models = [
        str(place)
        for place, card in sorted(cards.items())
        if card.config.network in kinds and not is_large(place)
    ]
    command = [sys.executable, "-m", "model_core.portable.laid_out", str(folder)]
    subprocess.run([*command, *models], env=os.environ | ENVIRONMENT, check=True)
    size = sum(file.stat().st_size for file in folder.rglob("*"))
    print(f"models for browsers: {size:,} bytes", flush=True)


def compile_kinds(kinds: Iterable[str]) -> None:
    """Compile the loops of these kinds of network, such as `row-lstm`, and leave them
    on disk. Kinds without a compiled loop are left out."""
    # With a small network of each kind: draw rows, compute given rows, and score an
    # image.
    import torch

    from model_core.config import NetworkConfig
    from model_core.networks.pixel_network import PixelNetwork
    from model_core.sampling.compiled.stage import CompiledStage
    from model_core.sampling.noise import image_noise
    from model_core.sampling.stage import Drawing

    for kind in (kind for kind in kinds if KINDS[kind].compiled is not None):
        config = NetworkConfig(
            kind, height=8, width=7, channels=3, values=4, layers=2, hidden=16, head=16
        )
        network, noise = (
            PixelNetwork(config).eval().requires_grad_(False),
            torch.from_numpy(image_noise(0, 0, 8, 7, 3)),
        )
        blank, given = (
            torch.zeros(3, 8, 7, dtype=torch.int64),
            torch.ones(8, 7, dtype=torch.bool),
        )
        for drawing in (
            Drawing(noise, 1.0),
            Drawing(noise, 1.0, blank, given, weighed=given),
        ):
            stage = CompiledStage(network, 1)
            stage.open(0, drawing)
            stage.step()
        with torch.inference_mode():
            network.nats_map(blank[None])


if __name__ == "__main__":
    main()
