"""The files of the page, as they lie in app/playground, ready to be sent: typed, tagged, compressed. Knows no HTTP."""

import gzip
import hashlib
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

_ROOT = Path(__file__).parents[1] / "playground"
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
_FOR_READERS = re.compile(
    rb"(?ms)^\n|^[ \t]*(?:/\*(?:(?!\*/).)*\*/\n|//[^\n]*\n)?[ \t]*|/\*\* @.*?\*/ ?"
)
"""Whole lines of comments, types, indents, empty lines: for readers of the sources. No module has a text over lines."""
_IMPORT = re.compile(rb'(?m)^(?:import\b|\} from)[^"(\n]*"(\.[^"]+)"')
_ASKED_AT_ONCE = b"<!-- modules -->"
_PICTURES = b'data-pictures=""'
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
        path for path in _ROOT.rglob("*") if path.suffix in _TYPES and path.is_file()
    )
    contents = {
        path.relative_to(_ROOT).as_posix(): _bytes_to_send(path) for path in paths
    }
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


def _bytes_to_send(path: Path) -> bytes:
    content = path.read_bytes()
    return _FOR_READERS.sub(b"", content) if path.suffix in (".js", ".css") else content


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
