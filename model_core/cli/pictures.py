"""The verbs of `pixelrnn` that draw, and those that start from a picture. Heavy imports wait inside the verbs."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from model_core.cli.options import (
    SEED_LIMIT,
    Count,
    Device,
    Json,
    ModelName,
    ModelsDir,
    Out,
    Scale,
    Seed,
    Temperature,
    print_json,
    say,
)


def register(app: typer.Typer) -> None:
    """Add the verbs that start from a picture; verbs.py adds `sample` and `complete` at their place among its own."""
    for verb in (upsample, score):
        app.command()(verb)


def sample(
    model: ModelName,
    n: Count = 1,
    seed: Seed = None,
    temperature: Temperature = 1.0,
    out: Out = Path("sample.png"),
    scale: Scale = 1,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    json_: Json = False,
) -> None:
    """Draw new images."""
    _draw(json_, model, models_dir, device, n, seed, temperature, out, scale)


def complete(
    model: ModelName,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image, of the model's size.")],
    mask: Annotated[Path, typer.Argument(metavar="MASK", help="Same size: white is filled, black is kept.")],
    n: Count = 1,
    seed: Seed = None,
    temperature: Temperature = 1.0,
    out: Out = Path("completion.png"),
    scale: Scale = 1,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    json_: Json = False,
) -> None:
    """Fill the masked part of an image."""
    _draw(json_, model, models_dir, device, n, seed, temperature, out, scale, image, mask)


def upsample(
    model: ModelName,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The small image, of the model's first size.")],
    n: Count = 1,
    seed: Seed = None,
    temperature: Temperature = 1.0,
    out: Out = Path("upsampled.png"),
    scale: Scale = 1,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    json_: Json = False,
) -> None:
    """Draw large images from a small one; needs a Multi-Scale model."""
    _draw(json_, model, models_dir, device, n, seed, temperature, out, scale, image)


def _draw(
    json_: bool,
    model: str,
    models_dir: Path | None,
    device: str,
    n: int,
    seed: int | None,
    temperature: float,
    out: Path,
    scale: int,
    image: Path | None = None,
    mask: Path | None = None,
) -> None:
    """Draw into a file, and say so; without a seed, from one that is drawn."""
    from model_core.cli.draw_file import DrawRequest, draw

    seed = secrets.randbelow(SEED_LIMIT) if seed is None else seed
    facts = draw(DrawRequest(model, models_dir, device, n, seed, temperature, out, scale, image, mask))
    say(f"wrote {facts['out']}: {facts['n']} from seed {facts['seed']} in {facts['seconds']:.2f} s")
    if json_:
        print_json(facts)


def score(
    model: ModelName,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture, of the model's size.")],
    map_: Annotated[
        Path | None, typer.Option("--map", metavar="PNG", help="Write the bits of each pixel as a heat map.")
    ] = None,
    scale: Scale = 1,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    json_: Json = False,
) -> None:
    """How likely the model finds a picture: nats, bits per colour variable, and where the bits are."""
    from model_core.cli.score_file import ScoreRequest, score_file

    facts = score_file(ScoreRequest(model, image, models_dir, device, map_, scale))
    say(f"{facts['model']}: {facts['nats']:.2f} nats, {facts['bits_per_dim']:.4f} bits/dim")
    if facts["quantised_pixels"]:
        say(f"{facts['quantised_pixels']} pixels were moved to the nearest value of the model")
    if map_ is not None:
        say(f"wrote {map_}: black 0, white {facts['uniform_bits']:g} bits a pixel and above")
    if json_:
        print_json(facts)
