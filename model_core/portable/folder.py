"""A static folder that draws: index.html, engine/, models/NAME/. Any web server can offer it."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from model_core import shipped
from model_core.errors import ConfigError, ModelError
from model_core.models import Model
from model_core.portable.modules import MODULES, modules
from model_core.portable.packed import unportable, write_packed

_PAGE = "index.html"


def export(models: Sequence[Model], folder: Path, say: Callable[[str], None] = lambda line: None) -> None:
    """Write the folder with these models, and say what each file's folder weighs.

    Raises ModelError when one cannot be exported, ConfigError when the folder is there and is not one of these.
    """
    for model in models:
        if (reason := unportable(model)) is not None:
            raise ModelError(reason)
    _check(folder)
    try:
        guides = {guide.network.config.network for model in models for guide in model.guides}
        _write_engine(folder, guides | {model.config.network for model in models})
        shutil.rmtree(folder / "models", ignore_errors=True)
        for model in models:
            files = write_packed(model, folder / "models" / model.card.name)
            say(f"{model.card.name}: {_kilobytes(files)}")
        _write_list(models, folder)
        shutil.copyfile(shipped.ENGINE / "page" / _PAGE, folder / _PAGE)
    except OSError as error:
        raise ConfigError(f"cannot write {error.filename or folder}: {error.strerror or error}") from None
    say(f"engine: {_kilobytes([file for file in (folder / 'engine').rglob('*') if file.is_file()])}")


def _check(folder: Path) -> None:
    """A folder of somebody else's is left alone."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: expected a folder, or none")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "engine" / MODULES.name).exists():
        raise ConfigError(f"{folder} has other files in it: expected a new folder, or one that was exported before")


def _write_engine(folder: Path, kinds: set[str]) -> None:
    """Copy the engine, with the modules of these kinds alone."""
    target = folder / "engine"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(shipped.ENGINE, target, ignore=shutil.ignore_patterns("*.wasm.gz", "*.d.ts", _PAGE, MODULES.name))
    wanted = {kind: facts for kind, facts in modules().items() if kind in kinds}
    for facts in wanted.values():
        for file in (facts["file"], facts["relaxed"]["file"]):
            shutil.copyfile(shipped.ENGINE / file, target / file)
    (target / MODULES.name).write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")


def _write_list(models: Sequence[Model], folder: Path) -> None:
    """Write the list of the models that the page offers: exactly these."""
    listed = [
        {
            "name": model.card.name,
            "sha256": model.card.sha256,
            "identity": model.card.identity,
            "about": _about(model),
            "labels": [label.name for label in model.card.labels],
        }
        for model in models
    ]
    (folder / "models" / "index.json").write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")


def _about(model: Model) -> str:
    config, card = model.config, model.card
    return f"{config.kind.title}, {config.width} x {config.height}, {card.parameters:,} weights, trained on {card.data}"


def _kilobytes(files: Sequence[Path]) -> str:
    return f"{sum(file.stat().st_size for file in files) / 1000:.0f} kB"
