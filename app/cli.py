"""`pixelrnn api`. The web framework is imported when the command runs, so that `--help` is quick."""

from typing import Annotated

import typer

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 8000 by default.")] = None,
    redis_url: Annotated[str | None, typer.Option(help="The Redis server; REDIS_URL by default.")] = None,
) -> None:
    """Serve the web API until SIGTERM; the queue and the workers are elsewhere.

    Every option is also PIXELRNN_<OPTION> in the environment.
    """
    from app.serve import run
    from app.settings import Settings

    given = {"host": host, "port": port, "redis_url": redis_url}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    if settings.host not in _LOOPBACK:
        typer.echo(f"anyone who can reach {settings.host} may use this server: it asks for no key", err=True)
    run(settings)


def register(root: typer.Typer) -> None:
    """Make it a verb of `pixelrnn`."""
    root.command()(api)
