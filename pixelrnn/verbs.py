"""All verbs of `pixelrnn`: those that the API, the worker and the models register, in
the groups of `--help`.

Nothing that takes long to import is imported before a verb needs it, so that `--help`
responds at once.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from typer.models import CommandInfo, TyperInfo

import app.cli
import model_core.cli.data_sets
import model_core.cli.verbs
import pixelrnn.remote
import worker.cli
from model_core.cli.options import ModelsDir
from model_core.models_directory import default_models_dir
from pixelrnn.doctor import main as examine_machine
from pixelrnn.extras import check_extras_first, expect
from worker.contract.kinds import KINDS

root = typer.Typer(
    rich_markup_mode="markdown",
    name="pixelrnn",
    help="Exact-likelihood pixel models: train them, serve them, complete images, row by row.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_PANELS = {
    "Run": "up api worker trainer",
    "Draw and ask": " ".join([*KINDS, "remote models export"]),
    "Train": "train publish mix guide evaluate calibrate entropy data",
    "Operate": "workers drain key keys health doctor bench gpu",
}
"""The groups of verbs that `--help` shows, in this order. A verb that is in none of
them raises a KeyError when this module is imported."""


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"pixelrnn {version('pixelrnn')}")
        raise typer.Exit


@root.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Say which version this is.",
        ),
    ] = False,
) -> None:
    """Exact-likelihood pixel models: train them, serve them, complete images, row by row."""


@root.command()
def doctor(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port that `up` would listen on.")
    ] = 8000,
) -> None:
    """Report whether this machine can run the project, in a form for a bug report."""
    raise typer.Exit(examine_machine([str(port)]))


@root.command()
def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port to listen on.")
    ] = 8000,
    data_dir: Annotated[
        Path,
        typer.Option(
            envvar="PIXELRNN_DATA_DIR", help="Where jobs, results and logs are kept."
        ),
    ] = Path(".pixelrnn"),
    models_dir: ModelsDir = None,
    redis_url: Annotated[
        str | None,
        typer.Option(
            envvar=["PIXELRNN_REDIS_URL", "REDIS_URL"],
            help="A server of your own, instead of the embedded one.",
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="One worker for each: cpu, cuda:0, ... All take the same jobs. \\[default: cpu]"
        ),
    ] = None,
    redis_memory_mib: Annotated[
        int | None,
        typer.Option(
            min=16,
            envvar="PIXELRNN_REDIS_MEMORY_MIB",
            help="What the embedded server may use. \\[default: a quarter of this machine's memory]",
        ),
    ] = None,
) -> None:
    """Start everything on this machine: server, worker, API and playground. Ctrl-C ends it."""
    expect("api", "worker", *(() if redis_url else ("embedded",)))
    from pixelrnn.progress import StatusLines
    from pixelrnn.up import UpOptions
    from pixelrnn.up import up as run

    models = models_dir or default_models_dir()
    options = UpOptions(
        host,
        port,
        data_dir,
        models,
        redis_url or None,
        tuple(device or ["cpu"]),
        redis_memory_mib,
    )
    run(options, StatusLines())


def commands() -> Iterator[CommandInfo]:
    """Yield the record of each verb, those of groups such as `remote` included."""
    yield from root.registered_commands
    for group in root.registered_groups:
        yield from (
            group.typer_instance.registered_commands if group.typer_instance else ()
        )


def verbs() -> Iterator[tuple[str, CommandInfo | TyperInfo]]:
    """Yield each word that may follow `pixelrnn`, with the record of its verb or
    group."""
    for command in root.registered_commands:
        yield command.name or getattr(command.callback, "__name__", ""), command
    for group in root.registered_groups:
        yield (
            str(
                group.name or (group.typer_instance and group.typer_instance.info.name)
            ),
            group,
        )


for part in (
    app.cli,
    worker.cli,
    model_core.cli.verbs,
    model_core.cli.data_sets,
    pixelrnn.remote,
):
    part.register(root)
for command in commands():
    command.callback = (
        check_extras_first(command.callback) if command.callback else None
    )
_PANEL = {name: panel for panel, names in _PANELS.items() for name in names.split()}
for name, verb in verbs():
    verb.rich_help_panel = _PANEL[name]
root.registered_commands.sort(
    key=lambda verb: list(_PANELS).index(str(verb.rich_help_panel))
)
