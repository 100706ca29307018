"""The verbs of operators, `pixelrnn workers` and `pixelrnn drain`, which ask a running
service."""

from typing import Annotated, Any

import typer

from model_core.cli.options import say
from model_core.cli.tables import print_table
from pixelrnn.kind_verbs import HERE, Key, Url
from pixelrnn.remote_job import Service, client_of


def register(app: typer.Typer) -> None:
    """Add both verbs to `app`."""
    app.command("workers")(remote_workers)
    app.command("drain")(remote_drain)


def _answer(method: str, path: str, place: Service) -> Any:
    from pixelrnn.client.calls import Call

    with client_of(place) as client:
        return client.run(client.flows.answer(Call(method, path))).json()


def remote_workers(url: Url = HERE, key: Key = None) -> dict[str, Any]:
    """List the workers of a running service, as its operator."""
    found = _answer("GET", "/workers", Service(url, key))
    columns = "name", "host", "version", "device", "state", "jobs", "load"
    rows = (
        (*(str(one[column]) for column in columns), str(len(one["models"])))
        for one in found["workers"]
    )
    print_table(
        ("worker", "host", "version", "device", "state", "jobs", "values", "models"),
        rows,
    )
    return found


def remote_drain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A worker's name.")],
    undo: Annotated[
        bool, typer.Option("--undo", help="Let it take jobs again.")
    ] = False,
    url: Url = HERE,
    key: Key = None,
) -> dict[str, Any]:
    """Let a worker take no more jobs, as the service's operator. It ends those that it holds, or gives them back."""
    from pixelrnn.client.calls import resource

    method = "DELETE" if undo else "POST"
    _answer(method, resource("workers", name, "drain"), Service(url, key))
    if undo:
        say(f"{name}: takes jobs again")
    else:
        say(f"{name}: takes no more jobs; `pixelrnn workers` says when it holds none")
    return {"name": name, "draining": not undo}
