"""`pixelrnn api`. The web framework is imported when the command runs, so that `--help` is quick."""

from typing import Annotated, Any

import typer

from app.cli_keys import keys


def api(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to listen on; 8000 by default."),
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="The Redis server; REDIS_URL by default.")
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option(
            "--insecure",
            help="Serve other machines without API keys.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve the web API until SIGTERM; the queue and the workers are elsewhere.

    Every option is also PIXELRNN_<OPTION> in the environment.
    """
    from app.serve import run
    from app.settings import Settings

    given = {
        "host": host,
        "port": port,
        "redis_url": redis_url,
        "insecure": insecure or None,
    }
    run(Settings(**{name: value for name, value in given.items() if value is not None}))


def key(
    name: Annotated[
        str, typer.Argument(help="Who will hold it: letters, digits, . _ -")
    ],
) -> dict[str, Any]:
    """Make an API key: the first line is for its holder, the second for PIXELRNN_API_KEYS."""
    from app.access.api_keys import new_key, parse_keys

    secret, digest = new_key()
    try:
        parse_keys(f"{name}:{digest}")
    except ValueError:
        raise typer.BadParameter(
            "expected letters, digits, dots, dashes and underscores"
        ) from None
    typer.echo(f"{secret}\n{name}:{digest}")
    return {"name": name, "key": secret, "sha256": digest}


def register(root: typer.Typer) -> None:
    """Add these commands to the `pixelrnn` program."""
    root.command()(api)
    root.command()(key)
    root.add_typer(keys)
