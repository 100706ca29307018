"""A static folder that draws: index.html, playground/, engine/, models/NAME/. Any web server can offer it.

The page is that of the service, whose answers this browser gives; it knows by `data-folder` that there is no service.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from model_core import shipped
from model_core.errors import ConfigError, ModelError
from model_core.models import Model
from model_core.portable.modules import MODULES, modules
from model_core.portable.packed import unportable, write_packed

PAGE = "index.html"
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types pixelrnn-engine"
)
"""The policy of app/routes/page.py, told by the page itself, and leave to run the drawing loops."""
PICTURES = {
    "digits.png": "8 test digits of binarized MNIST (made from MNIST, CC BY-SA 3.0, Yann LeCun and Corinna Cortes)",
    "characters.webp": "64 characters of GNU Unifont 15.1 (SIL Open Font License 1.1)",
    "emoji.png": "8 of Noto Emoji by Google (Apache-2.0)",
}
"""Real pictures that the page brings along, by others; all else in its folder was drawn for this project or by it."""
BUNDLES = "one-file"
"""Directory of a bundled page with the code of the page that is one file (one_file.py)."""


def export(
    models: Sequence[Model],
    folder: Path,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Write the folder with these models, and say what each file's folder weighs.

    Raises ModelError when one cannot be exported, ConfigError when the folder is there and is not one of these.
    """
    for model in models:
        if (reason := unportable(model)) is not None:
            raise ModelError(reason)
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
        say(
            f"{part}: {kilobytes([file for file in (folder / part).rglob('*') if file.is_file()])}"
        )
    for name, source in PICTURES.items():
        say(
            f"playground/img/{name}, {kilobytes([folder / 'playground' / 'img' / name])}: {source}"
        )


def _check(folder: Path) -> None:
    """A folder of somebody else's is left alone."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: expected a folder, or none")
    if (
        folder.is_dir()
        and any(folder.iterdir())
        and not (folder / "engine" / MODULES.name).exists()
    ):
        raise ConfigError(
            f"{folder} has other files in it: expected a new folder, or one that was exported before"
        )


def network_kinds(models: Sequence[Model]) -> set[str]:
    """Return the kinds of networks that draw these models or guide them."""
    guides = (guide.network for model in models for guide in model.guides)
    return {
        *(network.config.network for network in guides),
        *(model.config.network for model in models),
    }


def write_engine(folder: Path, kinds: set[str]) -> None:
    """Copy the engine, with the modules of these kinds alone."""
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
    """Copy the service's page: its addresses are relative, and it brings the pictures of these models' cards."""
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
        '<body data-pictures="">': f'<body data-folder="models/" data-pictures="{shown}">',
    }
    page = (shipped.PAGE / PAGE).read_text(encoding="utf-8")
    for before, after in changes.items():
        page = page.replace(before, after)
    (folder / PAGE).write_text(page, encoding="utf-8")


def list_of(models: Sequence[Model]) -> str:
    """Return, in JSON, the list of the models that the page offers: exactly these."""
    return json.dumps([_facts(model) for model in models], indent=2) + "\n"


def _facts(model: Model) -> dict[str, Any]:
    """Tell what the page knows of a model, under the names that GET /models has."""
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
    return f"{sum(file.stat().st_size for file in files) / 1000:.1f} kB"
