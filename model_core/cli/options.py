"""Options that have the same meaning in all verbs, and how verbs print."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def _names_beginning(incomplete: str) -> list[str]:
    """Return the names of models that begin with this text, for the shell's
    completion."""
    from model_core.models_directory import model_names

    return [name for name in model_names() if name.startswith(incomplete)]


ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model's name, or the directory it is in.",
        autocompletion=_names_beginning,
    ),
]
ModelsDir = Annotated[
    Path | None,
    typer.Option(
        envvar="PIXELRNN_MODELS_DIR",
        help="Where the models are. \\[default: those that ship with it]",
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")]
Threads = Annotated[
    int,
    typer.Option(
        envvar="PIXELRNN_DRAW_THREADS",
        min=0,
        max=64,
        help="Threads that draw on a CPU; 0: one less than there are processors, at "
        "most 16.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object as the last line of stdout.")
]
Out = Annotated[
    Path,
    typer.Option(
        help="The picture to write, .png, .webp or .jpg; - is stdout. Several images "
        "become one grid."
    ),
]
Fit = Annotated[
    Literal["strict", "resize"],
    typer.Option(
        help="A picture of another size is refused, or stretched to the model's."
    ),
]
CropFit = Annotated[
    Literal["strict", "resize", "crop"],
    typer.Option(
        help="A picture of another size is refused, stretched, or if larger filled in "
        "cut-outs (with --url)."
    ),
]
FieldFit = Annotated[
    Literal["strict", "resize", "field"],
    typer.Option(
        help="A picture of another size is refused, stretched to the model's, or if "
        "larger taken as it is."
    ),
]
Scale = Annotated[
    int, typer.Option(min=1, max=64, help="Enlarge the picture this many times.")
]
Show = Annotated[
    bool,
    typer.Option(
        "--show", help="Show it in the terminal, too, two pixels a character."
    ),
]
Convert = Annotated[
    bool,
    typer.Option(
        "--yes", help="Crop, resize and convert pictures that do not fit the model."
    ),
]
DataPath = Annotated[
    Path,
    typer.Option(
        "--data", help="The data set: a folder of pictures, or a data set's files."
    ),
]


def say(sentence: str) -> None:
    """Print a message for the user as one line, on stderr."""
    typer.echo(sentence, err=True)


def expect_one_result(out: Path | None, json_: bool) -> None:
    """Raise typer.BadParameter if both a picture and the JSON would go to stdout.

    out: where the picture goes; None: there is none.
    json_: True if JSON is printed.
    """
    if json_ and out == Path("-"):
        raise typer.BadParameter("--json and a picture cannot both go to stdout")


def print_json(facts: dict[str, Any]) -> None:
    """Print a result as one line of JSON on stdout."""
    typer.echo(json.dumps(facts))
