"""The shipped models, and which of their files have been examined.

`models/examined.json` has the SHA-256 of the card and of each file of weights of every
shipped model. `make weights` writes it after it has scored each model and drawn from
it. A worker hashes the files when it starts and examines a model whose hashes differ.
Comparing identities would prove nothing, because an identity is computed from the card.
"""

import hashlib
import json
from pathlib import Path

from model_core import shipped
from model_core.models_directory import CARD, weights_in
from model_core.regular_files import open_regular

LIST = shipped.MODELS / "examined.json"


def is_examined(directory: Path, examined: Path = LIST) -> bool:
    """Return True if every file of the model in `directory`, whatever its name, has the
    SHA-256 that the list has for one of its models: a copy of a shipped model is the
    same model.

    examined: the list, a JSON file.
    """
    card = _sha256(directory / CARD)
    expected = [files for files in _listed(examined).values() if files[CARD] == card]
    # The card of another model needs no hash of its weights, which may be large.
    return bool(expected) and file_digests(directory) in expected


def file_digests(directory: Path) -> dict[str, str]:
    """Return the SHA-256, in hexadecimal, of a model's card and files of weights, by
    path relative to its directory."""
    files = sorted([directory / CARD, *weights_in(directory)])
    return {file.relative_to(directory).as_posix(): _sha256(file) for file in files}


def _sha256(file: Path) -> str:
    with open_regular(file) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def renew(models: Path) -> Path:
    """Write examined.json for all models in the directory `models`, and return its
    path."""
    listed = {
        card.parent.name: file_digests(card.parent)
        for card in sorted(models.glob(f"*/{CARD}"))
    }
    path = models / LIST.name
    path.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    return path


def _listed(examined: Path) -> dict[str, dict[str, str]]:
    try:
        return json.loads(examined.read_text(encoding="utf-8"))
    except FileNotFoundError:  # a directory of a user's own models has no list
        return {}
