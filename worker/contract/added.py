"""The directory of added models, which APIs, workers and trainers share.

    DIR/models/NAME/         a model, with OWNER beside its card: who added it, and
                             whether everybody sees it
    DIR/models/.JOB/         the draft of an exchange: the new version, which workers
                             examine before it gets its name
    DIR/models/.JOB.former/  the version that the job JOB has replaced, until a worker
                             serves the new one
    DIR/models/.JOB.part/    a draft or model that is still being written
    DIR/uploads/JOB/         the pictures of an open training, and its checkpoints

Only an API renames drafts and former versions (app/services/exchanges.py): workers may
see the directory read-only.
"""

import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import FailFast, Field, ValidationError

from worker.contract.record import Record

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""A model's name, as model_core.models_directory has it."""
CARD, WEIGHTS = "card.json", "weights.safetensors"
MAX_CARD_BYTES = 2**20
_MAX_NETWORKS = 16
"""Members of a card, and guides: as many as files of weights are taken."""
OWNER = "owner.json"
SUMMARY = "summary.json"
"""The result of the training that made a model, beside its card."""
_JOB_ID = r"[A-Za-z0-9_-]{1,64}"
_DRAFT = re.compile(rf"\.({_JOB_ID})")
_FORMER = re.compile(rf"\.({_JOB_ID})\.former")
_MAX_NAME = 64
"""Characters of the name of a label or category, as in model_core.config."""
ANYONE = "anyone"
"""The owner of all that is added, and of all jobs, where there are no keys."""
NOBODY = "?"
"""The owner of a model whose OWNER cannot be read: no key has this name."""


class Owner(Record):
    """Who added a model."""

    owner: str
    job: str = ""
    """The job that made it or handed it in, if one did."""
    shared: bool = False
    """Everybody sees it, and not its owner alone."""


class Weights(Record):
    """A network of a model, and the file of its weights."""

    weights: str = Field(
        default=WEIGHTS, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}\.safetensors$"
    )
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    orientation: str = ""


class Guide(Record):
    """A network that only proposes, with weights of its own unless it is one of the model's."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    orientation: str


class _Named(Record):
    """A label of a model's images."""

    name: str = Field(max_length=_MAX_NAME)


class AddedCard(Record):
    """The part of a model's card that an API checks: which files it has, and how long
    its texts are. Every client and every look at the workers' announcements gets these
    texts. A worker reads the rest of the card."""

    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    # Fails at the first fault: a card of 1 MiB may have half a million, and each of them
    # would take a kilobyte.
    members: Annotated[
        tuple[Weights, ...], Field(max_length=_MAX_NETWORKS), FailFast()
    ] = ()
    guides: Annotated[
        tuple[Guide, ...], Field(max_length=_MAX_NETWORKS), FailFast()
    ] = ()
    data: str = Field(default="", max_length=500)
    labels: tuple[_Named, ...] = Field(default=(), max_length=1000)
    palette: tuple[Annotated[str, Field(max_length=9)], ...] = Field(
        default=(), max_length=256
    )
    names: tuple[Annotated[str, Field(max_length=_MAX_NAME)], ...] = Field(
        default=(), max_length=256
    )

    def files(self) -> dict[str, str]:
        """Return the SHA-256 of each file of weights by its path in the model's
        directory: those of members in their order, then those of guides.

        Members that name one file have one entry.
        """
        members = self.members or (Weights(sha256=self.sha256),)
        ours = {(member.sha256, member.orientation) for member in members}
        guides = [
            guide.sha256
            for guide in self.guides
            if (guide.sha256, guide.orientation) not in ours
        ]
        return {each.weights: each.sha256 for each in members} | {
            f"guides/{sha}.safetensors": sha for sha in guides
        }


def models_in(added: Path) -> Path:
    return added / "models"


class _CardName(Record):
    """The name on a card, whatever else it says."""

    name: str = Field(pattern=rf"^{NAME.pattern}$")


class JobFiles:
    """The files of a job that brings a model.

    added: the directory of added models. name: the model's.
    """

    def __init__(self, added: Path, job_id: str, name: str) -> None:
        self.added = added
        self.job_id = job_id
        self.name = name
        self.place = uploads_in(added) / job_id
        self.run = self.place / "run" / name
        """Its checkpoints. While this directory exists, the model's name is taken."""
        self.cache = self.place / "cache"
        """Its decoded pictures. Not beside `run`, where a directory's name is taken."""
        self.start = self.place / "start"
        """A models directory with a copy of the model that the training begins with."""
        self.best = self.run / "best.safetensors"
        """The checkpoint that would be published."""
        self.finish = self.place / "finish"
        """A file whose presence asks for the end."""
        self.deaths = self.place / "deaths"
        """A file with one byte for each time that the training's process has died."""
        self.model = models_in(added) / name
        """The directory of the model, once it has its name."""
        self.part = models_in(added) / f".{job_id}.part"
        """The model while it is being written."""
        self.draft = models_in(added) / f".{job_id}"
        """The new version of a model that is exchanged, complete."""
        self.former = models_in(added) / f".{job_id}.former"
        """The version that it has replaced."""

    @property
    def is_published(self) -> bool:
        return owner_of(self.model).job == self.job_id

    @property
    def is_there(self) -> bool:
        """True if the model has its name, or is about to get it."""
        is_waiting = self.draft.exists() or self.part.exists()
        return is_waiting or self.is_published

    def summary(self) -> str | None:
        """Return the result of the training that made the published model, as JSON.

        None if this job has published none, or an earlier version of the service did,
        which kept no results beside models.
        """
        if not self.is_published:
            return None
        try:
            return (self.model / SUMMARY).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def forget(self, is_kept: bool = False) -> None:
        """Delete all of it, and the published model too unless that is kept.

        A model that has replaced another one stays: undoing that is an API's matter.
        """
        if not is_kept and self.is_published and not self.former.exists():
            remove(self.model)
        shutil.rmtree(self.place, ignore_errors=True)


def drafts_in(models: Path) -> dict[str, Path]:
    """Return the drafts of exchanges by the ids of their jobs.

    Drafts are complete: OWNER, which names the job, is written last.
    """
    return {
        job_id: place
        for job_id, place in _hidden(models, _DRAFT)
        if owner_of(place).job == job_id
    }


def formers_in(models: Path) -> dict[str, Path]:
    """Return the replaced versions of models by the ids of the jobs that did it."""
    return dict(_hidden(models, _FORMER))


def name_of(place: Path) -> str | None:
    """Return the name on a model's card; None if there is no card that can be read."""
    try:
        with (place / CARD).open("rb") as file:
            card = _CardName.model_validate_json(file.read(MAX_CARD_BYTES))
    except (OSError, ValidationError):
        return None
    return card.name


def _hidden(models: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, Path]]:
    """Yield the directories whose whole name matches, by the pattern's group."""
    for place in models.glob(".*"):
        if found := pattern.fullmatch(place.name):
            yield found.group(1), place


def uploads_in(added: Path) -> Path:
    return added / "uploads"


def is_trained(added: Path, name: str) -> bool:
    """Is a model of this name being trained?"""
    return any(uploads_in(added).glob(f"*/run/{name}"))


def remove(directory: Path) -> None:
    """Delete a directory: it is gone at once, even while somebody reads it."""
    gone = directory.with_name(f".{uuid.uuid4().hex}.part")
    directory.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def names_in(models: Path) -> list[str]:
    """The models that are whole, by name."""
    return sorted(
        card.parent.name
        for card in models.glob(f"*/{CARD}")
        if NAME.fullmatch(card.parent.name)
    )


def owner_of(place: Path) -> Owner:
    """Who added the model of a directory; one that lies there without OWNER is everybody's."""
    try:
        return Owner.model_validate_json((place / OWNER).read_bytes())
    except FileNotFoundError:
        return Owner(owner="", shared=True)
    except (OSError, ValidationError):
        return Owner(owner=NOBODY)


def is_seen_by(place: Path, owner: str) -> bool:
    """True if this owner may use the model of a directory; without keys, all may."""
    found = owner_of(place)
    return found.shared or owner in (found.owner, ANYONE)


def seen_by(place: Path) -> str:
    """The owner of a private model, who alone sees it; empty for one that everybody sees."""
    return whence(place)["owner"]


def whence(place: Path) -> dict[str, str]:
    """Say who brought a model, as a worker announces it: `owner`, as of `seen_by`, and `job`."""
    found = owner_of(place)
    return {"owner": "" if found.shared else found.owner, "job": found.job}
