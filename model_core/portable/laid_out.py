"""`python -m model_core.portable.laid_out DIR MODELS...`: lay models, by their directories, out for browsers.

DIR/RELEASE/engine/ is the engine of this version, DIR/RELEASE/models/IDENTITY/ the card and packed weights of a model;
DIR/release names the last release. What is there already is left, so that addresses in a release
may be kept for ever. Models that cannot be exported are left out.
"""

import hashlib
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from model_core import shipped

NAMED = "release"
BUILT = "portable"
"""Directory within `levels.FOLDER` in which wheels and images have the shipped models laid out."""
NICENESS = 10


def release() -> str:
    """The digest of all files of the engine."""
    files = sorted(file for file in shipped.ENGINE.rglob("*") if file.is_file())
    content = [
        file.relative_to(shipped.ENGINE).as_posix().encode() + file.read_bytes()
        for file in files
    ]
    return hashlib.sha256(b"".join(content)).hexdigest()[:16]


def missing(folder: Path, identities: Iterable[str]) -> set[str]:
    """Identities of models that are not laid out for this version's engine."""
    place = folder / release() / "models"
    return {identity for identity in identities if not (place / identity).is_dir()}


def take_built(folder: Path, identities: Iterable[str]) -> None:
    """Copy the models of these identities that were laid out ahead of time, in a moment.

    The others are left to `lay_out`.
    """
    from model_core.levels import FOLDER

    source = FOLDER / BUILT / release()
    place = folder / release()
    for identity in identities:
        built = source / "models" / identity
        if not built.is_dir():
            continue
        _make(place / "engine", lambda made: shutil.copytree(shipped.ENGINE, made))
        _make(
            place / "models" / identity,
            lambda made, built=built: shutil.copytree(built, made),
        )
        _name(folder)


def lay_out(folder: Path, models: Iterable[Path]) -> None:
    """Lay out these models, in a process that was told of the target (target.py) before it imported numba."""
    from model_core.models import load_model
    from model_core.portable.packed import unportable, write_packed

    place = folder / release()
    _make(place / "engine", lambda made: shutil.copytree(shipped.ENGINE, made))
    parent = os.getppid()
    for directory in models:
        if os.getppid() != parent:
            return  # nobody waits for it any more
        model = load_model(directory)
        if unportable(model) is None:
            _make(
                place / "models" / model.card.identity,
                lambda made, model=model: write_packed(model, made),
            )
            _name(folder)


def _make(target: Path, write: Callable[[Path], object]) -> None:
    """Write a folder that is there as a whole or not at all."""
    if target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.with_name(f".{uuid.uuid4().hex}")
    try:
        write(made)
        made.rename(target)
    except OSError:
        if not target.is_dir():  # another process was faster
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _name(folder: Path) -> None:
    made = folder / f".{uuid.uuid4().hex}"
    made.write_text(release(), encoding="utf-8")
    made.replace(folder / NAMED)


def main() -> None:
    """Work in the background, for a worker."""
    os.nice(NICENESS)
    folder, *models = map(Path, sys.argv[1:])
    lay_out(folder, models)


if __name__ == "__main__":
    main()
