"""The verbs of `pixelrnn data`: download published data sets and check them. Large
packages are imported inside the verbs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from model_core.cli.options import say

data = typer.Typer(name="data", help="Published data sets.", no_args_is_help=True)

Listed = Annotated[
    Path | None,
    typer.Option(
        "--sources",
        envvar="PIXELRNN_DATA_SOURCES",
        help="A list of your own, in the form of model_core/data/sources.toml.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb `data` with its subcommands to the root command."""
    app.add_typer(data)


@data.command()
def fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="mnist, binarized-mnist, cifar10.")
    ],
    to: Annotated[
        Path | None, typer.Option(help="The directory to make. \\[default: data/NAME]")
    ] = None,
    sources: Listed = None,
) -> dict[str, Any]:
    """Download a data set from where it is published, and check every byte.

    It is written into a new directory; nothing is overwritten.
    """
    from model_core.data.download import fetch as fetch_into
    from model_core.data.sources import read_sources

    known = read_sources(sources)
    directory = to or Path("data") / name
    is_new = fetch_into(name, directory, known)
    say(
        f"{'fetched' if is_new else 'already there:'} {directory}: {known[name].title}; licence: {known[name].licence}"
    )
    return {"name": name, "directory": str(directory), "fetched": is_new}


@data.command("list")
def list_(sources: Listed = None) -> dict[str, Any]:
    """List the data sets that can be downloaded, with their size, page and licence."""
    from model_core.data.sources import read_sources

    known = read_sources(sources)
    for name, source in known.items():
        typer.echo(f"{name}: {source.title}")
        typer.echo(
            f"    {source.bytes / 1e6:.0f} MB from {source.page}; licence: {source.licence}"
        )
    return {
        "data_sets": [
            {"name": name, "bytes": source.bytes, **source.model_dump(mode="json")}
            for name, source in known.items()
        ]
    }
