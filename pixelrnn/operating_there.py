"""The verb of operators, `pixelrnn workers`, which asks a running service."""

from typing import Any

import typer

from model_core.cli.options import Json, print_json
from model_core.cli.tables import print_table
from pixelrnn.kind_verbs import HERE, Key, Url
from pixelrnn.remote_job import Service, client_of


def register(app: typer.Typer) -> None:
    """Add `workers` to `app`."""
    app.command("workers")(remote_workers)


def _answer(method: str, path: str, place: Service) -> Any:
    from pixelrnn.client.calls import Call

    with client_of(place) as client:
        return client.run(client.flows.answer(Call(method, path))).json()


def remote_workers(url: Url = HERE, key: Key = None, json_: Json = False) -> None:
    """List the workers of a running service, as its operator."""
    found = _answer("GET", "/workers", Service(url, key))
    if json_:
        print_json(found)
        return
    columns = "name", "host", "version", "device", "state", "jobs", "load"
    rows = (
        (*(str(one[column]) for column in columns), str(len(one["models"])))
        for one in found["workers"]
    )
    print_table(
        ("worker", "host", "version", "device", "state", "jobs", "values", "models"),
        rows,
    )
