"""`python -m model_core.portable.laid_out DIR MODELS...`: write models, given by their
directories, in the form that browsers read.

DIR/RELEASE/engine/ is the JavaScript engine of this version, DIR/RELEASE/models/IDENTITY/ the card
and packed weights of a model; DIR/release contains the name of the last release. What
exists already is left, so that addresses of a release never change, but for what
calibration changes (`renew`). Models that cannot be exported are left out.
"""

import hashlib
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from model_core import shipped
from model_core.models_directory import CARD
from model_core.parent import die_with_parent

NAMED = "release"
BUILT = "portable"
"""Directory within `levels.FOLDER` in which wheels and images have the shipped models
in this form."""
NICENESS = 10


def release() -> str:
    """Return the name of the directory of this version's engine: the first 16
    hexadecimal digits of the digest of all its files."""
    files = sorted(file for file in shipped.ENGINE.rglob("*") if file.is_file())
    content = [
        file.relative_to(shipped.ENGINE).as_posix().encode() + file.read_bytes()
        for file in files
    ]
    return hashlib.sha256(b"".join(content)).hexdigest()[:16]


def missing(folder: Path, identities: Iterable[str]) -> set[str]:
    """Return those of these models' identities (Card.identity) that are not in `folder`
    for this version's engine."""
    place = folder / release() / "models"
    return {identity for identity in identities if not (place / identity).is_dir()}


def take_built(folder: Path, identities: Iterable[str]) -> None:
    """Copy into `folder` the models of these identities that were written ahead of
    time, with the engine, and name this release in the file `release` if there is one.
    This takes a moment; the others are left to `lay_out`."""
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


def renew(folder: Path, models: Mapping[Path, str]) -> None:
    """Bring those of these models that are in `folder` up to date with their cards,
    whose validation scores may have changed.

    models: directory -> identity.
    """
    from model_core.card import Card
    from model_core.portable import packed

    place = folder / release() / "models"
    for directory, identity in models.items():
        if (place / identity).is_dir():
            packed.renew(place / identity, Card.read(directory / CARD))


def lay_out(folder: Path, models: Iterable[Path]) -> None:
    """Write the models in these directories, and the engine, into `folder`. Models that
    cannot be exported or are there already are left out. The file `release` names this
    release as soon as one of its models is there.

    The process must have been started with target.ENVIRONMENT before it imported numba.
    Raises ModelError for a model that cannot be loaded.
    """
    from model_core.models import load_model
    from model_core.portable.packed import unportable, write_packed

    place = folder / release()
    _make(place / "engine", lambda made: shutil.copytree(shipped.ENGINE, made))
    for directory in models:
        model = load_model(directory)
        if unportable(model) is None:
            _make(
                place / "models" / model.card.identity,
                lambda made, model=model: write_packed(model, made),
            )
            _name(folder)


def _make(target: Path, write: Callable[[Path], object]) -> None:
    """Write a folder whole or not at all, unless it exists."""
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
    """Do `lay_out` with the arguments of the command line, at a low priority. The
    process is killed when its parent dies."""
    die_with_parent(os.getppid())
    os.nice(NICENESS)
    folder, *models = map(Path, sys.argv[1:])
    lay_out(folder, models)


if __name__ == "__main__":
    main()
