"""The verbs of `pixelrnn` that code pictures without loss. Heavy imports wait inside the verbs."""

from pathlib import Path
from typing import Annotated

import typer

from model_core.cli.options import CARD_CHANGED, Json, ModelName, ModelsDir, print_json, say


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (encode, decode):
        app.command()(verb)


def encode(
    model: ModelName,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Pictures of the model's size, or directories of them.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("images.pxrn"),
    models_dir: ModelsDir = None,
    json_: Json = False,
) -> None:
    """Pack pictures into one small file, without loss; `decode` brings them back."""
    from model_core.cli.coded_file import encode_files

    facts = encode_files(model, images, out, models_dir)
    each = facts["bytes"] / facts["images"]
    say(
        f"wrote {out}: {facts['images']} images in {facts['bytes']} bytes, {each:.1f} each, "
        f"{facts['bits_per_dim']:.3f} bits/dim"
    )
    if json_:
        print_json(facts)


def decode(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `encode` wrote.")],
    out: Annotated[Path, typer.Option(help="The directory to write the pictures into.")],
    model: Annotated[
        str | None, typer.Option(help="The model, or its directory. [default: the one that the file names by digest]")
    ] = None,
    models_dir: ModelsDir = None,
    json_: Json = False,
) -> None:
    """Unpack the pictures of a file that `encode` wrote."""
    from model_core.cli.coded_file import decode_file

    facts = decode_file(file, out, model, models_dir)
    changed = CARD_CHANGED if facts["card_changed"] else ""
    say(f"wrote {facts['images']} images of {facts['model']} into {out} in {facts['seconds']:.2f} s{changed}")
    if json_:
        print_json(facts)
