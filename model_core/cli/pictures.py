"""The verbs of `pixelrnn` that start from a picture: upsample and score. Heavy imports wait inside the verbs."""

import json
import secrets
from pathlib import Path
from typing import Annotated

import typer

from model_core.cli.verbs import SEED_LIMIT, Count, Device, Json, ModelName, ModelsDir, Out, Scale, Seed, Temperature


def register(app: typer.Typer) -> None:
    """Add the verbs to the root command."""
    for verb in (upsample, score):
        app.command()(verb)


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
    from model_core.cli.draw_file import DrawRequest, draw

    seed = secrets.randbelow(SEED_LIMIT) if seed is None else seed
    facts = draw(DrawRequest(model, models_dir, device, n, seed, temperature, out, scale, image))
    typer.echo(f"wrote {facts['out']}: {facts['n']} from seed {facts['seed']} in {facts['seconds']:.2f} s", err=True)
    if json_:
        typer.echo(json.dumps(facts))


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
    typer.echo(f"{facts['model']}: {facts['nats']:.2f} nats, {facts['bits_per_dim']:.4f} bits/dim", err=True)
    if facts["quantised_pixels"]:
        typer.echo(f"{facts['quantised_pixels']} pixels were moved to the nearest value of the model", err=True)
    if map_ is not None:
        typer.echo(f"wrote {map_}: black 0, white {facts['uniform_bits']:g} bits a pixel and above", err=True)
    if json_:
        typer.echo(json.dumps(facts))
