"""Copies of the models that workers have served, by identity: jobs that were accepted
for a model may outlast its exchange. A model of which there is a copy has been examined
(examination.py)."""

import math
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
from worker.contract.added import OWNER, remove

KEPT_FOR_S = keys.ACTIVE_TTL_S + 24 * 3600
"""Seconds for which a copy is kept after its last use. No job is open for longer."""
FORGOTTEN_AFTER_S = 3600
"""Seconds for which copies are kept after an added model was deleted."""
USED = ".used"
"""File in a copy whose time of change is that of the last use. Copies of an earlier
version have none: for them, the time of the directory above counts."""
ADDED = ".added"
"""Empty file in the copy of a model that a user added. Such copies have a limit, because
users may exchange their models as often as they like."""

_MIB = 2**20


def default_directory() -> Path:
    """Return the folder pixelrnn/weights in the user's cache directory."""
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        / "pixelrnn"
        / "weights"
    )


class KeptWeights:
    """Copies of model directories, as `identity/name`; earlier versions made
    `sha256/name`. Several workers may share the folder."""

    def __init__(self, directory: Path, added_mib: float = math.inf) -> None:
        """directory: of the copies; it need not exist.
        added_mib: most MiB of all copies of added models together."""
        self._directory = directory
        self._added_bytes = added_mib * _MIB
        self._log = structlog.get_logger("weights")

    def keep(self, name: str, identity: str, source: Path) -> None:
        """Copy a model's card and weights, unless there is a copy, and note that it is
        used. Delete old copies, and those of added models that exceed the limit. A
        model whose card has another identity by now is not copied; an error, such as a
        full disk, is only logged."""
        place = self._place(name, identity)
        try:
            self._copy(source, place, identity)
            if (source / OWNER).exists() and place.exists():
                (place / ADDED).touch()
            self.forget_old()
            self._limit_added()
        except Exception as error:  # other programs may change both directories
            self._log.warning("weights_not_kept", model=name, reason=str(error))

    def forget_soon(self, name: str, identity: str | None = None) -> None:
        """Keep copies of this name for only FORGOTTEN_AFTER_S seconds more, which is
        time for open jobs.

        identity: default: all.
        """
        then = time.time() - KEPT_FOR_S + FORGOTTEN_AFTER_S
        of = "*" if identity is None else _plain(identity)
        for card in self._directory.glob(f"{of}/{_plain(name)}/{CARD}"):
            with suppress(OSError):
                used = card.with_name(USED)
                used.touch()
                os.utime(used, (then, then))

    def knows(self, card: Card) -> bool:
        """Return True if there is a copy of exactly this model's weights."""
        place = self._place(card.name, card.identity)
        return (place / CARD).is_file()

    def find(self, name: str, identity: str) -> Path | None:
        """Return the directory of a copy and note that it is used; None if there is
        none.

        identity: of the model, or the SHA-256 of its weights, which jobs of earlier
            versions name.

        Raises OSError if the use cannot be noted.
        """
        place = self._place(name, identity)
        if not (place / CARD).is_file():
            others = self._directory.glob(f"*/{_plain(name)}/{CARD}")
            matches = (card.parent for card in others if _is_named(card, identity))
            place = next(matches, None)
        if place is not None:
            _note_use(place)
        return place

    def _place(self, name: str, identity: str) -> Path:
        return self._directory / _plain(identity) / _plain(name)

    def _copy(self, source: Path, place: Path, identity: str) -> None:
        # Users' models are private: other users of this machine must not read them.
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.parent.mkdir(exist_ok=True)
        place.parent.touch()
        if place.exists():
            _note_use(place)
            return
        # A copy at its place is complete.
        unfinished = place.parent / f".{uuid4().hex}"
        try:
            unfinished.mkdir()
            for file in (source / CARD, *weights_in(source)):
                place_of = unfinished / file.relative_to(source)
                place_of.parent.mkdir(exist_ok=True)
                with open_regular(file) as original, place_of.open("wb") as copy:
                    shutil.copyfileobj(original, copy)
            if Card.read(unfinished / CARD).identity != identity:
                return  # the model was exchanged a moment ago
            (unfinished / USED).touch()
            unfinished.rename(place)
        except OSError:
            if not place.exists():  # otherwise another worker has made the copy
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def forget_old(self) -> None:
        """Delete copies that were not used for KEPT_FOR_S seconds."""
        limit = time.time() - KEPT_FOR_S
        for of_identity in self._directory.glob("*/"):
            with suppress(OSError):  # another worker may delete the same
                is_old = of_identity.stat().st_mtime < limit
                for copy in of_identity.iterdir():
                    if _last_use(copy) < limit:
                        shutil.rmtree(copy, ignore_errors=True)
                if is_old:
                    of_identity.rmdir()  # an error if copies are left in it

    def _limit_added(self) -> None:
        """Delete the least recently used copies of added models beyond the limit."""
        by_use: list[tuple[float, int, Path]] = []
        for mark in self._directory.glob(f"*/*/{ADDED}"):
            with suppress(OSError):  # another worker may delete the same
                copy = mark.parent
                by_use.append((_last_use(copy), _size(copy), copy))

        total = sum(size for _, size, _ in by_use)
        for _, size, copy in sorted(by_use):
            if total <= self._added_bytes:
                return
            with suppress(OSError):
                remove(copy)
                total -= size
                self._log.info("weights_forgotten", model=copy.name)


def _size(copy: Path) -> int:
    return sum(file.stat().st_size for file in copy.rglob("*") if file.is_file())


def _note_use(copy: Path) -> None:
    (copy / USED).touch()
    copy.parent.touch()  # workers of an earlier version look at this one


def _last_use(copy: Path) -> float:
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
    """Return the word as the name of a directory: a job's words come from Redis, and
    none may lead out of the folder."""
    letters = [letter if letter.isalnum() or letter in "-_" else "_" for letter in word]
    return "".join(letters)[:128] or "_"
