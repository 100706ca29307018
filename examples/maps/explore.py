"""A robot has seen a part of a plan: what may the rest be, and from where would it learn most?

    python examples/maps/explore.py plans.npz

asks the service for four completions of each of three test plans and for the probability that each unseen cell is free,
and chooses the next viewpoint. maps.png, in --out, has a line for each plan: what was seen (grey: not; blue: the walk),
four completions, the probabilities with the chosen viewpoint in red, and the truth.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from robot import Cell, Plan, Seen, observe, visible

from pixelrnn.client import Client

Picture = NDArray[np.uint8]
"""(H, W, 3)"""


def completions(
    client: Client, model: str, plan: Plan, seen: Seen, n: int, particles: int
):
    """n plans that agree with what was seen, the probability that each cell is free, and its entropy in bits."""
    job = client.complete(
        model, png(plan * seen), png(~seen), n=n, seed=7, particles=particles
    )
    receipt = job.result().get("posterior")
    assert receipt is not None, "the model completes by clamp alone"
    print(
        f"{seen.mean():.0%} seen; member {receipt['member']}, {receipt.get('quality')}"
    )
    plans = [opened(job.image(i)) for i in range(n)]
    free, entropy = (
        np.array(job.marginals(of)["map"])[..., 0] for of in ("mean", "entropy")
    )
    return plans, free, entropy


def next_view(
    plans: list[Plan], seen: Seen, entropy: NDArray[np.float64]
) -> tuple[Cell, float]:
    """The seen free cell from which most uncertainty is in sight, on average over the completions; and how many bits.

    Bits of single cells are added up as if cells were independent, so this ranks viewpoints; it is no information gain.
    """
    unknown = np.where(seen, 0, entropy)
    cells = [(int(y), int(x)) for y, x in np.argwhere(seen & (plans[0] == 1))]
    gains = [
        np.mean([unknown[visible(plan, cell)].sum() for plan in plans])
        for cell in cells
    ]
    best = int(np.argmax(gains))
    return cells[best], float(gains[best])


def opened(picture: bytes) -> Plan:
    """A PNG of the service as 0 and 1."""
    return (np.asarray(Image.open(io.BytesIO(picture)).convert("L")) > 127).astype(
        np.uint8
    )


def png(map_: NDArray[np.generic]) -> bytes:
    """1 is white."""
    file = io.BytesIO()
    Image.fromarray(np.uint8(255) * map_.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def grey(map_: NDArray[np.generic], seen: Seen | None = None) -> Picture:
    """A map of 0 to 1; with `seen`, what was not seen is grey."""
    light = 255 * (map_.astype(float) if seen is None else np.where(seen, map_, 0.6))
    return np.repeat(light.astype(np.uint8)[..., None], 3, 2)


def line(
    client: Client, model: str, plan: Plan, rng: np.random.Generator, particles: int
) -> list[Picture]:
    """The pictures of one plan."""
    seen, path = observe(plan, rng)
    plans, free, entropy = completions(client, model, plan, seen, 4, particles)
    view, gain = next_view(plans, seen, entropy)
    news = int((visible(plan, view) & ~seen).sum())
    print(
        f"look next from row {view[0]}, column {view[1]}: {gain:.1f} bits in sight; it shows {news} new cells"
    )
    observed, chosen = grey(plan, seen), grey(free)
    for cell in path:
        observed[cell] = (40, 110, 220)
    chosen[view] = (220, 40, 40)
    return [observed, *map(grey, plans), chosen, grey(plan)]


def save(lines: list[list[Picture]], path: Path, scale: int = 4) -> None:
    """All pictures, a line beneath the other."""
    framed = [
        [np.pad(one, ((2, 2), (2, 2), (0, 0)), constant_values=150) for one in pictures]
        for pictures in lines
    ]
    sheet = Image.fromarray(
        np.concatenate([np.concatenate(pictures, 1) for pictures in framed])
    )
    sheet.resize(
        (sheet.width * scale, sheet.height * scale), Image.Resampling.NEAREST
    ).save(path, optimize=True)
    print(path)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="maps")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--particles", type=int, default=64)
    parser.add_argument("--plans", type=int, default=3)
    asked = parser.parse_args()
    with np.load(asked.data) as data:
        plans = data["test"][: asked.plans]
    with Client(asked.url) as client:
        lines = [
            line(
                client,
                asked.model,
                plan,
                np.random.default_rng([7, i]),
                asked.particles,
            )
            for i, plan in enumerate(plans)
        ]
    save(lines, asked.out / "maps.png")


if __name__ == "__main__":
    main()
