"""Removes from the folder of models for browsers what no worker serves any more.

    FOLDER/release                      the name of the newest release
    FOLDER/RELEASE/models/IDENTITY/     a model (model_core/portable/laid_out.py)
    FOLDER/RELEASE/models/.DRAFT/       one that is being written

All workers that share the folder do so. APIs may see it read-only, and send no file of
a model that nobody serves, whether it has been removed or not.
"""

import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import structlog
from redis.exceptions import RedisError

from worker.contract.cards import WorkerInfo

_RELEASE = "[0-9a-f]" * 16
_IDENTITY = "[0-9a-f]" * 64
_RELEASES = 2
"""Releases that stay: open pages may still read the last but one."""
_DRAFT_S = 3600.0
"""Age in seconds of a draft that nobody is writing any more."""


class PortableFolder:
    """The folder, as one worker sees it."""

    LOOK_S = 5.0
    """Seconds between two looks."""
    UNSERVED_S = 30.0
    """Seconds for which no worker may have announced a model before it is removed:
    writing it again takes minutes, and a worker announces some models only seconds
    after its start."""

    def __init__(
        self, folder: Path, name: str, live: Callable[[], list[WorkerInfo]]
    ) -> None:
        """name: of this worker.
        live: returns the announcements of all live workers."""
        self._folder = folder
        self._name = name
        self._live = live
        self._unserved: dict[Path, float] = {}
        """Directories of models that nobody serves -> time at which each was first
        found so."""

    def turn(self) -> float:
        """Look once; return the seconds until the next call. Errors are logged."""
        try:
            self._look()
        except (RedisError, OSError) as error:
            log = structlog.get_logger("models")
            log.warning("portable_not_looked_at", error=str(error))
        return self.LOOK_S

    def _look(self) -> None:
        workers = self._live()
        if all(worker.name != self._name for worker in workers):
            return  # not announced yet, or Redis has lost all announcements
        served = {
            card.identity_or_digest
            for worker in workers
            for card in worker.models
            if not card.owner
        }
        now = time.monotonic()
        self._unserved = {
            place: self._unserved.get(place, now)
            for place in self._folder.glob(f"{_RELEASE}/models/{_IDENTITY}")
            if place.name not in served
        }
        for place, since in self._unserved.items():
            if now - since >= self.UNSERVED_S:
                _remove(place)
        for place in self._folder.glob(f"{_RELEASE}/models/.*"):
            if place.stat().st_mtime < time.time() - _DRAFT_S:
                _remove(place)
        for place in self._old_releases():
            _remove(place)

    def _old_releases(self) -> list[Path]:
        named = self._folder / "release"
        newest = named.read_text("ascii") if named.exists() else ""
        releases = sorted(
            self._folder.glob(_RELEASE),
            key=lambda place: (place.name == newest, place.stat().st_mtime),
        )
        return releases[:-_RELEASES]


def _remove(directory: Path) -> None:
    # Renamed first, so that nobody reads half of it.
    gone = directory.with_name(f".{uuid.uuid4().hex}")
    try:
        directory.rename(gone)
    except FileNotFoundError:  # another worker was faster
        return
    shutil.rmtree(gone, ignore_errors=True)
