"""The directory of models that were added through the API: API and workers share it.

DIR/models/NAME/ is a model's directory, with OWNER beside its card: who added it, and whether everybody sees it.
DIR/uploads/JOB/ has the pictures of a training while that is open, and its checkpoints.
"""

import re
import shutil
import uuid
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


class AddedCard(Record):
    """The part of a model's card that says which files it has; a worker reads the rest."""

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

    def files(self) -> dict[str, str]:
        """The sha256 of each file of weights by its place: of members in their order, then of guides."""
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


class JobFiles:
    """Everything of a job that brings a model: DIR/uploads/JOB of a training, and the model."""

    def __init__(self, added: Path, job_id: str, name: str) -> None:
        self.job_id, self.name = job_id, name
        self.place = uploads_in(added) / job_id
        self.run = self.place / "run" / name
        """Its checkpoints. While this directory is there, the model's name is taken."""
        self.cache = self.place / "cache"
        """Its decoded pictures. Not beside `run`, where a directory's name is taken."""
        self.best = self.run / "best.safetensors"
        """The checkpoint that would be published."""
        self.finish = self.place / "finish"
        """A file whose presence asks for the end."""
        self.deaths = self.place / "deaths"
        """A file with one byte for each time that the training's process has died."""
        self.model = models_in(added) / name
        """The place of the model that it brings."""
        self.draft = models_in(added) / f".{job_id}"
        """One that is handed in, before it has its name."""

    @property
    def is_published(self) -> bool:
        return owner_of(self.model).job == self.job_id

    @property
    def is_there(self) -> bool:
        """Does the model lie there, or is it about to?"""
        return self.draft.exists() or self.is_published

    def forget(self, is_kept: bool = False) -> None:
        """Delete all of it, and, unless that is kept, the model that it has made."""
        if not is_kept and self.is_published:
            remove(self.model)
        shutil.rmtree(self.place, ignore_errors=True)


def uploads_in(added: Path) -> Path:
    return added / "uploads"


def is_trained(added: Path, name: str) -> bool:
    """Is a model of this name being trained?"""
    return any(uploads_in(added).glob(f"*/run/{name}"))


def remove(directory: Path) -> None:
    """Delete a directory: it is gone at once, even while somebody reads it."""
    gone = directory.with_name(f".{uuid.uuid4().hex}")
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


def seen_by(place: Path) -> str:
    """The owner of a private model, who alone sees it; empty for one that everybody sees."""
    return whence(place)["owner"]


def whence(place: Path) -> dict[str, str]:
    """Say who brought a model, as a worker announces it: `owner`, as of `seen_by`, and `job`."""
    found = owner_of(place)
    return {"owner": "" if found.shared else found.owner, "job": found.job}
