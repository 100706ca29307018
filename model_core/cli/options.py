"""Options that mean the same in all verbs, and their two ways to speak."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

SEED_LIMIT = 2**53
FIRST_LIMIT = 10**9
CARD_CHANGED = "; the model's card has changed since"
"""Said of what names another identity than that of the model with the same weights."""


def _names_beginning(incomplete: str) -> list[str]:
    """Complete a name for the shell."""
    from model_core.models_directory import model_names

    return [name for name in model_names() if name.startswith(incomplete)]


ModelName = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="A model's name, or the directory it is in.", autocompletion=_names_beginning),
]
ModelsDir = Annotated[
    Path | None,
    typer.Option(envvar="PIXELRNN_MODELS_DIR", help="Where the models are. [default: those that ship with it]"),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object as the last line of stdout.")]
Out = Annotated[
    Path, typer.Option(help="The picture to write, .png, .webp or .jpg; - is stdout. Several images become one grid.")
]
Fit = Annotated[
    Literal["strict", "resize"],
    typer.Option(help="A picture of another size is refused, or stretched to the model's."),
]
Picture = Annotated[Path, typer.Argument(metavar="IMAGE", help="The image, of the model's size.")]
SmallPicture = Annotated[Path, typer.Argument(metavar="IMAGE", help="The small image, of the model's first size.")]
Mask = Annotated[
    Path | None,
    typer.Argument(metavar="[MASK]", help="White is filled, black is kept. [default: transparent pixels]"),
]
Rank = Annotated[bool, typer.Option("--rank", help="Score the completions, and name the likeliest first.")]
Seed = Annotated[int | None, typer.Option(min=0, max=SEED_LIMIT - 1, help="Same seed, same image. [default: drawn]")]
First = Annotated[
    int, typer.Option("--first", min=0, max=FIRST_LIMIT, help="Number of the first image among those of the seed.")
]
Count = Annotated[int, typer.Option("--n", min=1, max=1024, help="How many images.")]
CountOrNone = Annotated[
    int,
    typer.Option("--n", min=0, max=1024, help="How many images; 0: none, and the expected one is written."),
]
Label = Annotated[str | None, typer.Option(help="A label of the model's, by name or number.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", help="A label, by name or number; several draw one image each.")
]
Temperature = Annotated[float, typer.Option(min=0.01, max=100.0, help="Below 1: likelier images; above 1: wilder.")]
Scale = Annotated[int, typer.Option(min=1, max=64, help="Enlarge the PNG this many times.")]
Show = Annotated[bool, typer.Option("--show", help="Show it in the terminal, too: its pixels, or two a character.")]
Convert = Annotated[bool, typer.Option("--yes", help="Crop, resize and convert pictures that do not fit the model.")]
DataPath = Annotated[Path, typer.Option("--data", help="The data set: a folder of pictures, or a data set's files.")]


def say(sentence: str) -> None:
    """One line of talk, on stderr."""
    typer.echo(sentence, err=True)


def say_ranking(ranking: Sequence[Mapping[str, Any]]) -> None:
    """The completions' numbers and nats, those first that come first."""
    say("likeliest first: " + ", ".join(f"{each['sample']} ({each['nats']:.2f} nats)" for each in ranking))


def expect_one_result(out: Path | None, json_: bool) -> None:
    """BadParameter when both a picture and the JSON would go to stdout."""
    if json_ and out == Path("-"):
        raise typer.BadParameter("--json and a picture cannot both go to stdout")


def print_json(facts: dict[str, Any]) -> None:
    """The result as one line of stdout."""
    typer.echo(json.dumps(facts))
