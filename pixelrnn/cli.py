"""The one command, `pixelrnn`: composed of what the API, the worker and the models each register.

Nothing heavy is imported before a verb needs it, so that `--help` answers at once.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic_core import ValidationError
from typer.exceptions import Abort, TyperException

import app.cli
import model_core.cli.coding
import model_core.cli.pictures
import model_core.cli.verbs
import pixelrnn.verify
import worker.cli
from model_core.errors import PixelRNNError

SETTINGS = "Settings"
"""The class of that name in `app` and `worker` reads the environment, which a person may have got wrong."""

SECRETS = ("API_KEYS", "REDIS_URL")
"""Settings that may hold a key or a password: what is wrong with them is said without repeating them."""

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

root = typer.Typer(
    name="pixelrnn",
    help="Exact-likelihood pixel models: train them, serve them, complete images, row by row.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"pixelrnn {version('pixelrnn')}")
        raise typer.Exit


@root.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Exact-likelihood pixel models: train them, serve them, complete images, row by row."""


@root.command()
def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    data_dir: Annotated[
        Path, typer.Option(envvar="PIXELRNN_DATA_DIR", help="Where jobs, results and logs are kept.")
    ] = Path(".pixelrnn"),
    models_dir: Annotated[
        Path,
        typer.Option(
            envvar="PIXELRNN_MODELS_DIR", help="Where the models are: NAME/card.json, NAME/weights.safetensors."
        ),
    ] = Path("models"),
    redis_url: Annotated[
        str | None,
        typer.Option(
            envvar=["PIXELRNN_REDIS_URL", "REDIS_URL"], help="A server of your own, instead of the embedded one."
        ),
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="One worker for each: cpu, cuda:0, ... [default: cpu]")
    ] = None,
) -> None:
    """Start everything on this machine: server, worker, API and playground. Ctrl-C ends it."""
    from pixelrnn.up import UpOptions
    from pixelrnn.up import up as run

    options = UpOptions(host, port, data_dir, models_dir, redis_url or None, tuple(device or ["cpu"]))
    run(options, say=lambda line: typer.echo(line, err=True))


_OFFLINE = model_core.cli.verbs, model_core.cli.pictures, model_core.cli.coding, pixelrnn.verify
for part in (app.cli, worker.cli, *_OFFLINE):
    part.register(root)


def main() -> None:
    """Run a verb. What a person got wrong is one line on stderr and exit code 2."""
    try:
        code = root(standalone_mode=False)
    except TyperException as error:
        fail(error.format_message())
    except PixelRNNError as error:
        fail(str(error))
    except ValidationError as error:
        if error.title != SETTINGS:
            raise
        fail(_setting(error))
    except (Abort, KeyboardInterrupt):
        raise SystemExit(EXIT_INTERRUPTED) from None
    raise SystemExit(code if isinstance(code, int) else 0)


def fail(sentence: str) -> NoReturn:
    """End with one line that says what was wrong; an empty one where help was printed instead."""
    if sentence:
        print(f"pixelrnn: {' '.join(sentence.split())}", file=sys.stderr)
    raise SystemExit(EXIT_BAD_INPUT)


def _setting(error: ValidationError) -> str:
    first = error.errors()[0]
    name = "_".join(str(part) for part in first["loc"]).upper()
    name = name.removeprefix("PIXELRNN_")
    is_told = f"PIXELRNN_{name}" in os.environ and name not in SECRETS
    given = f", not {first['input']!r}" if is_told else ""
    return f"PIXELRNN_{name}: {first['msg'].removeprefix('Value error, ')}{given}"
