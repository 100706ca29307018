"""A static folder that draws in the browser: index.html, playground/, engine/,
models/NAME/. Any web server can serve it.

The page is that of the service; what the service would answer, the browser computes.
The attribute `data-folder` says that there is no service.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from model_core import shipped
from model_core.errors import ConfigError, ModelError
from model_core.models import Model
from model_core.portable.modules import MODULES, modules
from model_core.portable.packed import unportable, write_packed
from model_core.portable.sizes import is_large, weight_bytes

PAGE = "index.html"
_MARK = b'<body data-folder="models/"'
"""Text by which the page of an export is told from any other file."""
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types pixelrnn-engine"
)
"""The content security policy of app/routes/page.py, which the page itself contains,
and the permission to run the drawing loops."""
PICTURES = {
    "digits.png": "8 test digits of binarized MNIST (made from MNIST, CC BY-SA 3.0, Yann LeCun and Corinna Cortes)",
    "characters.webp": "64 characters of GNU Unifont 15.1 (SIL Open Font License 1.1)",
    "emoji.png": "8 of Noto Emoji by Google (Apache-2.0)",
}
"""Pictures by others that the page brings along, and where they are from. Everything
else in its folder was drawn for this project or by it."""
BUNDLES = "one-file"
"""Directory of a bundled page with the code of the page that is one file
(one_file.py)."""


def export(
    models: Sequence[Model],
    folder: Path,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Write a folder with these models, and report how large its parts are. The process
    must have been started with target.ENVIRONMENT before it imported numba.

    folder: a new one, or one that was exported before: then its engine, page and models
        are replaced.
    say: called with each line of the report.

    Raises ModelError if a model cannot be exported; ConfigError if two have the same
    name, or if the folder cannot be written, is a file, or contains other files.
    """
    check_exportable(models)
    _check(folder)
    try:
        write_engine(folder, network_kinds(models))
        shutil.rmtree(folder / "models", ignore_errors=True)
        for model in models:
            files = write_packed(model, folder / "models" / model.card.name)
            say(f"{model.card.name}: {kilobytes(files)}")
        listed = folder / "models" / "index.json"
        listed.write_text(list_of(models), encoding="utf-8")
        _write_page({model.card.name for model in models}, folder)
    except OSError as error:
        raise ConfigError(
            f"cannot write {error.filename or folder}: {error.strerror or error}"
        ) from None
    for part in ("engine", "playground"):
        files = [file for file in (folder / part).rglob("*") if file.is_file()]
        say(f"{part}: {kilobytes(files)}")
    for name, source in PICTURES.items():
        picture = folder / "playground" / "img" / name
        say(f"playground/img/{name}, {kilobytes([picture])}: {source}")


def check_exportable(models: Sequence[Model]) -> None:
    """Raise ModelError if one of the models cannot be exported, and ConfigError if two
    have the same name, because one would overwrite the other."""
    for model in models:
        if (reason := unportable(model)) is not None:
            raise ModelError(reason)
    counts = Counter(model.card.name for model in models)
    for name, count in counts.items():
        if count > 1:
            raise ConfigError(
                f"{count} models have the name {name} in their cards: expected "
                "different names"
            )


def left_out(models: Mapping[str, Model], models_dir: Path) -> dict[str, str]:
    """Return why some models are not exported by default, as name -> sentence for a
    user: the model cannot be exported, its card has the name of another model, or its
    weights are large (sizes.py). All other models are missing from the result.

    models: by the names of their directories in `models_dir`, from which the names in
        their cards may differ.
    """
    reasons = dict[str, str]()
    for name, model in models.items():
        place = models_dir / name
        if (reason := unportable(model)) is not None:
            # The sentence has the name in the card.
            reasons[name] = reason if model.card.name == name else f"{name}: {reason}"
        elif model.card.name != name and model.card.name in models:
            reasons[name] = (
                f"{name} has the name of another model, {model.card.name}, in its card"
            )
        elif is_large(place):
            megabytes = weight_bytes(place) / 1e6
            reasons[name] = (
                f"{name} has {megabytes:.1f} MB of weights, which a page would load "
                "whole: name it to export it"
            )
    return reasons


def _check(folder: Path) -> None:
    """Raise ConfigError if the folder exists and was not exported before."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: expected a folder, or none")
    if folder.is_dir() and any(folder.iterdir()) and not _was_exported(folder):
        raise ConfigError(
            f"{folder} has other files in it: expected a new folder, or one that was "
            "exported before"
        )


def _was_exported(folder: Path) -> bool:
    """Return True if the folder has the page of an export."""
    try:
        # An engine would not do: a checkout of this project has one, too, and models
        # that must not be replaced.
        return _MARK in (folder / PAGE).read_bytes()
    except OSError:
        return False


def network_kinds(models: Sequence[Model]) -> set[str]:
    """Return the names of the kinds of network of these models and of their guides,
    such as `row-lstm`."""
    guides = (guide.network for model in models for guide in model.guides)
    return {
        *(network.config.network for network in guides),
        *(model.config.network for model in models),
    }


def write_engine(folder: Path, kinds: set[str]) -> None:
    """Write engine/ into a folder, with only the modules of these kinds of network,
    such as `row-lstm`. An existing one is replaced."""
    target = folder / "engine"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(
        shipped.ENGINE,
        target,
        ignore=shutil.ignore_patterns("*.wasm.gz", "*.d.ts", MODULES.name),
    )
    wanted = {kind: facts for kind, facts in modules().items() if kind in kinds}
    for facts in wanted.values():
        for file in (facts["file"], facts["relaxed"]["file"]):
            shutil.copyfile(shipped.ENGINE / file, target / file)
    (target / MODULES.name).write_text(
        json.dumps(wanted, indent=2) + "\n", encoding="utf-8"
    )


def _write_page(names: set[str], folder: Path) -> None:
    """Write the service's page, whose addresses are relative, with the pictures of
    these models' cards."""
    target = folder / "playground"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(
        shipped.PAGE, target, ignore=shutil.ignore_patterns("*.d.ts", PAGE, BUNDLES)
    )
    pictures = {
        picture.stem.removeprefix("model-"): picture
        for picture in (target / "img").glob("model-*")
    }
    for name in pictures.keys() - names:
        pictures[name].unlink()
    files = sorted(
        file.relative_to(folder).as_posix() for file in (target / "js").rglob("*.js")
    )
    shown = " ".join(sorted(pictures.keys() & names))
    preloads = (f'<link rel="modulepreload" href="{file}">' for file in files)
    changes = {
        '<meta name="viewport"': f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport"',
        '"/playground/': '"playground/',
        "<!-- modules -->": "\n".join(preloads),
        '<body data-pictures="">': f'{_MARK.decode()} data-pictures="{shown}">',
    }
    page = (shipped.PAGE / PAGE).read_text(encoding="utf-8")
    for before, after in changes.items():
        page = page.replace(before, after)
    (folder / PAGE).write_text(page, encoding="utf-8")


def list_of(models: Sequence[Model]) -> str:
    """Return the list of the models that the page offers, as JSON text: exactly these
    models, in this order."""
    return json.dumps([_facts(model) for model in models], indent=2) + "\n"


def _facts(model: Model) -> dict[str, Any]:
    """Return what the page needs to know of a model, under the names of GET /models."""
    config, card = model.config, model.card
    scores = card.scores if card.scores.get("split") == "test" else {}
    return {
        **{
            name: getattr(config, name)
            for name in ("network", "channels", "height", "width", "values")
        },
        **{
            name: getattr(card, name)
            for name in ("name", "data", "parameters", "identity")
        },
        "title": config.kind.title,
        "digest": card.sha256,
        "members": [member.orientation for member in model.members],
        "labels": [{"name": label.name, "prior": label.prior} for label in card.labels],
        "test_nats": scores.get("nats"),
        "test_bits_per_dim": scores.get("bits_per_dim"),
        "palette": card.palette or None,
        "names": card.names,
        "can": ["sample", "complete", "score", *(["classify"] if card.labels else [])],
        "methods": ["posterior", "clamp"],
        "max_particles": 256,
        "small_height": 0,
        "small_width": 0,
        "state": "ready",
        "compiling": False,
    }


def kilobytes(files: Sequence[Path]) -> str:
    """Return the size of these files together as text, in kB of 1,000 bytes."""
    return f"{sum(file.stat().st_size for file in files) / 1000:.1f} kB"
