"""`pixelrnn api`. The web server is imported when the command runs, so that `--help` is quick."""

from typing import Annotated

import typer

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="[default: 8000]")] = None,
    redis_url: Annotated[str | None, typer.Option(help="[default: REDIS_URL, or redis://127.0.0.1:6379/0]")] = None,
) -> None:
    """Serve the web API; the queue and the workers are elsewhere."""
    from app.serve import run
    from app.settings import Settings

    given = {"host": host, "port": port, "redis_url": redis_url}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    if settings.host not in _LOOPBACK:
        typer.echo(f"anyone who can reach {settings.host} may use this server: it asks for no key", err=True)
    run(settings)


def register(app: typer.Typer) -> None:
    """Add the command to the `pixelrnn` program."""
    app.command()(api)
