"""The files of the page, ready to be sent: typed, tagged, compressed. Knows no HTTP.

A checkout has the plain modules in app/playground, each of which is sent as it stands.
A wheel has in their place the few files that deploy/bundle_page.mjs makes of them.
"""

import gzip
import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

_ROOT = Path(
    os.environ.get("PIXELRNN_PAGE_DIR") or Path(__file__).parents[1] / "playground"
)
"""PIXELRNN_PAGE_DIR: for tests, which look at a bundle as they look at the plain modules."""
PAGE = "index.html"
HTML = "text/html; charset=utf-8"
_TYPES = MappingProxyType(
    {
        ".html": HTML,
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".webp": "image/webp",
        ".zip": "application/zip",
    }
)
_PACKED = frozenset({".html", ".css", ".js", ".json", ".svg"})
_IMPORT = re.compile(rb'(?m)^(?:import\b|\} from)[^"(\n]*"(\.[^"]+)"')
_ASKED_AT_ONCE = b"<!-- modules -->"
"""Where the page names the modules of its first view. In a bundle they stand there already."""
_PICTURES = b'data-pictures=""'
_UNSERVED = "one-file"
"""A bundle's code for `pixelrnn export --one-file`."""
_TAG_LENGTH = 16
_PREFIXED = re.compile(rf"([0-9a-f]{{{_TAG_LENGTH}}})/(.+)")


@dataclass(frozen=True)
class PageFile:
    """`packed`: the same compressed with gzip; empty for what is compressed as it is."""

    content: bytes
    packed: bytes
    media_type: str
    tag: str


@dataclass(frozen=True)
class Release:
    """All files as they are together. The page names the others below `tag`, which changes when any of them does, so
    that a browser may keep them for ever."""

    tag: str
    files: Mapping[str, PageFile]

    def find(self, path: str) -> tuple[PageFile | None, bool]:
        """The file at NAME or TAG/NAME, and whether it may be kept for ever: it was asked for by this release's tag."""
        prefixed = _PREFIXED.fullmatch(path)
        tag, name = prefixed.groups() if prefixed else ("", path)
        return self.files.get(name), tag == self.tag


@cache
def release() -> Release:
    """The files as they lay there when the first of them was asked for; who works on the page restarts the API."""
    paths = sorted(
        path
        for path in _ROOT.rglob("*")
        if path.suffix in _TYPES and path.is_file() and path.parent.name != _UNSERVED
    )
    contents = {path.relative_to(_ROOT).as_posix(): path.read_bytes() for path in paths}
    tag = _tag(
        b"".join(name.encode() + b"\0" + content for name, content in contents.items())
    )
    page = (
        contents[PAGE]
        .replace(_ASKED_AT_ONCE, _preloads(contents))
        .replace(_PICTURES, _pictures(contents))
    )
    contents[PAGE] = page.replace(b'"/playground/', f'"/playground/{tag}/'.encode())
    return Release(
        tag, {name: _file(name, content) for name, content in contents.items()}
    )


def _preloads(contents: Mapping[str, bytes]) -> bytes:
    """All modules of the first view are asked for with the page, so that none waits until another has been read."""
    modules = _imported(contents, "js/main.js")
    return b"\n".join(
        f'<link rel="modulepreload" href="/playground/{name}">'.encode()
        for name in modules
    )


def _imported(
    contents: Mapping[str, bytes], module: str, known: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """`known`, this module and whatever it imports, but for what is imported when it is used."""
    if module in known:
        return known
    known += (module,)
    for name in _IMPORT.findall(contents[module]):
        known = _imported(
            contents,
            posixpath.normpath(
                posixpath.join(posixpath.dirname(module), name.decode())
            ),
            known,
        )
    return known


def _pictures(names: Iterable[str]) -> bytes:
    """Names of the models that have a picture, so that the page asks for no other."""
    models = (
        name.removeprefix("img/model-").removesuffix(".webp")
        for name in names
        if name.startswith("img/model-")
    )
    return f'data-pictures="{" ".join(models)}"'.encode()


def _file(name: str, content: bytes) -> PageFile:
    suffix = Path(name).suffix
    packed = gzip.compress(content, mtime=0) if suffix in _PACKED else b""
    return PageFile(content, packed, _TYPES[suffix], _tag(content))


def _tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_TAG_LENGTH]
