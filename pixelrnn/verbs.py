"""All verbs of `pixelrnn`: those that the API, the worker and the models register, in
the groups of `--help`.

Nothing that takes long to import is imported before a verb needs it, so that `--help`
responds at once.
"""

from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import wraps
from inspect import Parameter, signature
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import CommandInfo, TyperInfo

import app.cli
import model_core.cli.data_sets
import model_core.cli.verbs
import pixelrnn.remote
import worker.cli
from model_core.cli.options import (
    Json,
    ModelName,
    ModelsDir,
    expect_one_result,
    print_json,
    say,
)
from model_core.models_directory import default_models_dir
from pixelrnn.doctor import main as examine_machine
from pixelrnn.extras import check_extras_first, expect
from pixelrnn.remote_job import STDOUT, Destination, Service, client_of, write_file
from worker.contract.addresses import FORMATS, MAX_SCALE, seed_of
from worker.contract.jobs import MAX_TEMPERATURE, MIN_TEMPERATURE
from worker.contract.kinds import KINDS
from worker.contract.size import sides

root = typer.Typer(
    rich_markup_mode="markdown",
    name="pixelrnn",
    help="Exact-likelihood pixel models: train them, serve them, complete images, row by row.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_PANELS = {
    "Run": "up api worker trainer",
    "Draw and ask": " ".join([*KINDS, "address remote models export"]),
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
            metavar="MIB",
            envvar="PIXELRNN_REDIS_MEMORY_MIB",
            # With brackets the name is too long for a terminal of 80 columns.
            show_envvar=False,
            help="Memory of the embedded server, as PIXELRNN_REDIS_MEMORY_MIB sets it. "
            "\\[default: a quarter of this machine's memory]",
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


@root.command()
def address(
    model: ModelName,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="1 to 200 characters, such as alice.")
    ],
    label: Annotated[
        str | None, typer.Option(help="Name or index of the picture's label.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="WIDTHxHEIGHT of a picture larger than the model's."),
    ] = None,
    temperature: Annotated[
        float,
        typer.Option(
            min=MIN_TEMPERATURE,
            max=MAX_TEMPERATURE,
            help="Below 1: likelier; above 1: wilder.",
        ),
    ] = 1.0,
    named: Annotated[
        bool, typer.Option("--named", help="Write the name into the file, a PNG.")
    ] = False,
    out: Annotated[
        Path, typer.Option(help="The picture to write, .png or .webp; - is stdout.")
    ] = Path("address.png"),
    scale: Annotated[
        int,
        typer.Option(min=1, max=MAX_SCALE, help="Enlarge the picture this many times."),
    ] = 1,
    models_dir: ModelsDir = None,
    url: Annotated[
        str | None,
        typer.Option(help="Ask the service at this address, instead of drawing here."),
    ] = None,
) -> dict[str, Any]:
    """Draw the picture of a name, which a service has at /p/MODEL/NAME.png."""
    Destination(out, scale, show=False).check()
    picture_format = "png" if out == STDOUT else out.suffix[1:].lower()
    if picture_format not in FORMATS:
        raise typer.BadParameter("--out: expected a name that ends in .png or .webp")
    options: dict[str, Any] = {
        "picture_format": picture_format,
        "scale": scale,
        "label": label,
        "size": size,
        "temperature": temperature,
        "named": named,
    }
    try:
        seed = seed_of(name)
        if size is not None:
            sides(size)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if url:
        with client_of(Service(url, None)) as client:
            file = client.addressed(model, name, **options)
    else:
        from pixelrnn.addressed import addressed

        file = addressed(model, name, **options, models_dir=models_dir)
    write_file(file, out)
    say(f"wrote {out}: {name} of {model}, seed {seed}")
    return {"model": model, "name": name, "seed": seed, "out": str(out)}


def _with_json(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Return a verb that returns facts with the option --json, which prints them in
    place of what the verb prints to stdout. Return other verbs as they are."""
    own = signature(verb)
    if own.return_annotation is None:
        return verb

    @wraps(verb)
    def run(*arguments: Any, json_: bool, **options: Any) -> None:
        if not json_:
            verb(*arguments, **options)
            return
        expect_one_result(options.get("out"), json_)
        with redirect_stdout(StringIO()):
            facts = verb(*arguments, **options)
        if facts is not None:
            print_json(facts)

    option = Parameter("json_", Parameter.KEYWORD_ONLY, default=False, annotation=Json)
    run.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[*own.parameters.values(), option]
    )
    return run


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
        check_extras_first(_with_json(command.callback)) if command.callback else None
    )
_PANEL = {name: panel for panel, names in _PANELS.items() for name in names.split()}
for name, verb in verbs():
    verb.rich_help_panel = _PANEL[name]
root.registered_commands.sort(
    key=lambda verb: list(_PANELS).index(str(verb.rich_help_panel))
)
