"""Models for browsers, as workers export them (model_core/portable/laid_out.py), by
identity."""

import re
from pathlib import Path

from app.errors import NoPortableError, NotPortableError
from app.schema.answers import Model, PortableModel

PREFIX = "/portable/"
_RELEASE = re.compile(r"[0-9a-f]{16}")
_PATH = re.compile(
    r"[0-9a-f]{16}/(?:engine(?:/posterior)?|models/([0-9a-f]{64}))/[A-Za-z0-9_-][A-Za-z0-9._-]*"
)
"""Path of a file; the group is the model's identity, unless it is one of the engine."""


class PortableModels:
    """The folder to which workers export models."""

    def __init__(self, folder: Path | None, root_path: str) -> None:
        """folder: None if no models are offered to browsers.
        root_path: precedes every path."""
        self._folder = folder
        self._prefix = f"{root_path}{PREFIX}"

    def of(self, model: Model) -> PortableModel:
        """Return the addresses of a model for browsers. Raises NoPortableError if this
        server offers none, and NotPortableError if this model is not exported."""
        if self._folder is None:
            raise NoPortableError(
                "this server offers no models for browsers: see PIXELRNN_PORTABLE_DIR"
            )
        release = self._release()
        if not self._has(release, model):
            raise NotPortableError(
                f"no worker has laid out {model.name} for browsers, which has "
                f"{model.parameters:,} parameters of 4 bytes: a Multi-Scale model "
                "never is, nor one whose weights exceed the workers' "
                "PIXELRNN_PORTABLE_MIB"
            )
        place = f"{self._prefix}{release}/models/{model.identity_or_digest}/"
        addresses = {"engine": f"{self._prefix}{release}/engine/", "model": place}
        return PortableModel(digest=model.digest, identity=model.identity, **addresses)

    def names(self, models: list[Model]) -> list[str]:
        """Return the names of those models that are exported."""
        release = self._release()
        return [model.name for model in models if self._has(release, model)]

    def _release(self) -> str:
        """Return the release that workers have exported; empty if there is none."""
        if self._folder is None:
            return ""
        try:
            release = (self._folder / "release").read_text(encoding="ascii")
        except (OSError, ValueError):
            return ""
        return release if _RELEASE.fullmatch(release) else ""

    def _has(self, release: str, model: Model) -> bool:
        file = f"{release}/models/{model.identity_or_digest}/portable.json"
        return (
            self._folder is not None
            and bool(release)
            and (self._folder / file).is_file()
        )

    @staticmethod
    def identity_in(path: str) -> str | None:
        """Return the identity of the model in a path below PREFIX; None if it is not the
        path of a model's file."""
        found = _PATH.fullmatch(path)
        return found and found[1]

    def file(self, path: str) -> Path | None:
        """Return the file at a path below PREFIX; None if the path is not one of an
        export, or there is no such file."""
        if self._folder is None or not _PATH.fullmatch(path):
            return None
        found = self._folder / path
        return found if found.is_file() else None
