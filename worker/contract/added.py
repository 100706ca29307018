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
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import FailFast, Field, ValidationError

from worker.contract.record import Record

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Pattern of a model's name, the same as in model_core.models_directory."""
CARD = "card.json"
WEIGHTS = "weights.safetensors"
MAX_CARD_BYTES = 2**20
"""Longest card.json that is read, in bytes."""
_MAX_NETWORKS = 16
"""Most members, and most guides, of a card; an upload may have as many files of
weights."""
OWNER = "owner.json"
"""File in a model's directory that names its owner (`Owner`, JSON)."""
SUMMARY = "summary.json"
"""The result of the training that made a model, beside its card."""
_JOB_ID = r"[A-Za-z0-9_-]{1,64}"
_DRAFT = re.compile(rf"\.({_JOB_ID})")
_FORMER = re.compile(rf"\.({_JOB_ID})\.former")
_MAX_NAME = 64
"""Most characters in the name of a label or category, as in model_core.config."""
ANYONE = "anyone"
"""Owner of all added models and of all jobs if the service has no API keys."""
NOBODY = "?"
"""Owner of a model whose owner.json cannot be read. No key has this name."""


class Owner(Record):
    """Content of owner.json: who added a model, and who sees it."""

    owner: str
    """Name of the API key that added it, `anyone`, or empty if no user did."""
    job: str = ""
    """Id of the job that trained or uploaded it; empty if none did."""
    shared: bool = False
    """True if every caller sees the model, False if only its owner does."""


class Weights(Record):
    """One network of a mixture: the file of its weights, and how images are turned for
    it."""

    weights: str = Field(
        default=WEIGHTS, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}\.safetensors$"
    )
    """File name in the model's directory."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the file, in hexadecimal."""
    orientation: str = ""
    """How images are turned for this network, as in the card; empty or `none` for
    upright."""


class Guide(Record):
    """A network that proposes values for a completion and does not change the
    distribution.

    It has a file of its own (`guides/SHA256.safetensors`), unless it equals one of the
    model's members.
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of its weights, in hexadecimal."""
    orientation: str
    """How images are turned for it."""


class _Named(Record):
    """One entry of a card's list of labels; only its name is checked."""

    name: str = Field(max_length=_MAX_NAME)


class AddedCard(Record):
    """The fields of an uploaded card.json that the API checks.

    These name the files of weights, and bound the texts that every client and every
    worker's announcement repeats. A worker checks the rest of the card when it loads
    the model.
    """

    name: str
    """The model's name."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of its weights, in hexadecimal; of several members, as
    `ModelFacts.digest`."""
    # Fails at the first fault: a card of 1 MiB may have half a million, and each of them
    # would take a kilobyte.
    members: Annotated[
        tuple[Weights, ...], Field(max_length=_MAX_NETWORKS), FailFast()
    ] = ()
    """The networks of a mixture; empty for a model of one network, whose file is
    WEIGHTS."""
    guides: Annotated[
        tuple[Guide, ...], Field(max_length=_MAX_NETWORKS), FailFast()
    ] = ()
    """Networks that propose values for completions."""
    data: str = Field(default="", max_length=500)
    """What the model was trained on."""
    labels: tuple[_Named, ...] = Field(default=(), max_length=1000)
    """The labels of its images, in their order."""
    palette: tuple[Annotated[str, Field(max_length=9)], ...] = Field(
        default=(), max_length=256
    )
    """The colour of each category, `#rrggbb` or `#rrggbbaa`; empty without
    categories."""
    names: tuple[Annotated[str, Field(max_length=_MAX_NAME)], ...] = Field(
        default=(), max_length=256
    )
    """Names of the categories."""

    def files(self) -> dict[str, str]:
        """Return the SHA-256 of each file of weights by its path in the model's
        directory: those of members in their order, then those of guides that are no
        members.

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
    """Return the folder of the added models, which need not exist."""
    return added / "models"


class _CardName(Record):
    """The name on a card; all other fields are ignored."""

    name: str = Field(pattern=rf"^{NAME.pattern}$")


class JobFiles:
    """The paths of a job that trains a model or replaces one, below the directory of
    added models.

    The constructor only computes paths. `added` is the directory of added models,
    `name` the model's name.
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
        """True if the model of this name exists and was made by this job."""
        return owner_of(self.model).job == self.job_id

    @property
    def is_there(self) -> bool:
        """True if this job's model is published, complete as a draft, or being
        written."""
        is_waiting = self.draft.exists() or self.part.exists()
        return is_waiting or self.is_published

    def summary(self) -> str | None:
        """Return the result of the training as JSON text. Return None if this job has
        published no model, or if an earlier version wrote no summary."""
        if not self.is_published:
            return None
        try:
            return (self.model / SUMMARY).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def forget(self, is_kept: bool = False) -> None:
        """Delete the job's uploads and checkpoints, and the model that it has
        published.

        The model stays if `is_kept`, or if it has replaced another version: only an API
        may undo that. Files that cannot be deleted are left.
        """
        if not is_kept and self.is_published and not self.former.exists():
            with suppress(FileNotFoundError):  # another call has just deleted it
                remove(self.model)
        shutil.rmtree(self.place, ignore_errors=True)


def drafts_in(models: Path) -> dict[str, Path]:
    """Return the complete drafts in the folder of models: job id -> directory.

    A draft is complete once its owner.json names the job, because that file is written
    last.
    """
    return {
        job_id: place
        for job_id, place in _hidden(models, _DRAFT)
        if owner_of(place).job == job_id
    }


def formers_in(models: Path) -> dict[str, Path]:
    """Return the replaced versions that are still kept: id of the replacing job ->
    directory."""
    return dict(_hidden(models, _FORMER))


def name_of(place: Path) -> str | None:
    """Return the name on a model directory's card, or None if no valid card can be
    read."""
    try:
        with (place / CARD).open("rb") as file:
            card = _CardName.model_validate_json(file.read(MAX_CARD_BYTES))
    except (OSError, ValidationError):
        return None
    return card.name


def _hidden(models: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, Path]]:
    """Yield (first group, directory) for each hidden directory whose whole name
    matches."""
    for place in models.glob(".*"):
        if found := pattern.fullmatch(place.name):
            yield found.group(1), place


def uploads_in(added: Path) -> Path:
    """Return the folder of the trainings' uploads, which need not exist."""
    return added / "uploads"


def is_trained(added: Path, name: str) -> bool:
    """Return True if an open training is going to make a model of this name."""
    return any(uploads_in(added).glob(f"[!.]*/run/{name}"))


def remove(directory: Path) -> None:
    """Delete a directory with all its files. Its name is free at once. Raises
    FileNotFoundError if it is missing."""
    # Renamed first, so that no reader sees a half-deleted model.
    gone = directory.with_name(f".{uuid.uuid4().hex}.part")
    directory.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def names_in(models: Path) -> list[str]:
    """Return the sorted names of the complete models in a folder: those that have a
    card."""
    return sorted(
        card.parent.name
        for card in models.glob(f"*/{CARD}")
        if NAME.fullmatch(card.parent.name)
    )


def owner_of(place: Path) -> Owner:
    """Return the owner of the model in a directory.

    A model without owner.json was not added by a user and is shared with everybody. If
    the file cannot be read, the owner is NOBODY.
    """
    try:
        return Owner.model_validate_json((place / OWNER).read_bytes())
    except FileNotFoundError:
        return Owner(owner="", shared=True)
    except (OSError, ValidationError):
        return Owner(owner=NOBODY)


def is_seen_by(place: Path, owner: str) -> bool:
    """Return True if `owner` may use the model in a directory: if it is the model's
    owner, if the model is shared, or if the service has no keys (`owner` is ANYONE)."""
    found = owner_of(place)
    return found.shared or owner in (found.owner, ANYONE)


def private_owner(place: Path) -> str:
    """Return the owner of a private model, or an empty string if everybody sees it."""
    return announced_origin(place)["owner"]


def announced_origin(place: Path) -> dict[str, str]:
    """Return the fields `owner` and `job` with which a worker announces a model.

    `owner` is empty for a shared model, and `job` is empty if no job made it.
    """
    found = owner_of(place)
    return {"owner": "" if found.shared else found.owner, "job": found.job}
