"""`pixelrnn keys`: the keys in a file, which a running server follows. The library that reads it waits in the verbs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

keys = typer.Typer(
    name="keys",
    help="The API keys in a file, which a running server follows.",
    no_args_is_help=True,
)

Holder = Annotated[
    str, typer.Argument(metavar="NAME", help="Who holds it: letters, digits, . _ -")
]
KeysFile = Annotated[
    Path,
    typer.Option(
        "--file",
        envvar="PIXELRNN_KEYS_FILE",
        help="The file; an API has it as PIXELRNN_KEYS_FILE.",
    ),
]


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Tell a person in one line what is wrong with the file, or with a name."""
    from pydantic import ValidationError

    from app.access.api_keys import KeyFileError

    try:
        yield
    except KeyFileError as error:
        raise typer.BadParameter(str(error)) from None
    except ValidationError as error:
        fault = error.errors()[0]
        raise typer.BadParameter(
            f"{fault['loc'][0]}: {fault['msg'].removeprefix('Value error, ')}"
        ) from None


@keys.command("add")
def add(
    name: Holder,
    file: KeysFile,
    days: Annotated[
        float | None,
        typer.Option(
            min=0, max=36_500, help="For so many days. \\[default: until it is revoked]"
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, help="Jobs a second. \\[default: as everybody]"),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Open jobs. \\[default: as everybody]")
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(help="operator: also sees all jobs, and drains workers."),
    ] = None,
    may: Annotated[
        list[str] | None,
        typer.Option(help="A right beside drawing: train, which adds models."),
    ] = None,
) -> dict[str, Any]:
    """Add a key, and print it: it is kept nowhere. A name that has one gets another in its place."""
    from app.access.api_keys import KeyEntry, new_key
    from app.access.key_file import edit_keys

    secret, digest = new_key()
    until = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with _in_one_line():
        entry = KeyEntry(
            name=name,
            sha256=digest,
            until=until,
            rate=rate,
            jobs=jobs,
            role=role,  # type: ignore[arg-type]
            may=may or (),  # type: ignore[arg-type]
        )
        with edit_keys(file) as entries:
            entries[:] = [*(other for other in entries if other.name != name), entry]
    typer.echo(secret)
    return {"key": secret, **entry.model_dump(mode="json")}


@keys.command("revoke")
def revoke(name: Holder, file: KeysFile) -> dict[str, Any]:
    """Take a key away: within a second it opens nothing. Its jobs stay, and end."""
    from app.access.key_file import edit_keys

    with _in_one_line(), edit_keys(file) as entries:
        left = [entry for entry in entries if entry.name != name]
        if len(left) == len(entries):
            raise typer.BadParameter(f"{file} has no key of {name}")
        entries[:] = left
    return {"name": name, "revoked": True}


@keys.command("list")
def list_keys(file: KeysFile) -> dict[str, Any]:
    """Who holds keys, until when, and how much they may hand in."""
    from app.access.key_file import read_keys

    with _in_one_line():
        entries = read_keys(file)
    for entry in entries:
        end = (
            "ended"
            if entry.has_ended
            else f"until {entry.until:%Y-%m-%d %H:%M} UTC"
            if entry.until
            else "no end"
        )
        rate = (
            "the usual rate" if entry.rate is None else f"{entry.rate:g} jobs a second"
        )
        jobs = "the usual number open" if entry.jobs is None else f"{entry.jobs} open"
        may = f"; may {', '.join(entry.may)}" if entry.may else ""
        role = f"; {entry.role}" if entry.role else ""
        typer.echo(f"{entry.name}: {end}; {rate}, {jobs}{may}{role}")
    return {"keys": [entry.model_dump(mode="json") for entry in entries]}
