"""Verbs of `pixelrnn remote` for the user's own models on a service: add, remove,
download and train."""

import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from model_core.cli.options import say
from model_core.cli.progress import working
from model_core.models_directory import CARD, check_name
from pixelrnn.kind_verbs import HERE, Key, Url
from pixelrnn.remote_job import RemoteError, Service, client_of

_PATIENCE_S = 600.0
"""Seconds for which `remote add` waits for a worker to examine the model."""
_FILE = re.compile(r"(guides/)?[A-Za-z0-9_-][A-Za-z0-9._-]*\.(json|safetensors)")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model's name.")]


def register(remote: typer.Typer) -> None:
    """Add the verbs add, remove, download and train to `pixelrnn remote`."""
    own = (
        ("add", remote_add),
        ("remove", remote_remove),
        ("download", remote_download),
        ("train", remote_train),
    )
    for word, verb in own:
        remote.command(word)(verb)


def remote_add(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A model's directory: my-models/pictures."),
    ],
    shared: Annotated[
        bool, typer.Option("--shared", help="For everybody who may use the service.")
    ] = False,
    exchange: Annotated[
        bool, typer.Option("--exchange", help="In place of your model of this name.")
    ] = False,
    url: Url = HERE,
    key: Key = None,
) -> dict[str, Any]:
    """Add a model to a running service, and wait until it is served there."""
    from pixelrnn.client import JobEndedError

    name = _model_name(directory)
    with client_of(Service(url, key)) as client, working() as work:
        before = next(
            (one["identity"] for one in client.models() if one["name"] == name), None
        )
        work.begin(f"{name}: sending")
        way_out = "--exchange puts this one in its place"
        if exchange:  # there is one to exchange, but no worker serves it
            way_out = f"it is not served: `pixelrnn remote remove {name}` takes it away"
        with _explain_taken_name(name, way_out):
            job = client.add_model(directory, shared, before if exchange else None)
        work.begin(f"{name}: being examined")
        try:
            job.wait(_PATIENCE_S)
        except TimeoutError:
            raise RemoteError(
                f"{name} was sent, and no worker has examined it for ten minutes: is one running?"
            ) from None
        except JobEndedError as ended:
            why = (ended.state["error"] or {}).get("detail", "its job was canceled")
            if exchange and before is not None:
                raise RemoteError(
                    f"{name} is not exchanged: {why}; the earlier one stays"
                ) from None
            raise RemoteError(f"{name} is not served: {why}") from None
    say(f"{name} is served by {url}")
    return {"model": name, "url": url}


def remote_train(
    pictures: Annotated[
        Path,
        typer.Argument(
            metavar="PICTURES", help="A folder, whose folders are labels, or a file."
        ),
    ],
    name: Annotated[str, typer.Option(help="The model's name.")],
    minutes: Annotated[float, typer.Option(min=0.05, help="How long it trains.")] = 5,
    start: Annotated[
        str | None,
        typer.Option(help="A model of the service whose weights it begins with."),
    ] = None,
    crops: Annotated[
        bool, typer.Option("--crops", help="Learn parts of one large picture, or more.")
    ] = False,
    shared: Annotated[
        bool, typer.Option("--shared", help="For everybody who may use the service.")
    ] = False,
    mirrors: Annotated[
        bool,
        typer.Option(
            "--mirrors/--no-mirrors", help="Try a mixture with its mirror images."
        ),
    ] = True,
    publish_anyway: Annotated[
        bool,
        typer.Option("--publish-anyway", help="Serve it also if it is of little use."),
    ] = False,
    url: Url = HERE,
    key: Key = None,
) -> dict[str, Any]:
    """Train a model on pictures in a running service, which serves it then. Ctrl-C leaves it to go on there."""
    with client_of(Service(url, key)) as client, working() as work:
        work.begin(f"{name}: sending")
        taking_away = f"`pixelrnn remote remove {name}` takes it away"
        with _explain_taken_name(name, f"{taking_away}, or choose another --name"):
            job = client.train(
                pictures,
                name,
                minutes=minutes,
                start=start,
                crops=crops,
                shared=shared,
                mirrors=mirrors,
                publish_anyway=publish_anyway,
            )
        if left_out := _left_out(job.state):
            say(left_out)
        on_share = work.begin(f"{name}: training")
        try:
            result = job.result(on_progress=lambda state: on_share(state["progress"]))
        except KeyboardInterrupt:
            raise RemoteError(
                f"{name} goes on in the service: `pixelrnn remote job {job.id} --wait` waits for it, `pixelrnn remote "
                f"cancel {job.id}` leaves nothing of it"
            ) from None
    if warning := result.get("warning"):
        say(f"warning: {warning}")
    better = f"guessing {result['uniform_bits']:.2f}, PNG {result['png_bits']:.2f}"
    served = f"{url} serves it"
    if not result.get("published", True):
        served = "it is not served, and its name is free (--publish-anyway)"
    say(f"{name}: {_score(result)} held back ({better}); {served}")
    for trial in result.get("mirrors", ()):
        if trial["published"]:
            say(
                f"it is the even mixture with its mirror image, {trial['orientation']}, "
                f"which is better by {trial['gain']:.4f} +- {trial['gain_error']:.4f}"
            )
    return dict(result)


@contextmanager
def _explain_taken_name(name: str, way_out: str) -> Iterator[None]:
    """Turn the service's refusal of a name into words for a shell.

    way_out: what to do if the model of this name is the user's own.

    Raises RemoteError.
    """
    from pixelrnn.client import ApiError

    try:
        yield
    except ApiError as error:
        detail = error.problem["detail"] or ""
        if not error.problem["type"].endswith(":name-taken"):
            raise
        reason, _, is_own = detail.partition(":")  # behind it stands the HTTP header
        words = way_out if is_own else "choose another name"
        raise RemoteError(f"{name}: {reason}; {words}") from None


def _left_out(state: Mapping[str, Any]) -> str:
    """Return a line on the files that the service left out; empty if there are none."""
    parts = []
    if unreadable := state.get("unreadable"):
        names = ", ".join(state.get("unreadable_names") or ())
        which = f" ({names})" if names else ""  # earlier versions name none
        parts.append(f"{unreadable} files are no pictures that can be read{which}")
    if unsupported := state.get("unsupported"):
        names = ", ".join(state["unsupported_names"])
        parts.append(f"{unsupported} are too small or too large ({names})")
    return f"left out: {'; '.join(parts)}" if parts else ""


def _score(result: Mapping[str, Any]) -> str:
    """Return the score of a training with its standard error and number of pictures."""
    error = result.get("bits_standard_error")
    count = result.get("valid_images")
    plus_minus = "" if error is None else f" +- {error:.3f}"
    pictures = {None: "pictures", 1: "1 picture"}.get(count, f"{count} pictures")
    return f"{result['bits_per_dim']:.3f}{plus_minus} bits/dim of {pictures}"


def remote_remove(name: Name, url: Url = HERE, key: Key = None) -> dict[str, Any]:
    """Take your model away from a running service."""
    with client_of(Service(url, key)) as client:
        client.remove_model(name)
    say(f"{name}: removed")
    return {"model": name, "removed": True}


def remote_download(
    name: Name,
    models_dir: Annotated[
        Path, typer.Option(help="The models directory to write it to.")
    ] = Path("my-models"),
    url: Url = HERE,
    key: Key = None,
) -> dict[str, Any]:
    """Fetch a model that was added to a running service."""
    check_name(name)
    directory = models_dir / name
    if directory.exists():
        raise RemoteError(f"{directory} is there already")
    with client_of(Service(url, key)) as client:
        _unpack(client.download_model(name), name, directory)
    say(f"wrote {directory}")
    return {"model": name, "directory": str(directory)}


def _model_name(directory: Path) -> str:
    """Return a model's name. Raises RemoteError if there is no card."""
    try:
        # From the card alone, so that numpy is not needed.
        return str(json.loads((directory / CARD).read_bytes())["name"])
    except OSError as error:
        raise RemoteError(
            f"{directory} is no model: its {CARD} cannot be read: {error.strerror}"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise RemoteError(f"{directory} is no model: its {CARD} is none") from None


def _unpack(data: bytes, name: str, directory: Path) -> None:
    """Write the files of a zip below `directory`, all or none. Raises RemoteError if it
    contains a file that no model has, or more bytes than it has itself: the service
    sends models without compression; OSError if the files cannot be written, or if
    there is such a directory by now."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
        if any(one.compress_type for one in entries) or sum(
            one.file_size for one in entries
        ) > len(data):
            raise RemoteError(
                f"the service sent a model {name} that is larger, unpacked"
            )  # none of ours is packed
        files = {
            one.filename.removeprefix(f"{name}/"): archive.read(one) for one in entries
        }
    except (zipfile.BadZipFile, ValueError):
        raise RemoteError(f"the service sent no model {name}") from None
    if not all(_FILE.fullmatch(place) for place in files):
        raise RemoteError(f"the service sent other files than those of a model {name}")
    # Under a name that no model has: a service that looks at this models directory must
    # not see half a model, and the next download must not find one.
    draft = directory.with_name(f".{directory.name}.{os.getpid()}")
    try:
        draft.mkdir(parents=True)
        for place, content in files.items():
            (draft / place).parent.mkdir(exist_ok=True)
            (draft / place).write_bytes(content)
        draft.rename(directory)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
