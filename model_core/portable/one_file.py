"""A page that is one HTML file: the service's page with the JavaScript engine and weights in it.
It opens by a double click, offline.

A page of the scheme file: may fetch nothing and import nothing. So the code of the page
and of the engine's worker are bundles (deploy/release/bundle_page.mjs), and every other file is
in an element of its own, as base64. The content security policy in the page names the
hashes of its two scripts and of its style, and allows no connection at all.
"""

import base64
import hashlib
import html
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from model_core import shipped
from model_core.errors import ConfigError
from model_core.models import Model
from model_core.models_directory import CARD
from model_core.portable.folder import (
    BUNDLES,
    PAGE,
    PICTURES,
    check_exportable,
    kilobytes,
    list_of,
    network_kinds,
    write_engine,
)
from model_core.portable.packed import write_packed

_MARK = "<body data-one-file"
"""Text by which a page that this module wrote is told from any other file."""
_MARK_WITHIN = 1 << 20
"""Characters of a file in which the mark is looked for: code and style come before
it."""
_TYPES = {
    ".json": "application/json",
    ".js": "application/octet-stream",
    ".gz": "application/gzip",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""The types of elements with files. None is a type of scripts, so that a browser runs
none of them."""
_OF_MODEL = "model-"
"""Beginning of the names of the pictures of models."""
_ENGINE_FILES = ("*.wasm.gz", "modules.json")
_PRELOADS = re.compile(r'<link rel="modulepreload" href="[^"]+">\n?')


def export_one_file(
    models: Sequence[Model],
    file: Path,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Write a page with these models into one HTML file, and report how large its parts
    are. The process must have been started with target.ENVIRONMENT before it imported
    numba.

    models: at least one; names must differ.
    file: a new one, or a page that was exported before, which is replaced.
    say: called with each line of the report.

    Raises ModelError if a model cannot be exported; ConfigError for other models or
    files than these, or if the page cannot be bundled here.
    """
    if not models:
        raise ConfigError(
            "expected models after the file: each adds its weights to it, as in "
            "pixelrnn export --one-file page.html mnist-diagonal-bilstm"
        )
    check_exportable(models)
    _expect_no_other_file(file)

    try:
        with _bundled_page() as page, tempfile.TemporaryDirectory() as place:
            files = _files(models, page, Path(place), say)
            content = _page(page, models, files)
        _replace(file, content)
    except OSError as error:
        raise ConfigError(
            f"cannot write {error.filename or file}: {error.strerror or error}"
        ) from None
    for name, source in PICTURES.items():
        say(f"{name}: {source}")
    say(f"{file.name}: {len(content.encode()) / 1000:.1f} kB")


def _expect_no_other_file(file: Path) -> None:
    """Raise ConfigError if something else would be overwritten."""
    if file.is_dir():
        raise ConfigError(f"{file} is a folder: expected the name of a file")
    if file.exists():
        with file.open(encoding="utf-8", errors="replace") as found:
            if _MARK not in found.read(_MARK_WITHIN):
                raise ConfigError(
                    f"{file} is another file: expected a new one, or a page that was "
                    "exported before"
                )


@contextmanager
def _bundled_page() -> Iterator[Path]:
    """Context manager that yields the directory of the bundled page: an installed copy
    contains it, a checkout makes it. Raises ConfigError if it cannot be made."""
    if (shipped.PAGE / BUNDLES).is_dir():
        yield shipped.PAGE
        return
    if shipped.IS_INSTALLED:
        raise ConfigError(
            "this copy was built without Node, so its page cannot become one file: "
            "install a wheel that was built with Node, or export a folder"
        )

    root = shipped.PAGE.parents[1]
    node = shutil.which("node")
    esbuild = root / "tests" / "browser" / "node_modules" / "esbuild"
    if node is None or not esbuild.is_dir():
        raise ConfigError(
            "a checkout bundles the page for --one-file, which needs Node and "
            "npm ci --prefix tests/browser; an installed wheel does not"
        )
    with tempfile.TemporaryDirectory() as directory:
        page = Path(directory) / "page"
        script = root / "deploy" / "release" / "bundle_page.mjs"
        done = subprocess.run(
            [node, script, page], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ConfigError(f"the page cannot be bundled: {done.stderr.strip()}")
        yield page


def _files(
    models: Sequence[Model], page: Path, place: Path, say: Callable[[str], None]
) -> dict[str, bytes]:
    """Return the files that the page contains, by their paths.

    place: an empty directory for those that have to be made.
    """
    files = {"engine/worker.js": (page / BUNDLES / "worker.js").read_bytes()}
    write_engine(place, network_kinds(models))
    for pattern in _ENGINE_FILES:
        for file in sorted((place / "engine").glob(pattern)):
            files[f"engine/{file.name}"] = file.read_bytes()

    files["models/index.json"] = list_of(models).encode()
    for model in models:
        written = write_packed(model, place / "models" / model.card.name)
        say(f"{model.card.name}: {kilobytes(written)}")
        for file in written:
            if file.name == CARD:
                continue  # the engine reads none
            files[file.relative_to(place).as_posix()] = file.read_bytes()

    own = {f"{_OF_MODEL}{name}.webp" for name in _pictured(models, page)}
    for picture in sorted((page / "img").iterdir()):
        is_needed = not picture.name.startswith(_OF_MODEL) or picture.name in own
        if picture.suffix in _TYPES and is_needed:
            files[f"img/{picture.name}"] = picture.read_bytes()
    for texts in sorted((page / "js" / "lang").glob("*.json")):
        files[f"lang/{texts.name}"] = texts.read_bytes()
    return files


def _page(page: Path, models: Sequence[Model], files: dict[str, bytes]) -> str:
    """Return the page of the bundle with everything in it that it names."""
    style = _text(page / "css" / "page.css")
    for font in (page / "font").glob("*.woff2"):
        style = style.replace(f"../font/{font.name}", _data_url(font))
    early = _text(page / "js" / "early.js")
    code = _text(page / BUNDLES / "page.js")
    assert "</script" not in (early + code).lower(), "a script would end there"
    assert "</style" not in style.lower(), "the style would end there"

    shown = " ".join(sorted(_pictured(models, page)))
    logo = _data_url(page / "img" / "logo.svg")
    policy = html.escape(_policy(scripts=(early, code), style=style), quote=False)
    viewport = '<meta name="viewport"'
    # Code and style come last, since they may contain anything.
    changes = {
        '<body data-pictures="">': f'{_MARK} data-folder="models/" data-pictures="{shown}">',
        "</body>": "".join(map(_element, files, files.values())) + "</body>",
        '"/playground/img/logo.svg"': f'"{logo}"',
        viewport: f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n{viewport}',
        '<link rel="stylesheet" href="/playground/css/page.css">': f"<style>{style}</style>",
        '<script src="/playground/js/early.js"></script>': f"<script>{early}</script>",
        '<script type="module" src="/playground/js/main.js"></script>': f'<script type="module">{code}</script>',
    }
    content = _PRELOADS.sub("", _text(page / PAGE))
    for before, after in changes.items():
        assert before in content, f"the page has no {before}"
        content = content.replace(before, after)
    return content


def _policy(scripts: Sequence[str], style: str) -> str:
    """Return the policy of a page that runs its own code and the drawing loops, and
    connects to nothing."""
    runs = " ".join(f"'{_hash(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {runs} 'wasm-unsafe-eval'; worker-src blob:; style-src '{_hash(style)}'; "
        "img-src blob: data:; font-src data:; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types pixelrnn-engine"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _element(path: str, content: bytes) -> str:
    kind = _TYPES[Path(path).suffix]
    text = base64.b64encode(content).decode()
    return f'<script type="{kind}" data-file="{html.escape(path)}">{text}</script>\n'


def _pictured(models: Sequence[Model], page: Path) -> set[str]:
    """Return the names of the models whose pictures the page contains."""
    return {
        model.card.name
        for model in models
        if (page / "img" / f"{_OF_MODEL}{model.card.name}.webp").is_file()
    }


def _data_url(file: Path) -> str:
    content = base64.b64encode(file.read_bytes()).decode()
    return f"data:{_TYPES[file.suffix]};base64,{content}"


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _replace(file: Path, content: str) -> None:
    """Write a file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    try:
        new.write_text(content, encoding="utf-8", newline="\n")
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
