"""The models that a worker has served, kept by identity: jobs that were accepted for them may outlast their exchange. A
model that lies here has been examined (examination.py)."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import structlog

from model_core.card import Card
from model_core.errors import PixelRNNError
from model_core.models_directory import CARD, weights_in
from model_core.regular_files import open_regular
from worker.contract import keys

KEPT_FOR_S = keys.ACTIVE_TTL_S + 24 * 3600
"""Since a worker last began with them or needed them: no job is open for longer."""
FORGOTTEN_AFTER_S = 3600
"""Since a model was taken away that somebody had added."""
USED = ".used"
"""A file in a copy, whose time of change is that of the last use. Copies that an earlier
version made have none: for them, the time of the directory above counts."""


def usual_directory() -> Path:
    """The usual place in the user's cache."""
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        / "pixelrnn"
        / "weights"
    )


class KeptWeights:
    """Copies of model directories, as `identity/name`; earlier versions made `sha256/name`. Several workers may share
    the folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = structlog.get_logger("weights")

    def keep(self, name: str, identity: str, source: Path) -> None:
        """Copy the model's directory, unless that is done. Without a place to write nothing is kept, and the log says
        so."""
        try:
            self._copy(source, self._place(name, identity), identity)
            self.forget_old()
        except Exception as error:  # the edge to whoever can write to either directory
            self._log.warning("weights_not_kept", model=name, reason=str(error))

    def forget_soon(self, name: str, identity: str | None = None) -> None:
        """Keep copies only for `FORGOTTEN_AFTER_S` more: time for jobs that are open.

        They are those of this name, of one identity or of all. Models of other names
        that have the same identity are kept as before.
        """
        then = time.time() - KEPT_FOR_S + FORGOTTEN_AFTER_S
        of = "*" if identity is None else _plain(identity)
        for card in self._directory.glob(f"{of}/{_plain(name)}/{CARD}"):
            with suppress(OSError):
                used = card.with_name(USED)
                used.touch()
                os.utime(used, (then, then))

    def knows(self, card: Card) -> bool:
        """True for a model that a worker of this folder has served."""
        place = self._place(card.name, card.identity)
        return (place / CARD).is_file()

    def find(self, name: str, identity: str) -> Path | None:
        """The directory of the model, by its identity, or by the sha256 of its weights, which jobs that an earlier
        version accepted name; None where there is none."""
        place = self._place(name, identity)
        if not (place / CARD).is_file():
            others = self._directory.glob(f"*/{_plain(name)}/{CARD}")
            place = next(
                (card.parent for card in others if _is_named(card, identity)), None
            )
        if place is not None:
            _note_use(place)
        return place

    def _place(self, name: str, identity: str) -> Path:
        return self._directory / _plain(identity) / _plain(name)

    def _copy(self, source: Path, place: Path, identity: str) -> None:
        """Under another name first: what stands at its place is whole."""
        # Users' models are private: other users of this machine must not read them.
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.parent.mkdir(exist_ok=True)
        place.parent.touch()
        if place.exists():
            _note_use(place)
            return
        unfinished = place.parent / f".{uuid4().hex}"
        try:
            unfinished.mkdir()
            for file in (source / CARD, *weights_in(source)):
                place_of = unfinished / file.relative_to(source)
                place_of.parent.mkdir(exist_ok=True)
                with open_regular(file) as original, place_of.open("wb") as copy:
                    shutil.copyfileobj(original, copy)
            if (
                Card.read(unfinished / CARD).identity != identity
            ):  # exchanged a moment ago
                return
            (unfinished / USED).touch()
            unfinished.rename(place)
        except OSError:
            if not place.exists():  # else another worker was as quick
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def forget_old(self) -> None:
        """Delete the copies that were not used for `KEPT_FOR_S`."""
        limit = time.time() - KEPT_FOR_S
        for of_identity in self._directory.glob("*/"):
            with suppress(OSError):  # another worker may delete the same
                is_old = of_identity.stat().st_mtime < limit
                for copy in of_identity.iterdir():
                    if _last_use(copy) < limit:
                        shutil.rmtree(copy, ignore_errors=True)
                if is_old:
                    of_identity.rmdir()  # an error if copies are left in it


def _note_use(copy: Path) -> None:
    (copy / USED).touch()
    copy.parent.touch()  # workers of an earlier version look at this one


def _last_use(copy: Path) -> float:
    """Return the time of a copy's last use, in seconds since 1970."""
    try:
        return (copy / USED).stat().st_mtime
    except FileNotFoundError:
        return copy.parent.stat().st_mtime


def _is_named(card: Path, identity: str) -> bool:
    try:
        return Card.read(card).answers_to(identity)
    except PixelRNNError:
        return False


def _plain(word: str) -> str:
    """The word as the name of a directory. A job's words come from Redis: none of them leads out of the folder."""
    return (
        "".join(
            letter if letter.isalnum() or letter in "-_" else "_" for letter in word
        )[:128]
        or "_"
    )
