"""Requests to the service as data. This file sends nothing."""

import io
import json
import os
import uuid
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal, TypedDict
from urllib.parse import quote

from pixelrnn.client.documents import Stage
from pixelrnn.client.errors import CardError
from pixelrnn.client.pictures import Picture, Several, file_of

MapKind = Literal["mean", "entropy"]
"""The kinds of marginal maps: `mean`, the mean of each colour of each pixel, and
`entropy`, how uncertain it is."""
Label = str | int
"""A label of a model's images: its name or its index."""
_TRAINED_ON = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
"""Suffixes of the pictures in a folder that are sent for a training."""


class Keeping(TypedDict, total=False):
    """How long a job is kept.

    retention: seconds for which it is kept after its end.
    webhook: https URL, on a host that the service may call, that is called at its end.
    """

    retention: int
    webhook: str


class Colouring(TypedDict, total=False):
    """colours: what to do with colours that the model's palette does not have: reject
    the picture (`exact`), or take the nearest ones."""

    colours: Literal["exact", "nearest"]


class Fitting(TypedDict, total=False):
    """fit: what to do with a picture of another size than the model's: reject it
    (`strict`), or stretch it."""

    fit: Literal["strict", "resize"]


class Scoring(Colouring, Keeping, total=False):
    """How a picture is scored; see `AsyncClient.score`.

    fit: `field` accepts a picture larger than the model's.
    """

    fit: Literal["strict", "resize", "field"]
    x: int | None
    y: int | None
    influence: bool | None
    label: Label | None
    against: str | None


class Classifying(Fitting, Colouring, Keeping, total=False):
    """How a picture is classified; see `AsyncClient.classify`."""

    particles: int | None


class Encoding(Colouring, Keeping, total=False):
    """How pictures are encoded; see `AsyncClient.encode`."""


class Drawing(Keeping, total=False):
    """How a job draws.

    first: number of its first image among those of the seed.
    temperature: above 1 more varied, below 1 less.
    priority: which jobs are drawn first.
    """

    first: int
    temperature: float
    priority: Literal["interactive", "bulk"]


class DrawingFrom(Drawing, Fitting, total=False):
    """How a job draws that begins with a picture."""


class Completing(Drawing, Colouring, total=False):
    """How a completion is drawn.

    rank: sort the images by likelihood, the likeliest first.
    fit: `crop` fills holes of a larger picture.
    """

    fit: Literal["strict", "resize", "crop"]
    rank: bool


class Training(Keeping, total=False):
    """How pictures are trained on; see `AsyncClient.train`."""

    minutes: float
    size: str | None
    channels: int | None
    values: int | None
    start: str | None
    crops: bool
    shared: bool
    mirrors: bool
    publish_anyway: bool


class Addressing(TypedDict, total=False):
    """Which picture of a name is drawn, and how; see `AsyncClient.addressed`.

    scale: pixels per side of each pixel.
    size: WIDTHxHEIGHT of a picture larger than the model's.
    named: True to write the name into a PNG.
    """

    scale: int
    label: Label | None
    size: str | None
    temperature: float
    named: bool


class Showing(TypedDict, total=False):
    """Which picture of a job is returned, and how; see `Job.image`."""

    sample: int
    scale: int
    grid: bool
    stage: Stage


@dataclass(frozen=True)
class Call:
    """One request.

    query: parameters of the address.
    fields, files: a multipart form; several files may have the same field.
    body: JSON, if there are no files.
    content: the raw body, instead of both.
    follows: True to follow redirects.
    """

    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    fields: dict[str, Any] | None = None
    files: list[tuple[str, bytes]] | None = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    follows: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of httpx's `request`, without the method and the
        path."""
        files = [(name, (name, data)) for name, data in self.files or ()] or None
        optional = {
            "params": self.query or None,
            "json": self.body,
            "content": self.content,
            "data": self.fields,
            "files": files,
            "follow_redirects": self.follows or None,
        }
        return {"headers": self.headers, **_without_none(optional)}


def sample(**fields: Any) -> Call:
    """Return the call that draws images.

    fields: of the JSON body; one that is None is not sent.
    """
    return Call(
        "POST", "/sample", body=_without_none(fields), headers=_idempotency_key()
    )


def form(
    path: str, pictures: dict[str, Picture | Several | None], **fields: Any
) -> Call:
    """Return a POST to `path` with a multipart form. Raises OSError if a file cannot be
    read.

    pictures: by field name; a list is sent under one name, None is not sent.
    fields: further form fields; one that is None is not sent.
    """
    listed: list[tuple[str, Picture]] = []
    for name, value in pictures.items():
        several = value if isinstance(value, list | tuple) else [value]
        listed += [(name, picture) for picture in several if picture is not None]
    return _form(path, listed, fields)


def encode(model: str, pictures: Iterable[Picture], **fields: Any) -> Call:
    """Return the call that encodes pictures. Raises OSError if a file cannot be read.

    fields: further form fields; one that is None is not sent.
    """
    return _form(
        "/encode",
        [("image", picture) for picture in pictures],
        {"model": model, **fields},
    )


def decode(file: Picture, **query: Any) -> Call:
    """Return the call that decodes a file of coded images, given its bytes or its path.

    query: further parameters; one that is None is not sent.
    """
    headers = {**_idempotency_key(), "Content-Type": "application/vnd.pixelrnn"}
    return Call(
        "POST",
        "/decode",
        query=_without_none(query),
        content=file_of(file),
        headers=headers,
    )


def train(pictures: Path, name: str, fields: Mapping[str, Any]) -> Call:
    """Return the call that trains a model with this name. Raises OSError if a file
    cannot be read.

    pictures: a folder, which is sent as a zip of the pictures in it and in its
        subfolders, or a file, which is sent as it is.
    fields: further form fields; one that is None is not sent.
    """
    if not pictures.is_dir():
        return _form("/train", [("images", pictures)], {"name": name, **fields})
    file = io.BytesIO()
    # A zip cannot contain a year before 1980, which files from archives may have.
    with zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
        for number, picture in enumerate(sorted(pictures.rglob("*"))):
            if picture.suffix.lower() in _TRAINED_ON and picture.is_file():
                inside = _in_utf8(picture.relative_to(pictures), number)
                archive.write(picture, inside)
    return _form("/train", [("images", file.getvalue())], {"name": name, **fields})


def _in_utf8(path: Path, number: int) -> Path:
    """Return a path that a zip can contain: bytes that are not UTF-8, as files from
    archives may have in their names, are replaced. The number keeps such names
    different."""
    readable = Path(os.fsencode(path).decode(errors="replace"))
    return (
        readable
        if readable == path
        else readable.with_stem(f"{readable.stem}-{number}")
    )


def add_model(directory: Path, shared: bool, instead_of: str | None) -> Call:
    """Return the call that adds the model in a directory, with the files that its card
    names, in their order.

    shared: True for everybody, False for the caller's key alone.
    instead_of: the identity of the model to replace; None to add a new one.

    Raises OSError if the card or the weights of a member cannot be read, CardError if
    the card does not say which files the model has. The service checks the rest.
    """
    place = directory / "card.json"
    card = place.read_bytes()
    try:
        name, members, guides = _parts_of(json.loads(card))
    except (ValueError, LookupError, TypeError, RecursionError):
        raise CardError(place) from None
    names = dict.fromkeys(  # members with equal weights may name one file
        [
            *members,
            # A guide that is also a member has no file of its own.
            *(guide for guide in guides if (directory / guide).is_file()),
        ]
    )
    files = [("card", card)]
    files += [("weights", (directory / file).read_bytes()) for file in names]

    headers = _idempotency_key()
    if instead_of:
        headers["If-Match"] = f'"{instead_of}"'
    return Call(
        "PUT",
        resource("models", name),
        fields=_as_text({"shared": shared}),
        files=files,
        headers=headers,
    )


def _parts_of(card: Any) -> tuple[str, list[str], list[str]]:
    """Return the name of the model that a card describes, the files of its members'
    weights, and the files that its guides would have, relative to its directory.

    card: parsed JSON.

    Raises LookupError, TypeError or ValueError if it is not such a card, or if it names
    a file outside the model's directory.
    """
    if not isinstance(card, dict):
        raise TypeError
    name = card["name"]
    members = card.get("members") or [{"weights": "weights.safetensors"}]
    weights = [member["weights"] for member in members]
    digests = [guide["sha256"] for guide in card.get("guides") or ()]
    if not all(isinstance(text, str) for text in (name, *weights, *digests)):
        raise TypeError
    # A path elsewhere in a stranger's card would send a file of this machine.
    if any(text != PurePath(text).name for text in (*weights, *digests)):
        raise ValueError
    return name, weights, [f"guides/{digest}.safetensors" for digest in digests]


def resource(collection: str, name: str, *below: str) -> str:
    """Return the path of a resource, such as /jobs/ID/image.

    collection: such as jobs.
    name: the ID, which is quoted, so that any text is one part of the path.
    below: further parts.
    """
    quoted = quote(name, safe="", errors="replace")
    if not name.strip("."):
        quoted = quoted.replace(".", "%2E")  # "/jobs/.." would be "/"
    return "/".join(["", collection, quoted, *below])


def addressed(model: str, name: str, picture_format: str, options: Addressing) -> Call:
    """Return the call for the picture of a name."""
    query: dict[str, Any] = {**options, "named": 1 if options.get("named") else None}
    path = resource("p", model, quote(f"{name}.{picture_format}", safe=""))
    return Call("GET", path, _without_none(query), follows=True)


def get(path: str, **query: Any) -> Call:
    """Return a GET. A parameter that is None is not sent."""
    return Call("GET", path, query=_as_text(_without_none(query)))


def _form(
    path: str, pictures: Iterable[tuple[str, Picture]], fields: dict[str, Any]
) -> Call:
    files = [(name, file_of(picture)) for name, picture in pictures]
    return Call(
        "POST",
        path,
        fields=_as_text(_without_none(fields)),
        files=files,
        headers=_idempotency_key(),
    )


def _idempotency_key() -> dict[str, str]:
    """Return a header with a new key, so that a repeated request makes one job."""
    return {"Idempotency-Key": uuid.uuid4().hex}


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _as_text(fields: dict[str, Any]) -> dict[str, Any]:
    """Return form fields with booleans in lower case, as JSON has them."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in fields.items()
    }
