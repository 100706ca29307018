"""Requests to the service, as data: none is sent here."""

import io
import json
import uuid
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

from pixelrnn.client.documents import Stage
from pixelrnn.client.pictures import Picture, Several, file_of

MapKind = Literal["mean", "entropy"]
"""The kinds of map that marginals are shown as."""
Label = str | int
"""A label of a model's images: its name, or its number."""
_TRAINED_ON = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")


class Keeping(TypedDict, total=False):
    """How many seconds a job is kept once it has ended, and who is told of its end: an https address of a host that the
    service may call."""

    retention: int
    webhook: str


class Colouring(TypedDict, total=False):
    """How colours are taken that the model's palette does not have."""

    colours: Literal["exact", "nearest"]


class Fitting(TypedDict, total=False):
    """How a picture of another size than the model's is taken."""

    fit: Literal["strict", "resize"]


class Scoring(Colouring, Keeping, total=False):
    """How a picture is scored: `JobCalls.score` says it. fit: `field` takes one larger than the model's."""

    fit: Literal["strict", "resize", "field"]
    x: int | None
    y: int | None
    influence: bool | None
    label: Label | None
    against: str | None


class Classifying(Fitting, Colouring, Keeping, total=False):
    """How a picture is classified: `JobCalls.classify` says it."""

    particles: int | None


class Encoding(Colouring, Keeping, total=False):
    """How pictures are encoded."""


class Drawing(Keeping, total=False):
    """How a job draws; first: the number of its first image among those of the seed."""

    first: int
    temperature: float
    priority: Literal["interactive", "bulk"]


class DrawingFrom(Drawing, Fitting, total=False):
    """How a job draws that begins with a picture."""


class Completing(Drawing, Colouring, total=False):
    """How a completion is drawn; rank: the likeliest first. fit: `crop` fills holes of a larger picture."""

    fit: Literal["strict", "resize", "crop"]
    rank: bool


class Training(Keeping, total=False):
    """How pictures are trained on: `JobCalls.train` says it."""

    minutes: float
    size: str | None
    channels: int | None
    values: int | None
    start: str | None
    crops: bool
    shared: bool


class Showing(TypedDict, total=False):
    """The picture of a job to show, and how: `Job.image` says it."""

    sample: int
    scale: int
    grid: bool
    stage: Stage


@dataclass(frozen=True)
class Call:
    """One request. `fields` and `files` are a multipart form; without files, `body` is JSON, or `content` is the body
    as it is. Of a field there may be several files."""

    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    fields: dict[str, Any] | None = None
    files: list[tuple[str, bytes]] | None = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """The arguments of httpx's `request`."""
        files = [(name, (name, data)) for name, data in self.files or ()] or None
        form = {"data": self.fields, "files": files}
        given = {
            "params": self.query or None,
            "json": self.body,
            "content": self.content,
            **form,
        }
        return {
            "headers": self.headers,
            **{name: value for name, value in given.items() if value is not None},
        }


def sample(**fields: Any) -> Call:
    return Call("POST", "/sample", body=_without_none(fields), headers=_once())


def form(
    path: str, pictures: dict[str, Picture | Several | None], **fields: Any
) -> Call:
    """A POST with pictures; raises OSError when a file cannot be read."""
    lists = {
        name: sent if isinstance(sent, list | tuple) else [sent]
        for name, sent in pictures.items()
    }
    every = [
        (name, picture)
        for name, sent in lists.items()
        for picture in sent
        if picture is not None
    ]
    return _form(path, every, fields)


def encode(model: str, pictures: Iterable[Picture], **fields: Any) -> Call:
    """Raises OSError when a file cannot be read."""
    return _form(
        "/encode",
        [("image", picture) for picture in pictures],
        {"model": model, **fields},
    )


def decode(file: Picture, **query: Any) -> Call:
    """Raises OSError when it cannot be read."""
    headers = {**_once(), "Content-Type": "application/vnd.pixelrnn"}
    return Call(
        "POST",
        "/decode",
        query=_without_none(query),
        content=file_of(file),
        headers=headers,
    )


def train(pictures: Path, name: str, fields: Mapping[str, Any]) -> Call:
    """A folder is sent as a zip of the pictures in it. Raises OSError when one cannot be read."""
    if not pictures.is_dir():
        return _form("/train", [("images", pictures)], {"name": name, **fields})
    file = io.BytesIO()
    # A zip cannot say a year before 1980, which files of images and archives may have.
    with zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
        for path in sorted(pictures.rglob("*")):
            if path.suffix.lower() in _TRAINED_ON and path.is_file():
                archive.write(path, path.relative_to(pictures))
    return _form("/train", [("images", file.getvalue())], {"name": name, **fields})


def add_model(directory: Path, shared: bool, instead_of: str | None) -> Call:
    """The files that the model's card names, in their order. Raises OSError when one cannot be read, ValueError where
    the card is none."""
    card = (directory / "card.json").read_bytes()
    facts = json.loads(card)
    members = [
        member["weights"]
        for member in facts.get("members") or [{"weights": "weights.safetensors"}]
    ]
    guides = dict.fromkeys(
        f"guides/{guide['sha256']}.safetensors" for guide in facts.get("guides", ())
    )
    places = [*members, *(guide for guide in guides if (directory / guide).is_file())]
    files = [
        ("card", card),
        *(("weights", (directory / place).read_bytes()) for place in places),
    ]
    headers = {**_once(), **({"If-Match": f'"{instead_of}"'} if instead_of else {})}
    return Call(
        "PUT",
        f"/models/{facts['name']}",
        fields=_as_text({"shared": shared}),
        files=files,
        headers=headers,
    )


def get(path: str, **query: Any) -> Call:
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
        headers=_once(),
    )


def _once() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _as_text(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in fields.items()
    }
