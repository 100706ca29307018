"""Models for browsers, as workers lay them out (model_core/portable/laid_out.py), by their identity."""

import re
from pathlib import Path

from app.errors import NoPortableError, NotPortableError
from app.schema.answers import Model, PortableModel

PREFIX = "/portable/"
_RELEASE = re.compile(r"[0-9a-f]{16}")
_PATH = re.compile(r"[0-9a-f]{16}/(engine(/posterior)?|models/[0-9a-f]{64})/[A-Za-z0-9_-][A-Za-z0-9._-]*")


class PortableModels:
    """The directory of the workers; None where nothing is offered."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def of(self, model: Model) -> PortableModel:
        """Raises NoPortableError where none is offered, NotPortableError for one that is not there."""
        if self._folder is None:
            raise NoPortableError("this server offers no models for browsers: see PIXELRNN_PORTABLE_DIR")
        try:
            release = (self._folder / "release").read_text(encoding="ascii")
        except (OSError, ValueError):
            release = ""
        place = f"{release}/models/{model.identity_or_digest}/"
        if not _RELEASE.fullmatch(release) or not (self._folder / place / "portable.json").is_file():
            raise NotPortableError("no worker has laid this model out for browsers: a Multi-Scale one never is")
        addresses = {"engine": f"{PREFIX}{release}/engine/", "model": f"{PREFIX}{place}"}
        return PortableModel(digest=model.digest, identity=model.identity, **addresses)

    def file(self, path: str) -> Path | None:
        """The file at an address below PREFIX; None where there is none."""
        if self._folder is None or not _PATH.fullmatch(path):
            return None
        found = self._folder / path
        return found if found.is_file() else None
