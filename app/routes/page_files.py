"""The files of the page, ready to be sent: typed, tagged, compressed. Knows no HTTP.

A wheel has the few files that deploy/release/bundle_page.mjs makes of the modules in
app/playground. A checkout has the modules; if `make` has bundled exactly these, the
files of the bundle in build/page win.
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
"""Directory of the page. PIXELRNN_PAGE_DIR is for tests of a bundle."""
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
        ".woff2": "font/woff2",
        ".txt": "text/plain; charset=utf-8",
    }
)
_PACKED = frozenset({".html", ".css", ".js", ".json", ".svg"})
_IMPORT = re.compile(rb'(?m)^(?:import\b|\} from)[^"(\n]*"(\.[^"]+)"')
_ASKED_AT_ONCE = b"<!-- modules -->"
"""Place in the page for the names of the modules of its first view. A bundle contains
them already."""
_PICTURES = b'data-pictures=""'
_UNSERVED = "one-file"
"""Directory of a bundle's code for `pixelrnn export --one-file`, which is not served.
"""
_TAG_LENGTH = 16
_PREFIXED = re.compile(rf"([0-9a-f]{{{_TAG_LENGTH}}})/(.+)")


@dataclass(frozen=True)
class PageFile:
    """A file as it is sent."""

    content: bytes
    """The file, not compressed."""
    packed: bytes
    """The content compressed with gzip; empty if its format is compressed already."""
    media_type: str
    tag: str
    """16 hexadecimal digits of the SHA-256 of the content, for ETag."""


@dataclass(frozen=True)
class Release:
    """All files of the page.

    The page names the others below `tag`, which changes when any of them changes, so
    that a browser may keep them for ever.
    """

    tag: str
    """16 hexadecimal digits of the SHA-256 of all names and contents."""
    files: Mapping[str, PageFile]
    """By path below the page's directory, such as "js/main.js"."""

    def find(self, path: str) -> tuple[PageFile | None, bool]:
        """Return the file at NAME or TAG/NAME, None if there is none; and True if it
        may be kept for ever, because it was requested by this release's tag."""
        prefixed = _PREFIXED.fullmatch(path)
        tag, name = prefixed.groups() if prefixed else ("", path)
        return self.files.get(name), tag == self.tag


@cache
def release() -> Release:
    """Read all files, once: a change of the page needs a restart of the API."""
    contents = _served(_ROOT)
    bundle = _ROOT.parents[1] / "build" / "page"
    if _is_made_of_this(bundle):
        contents |= _served(bundle)
    tag = _tag(
        b"".join(name.encode() + b"\0" + content for name, content in contents.items())
    )
    page = (
        contents[PAGE]
        .replace(_ASKED_AT_ONCE, _preloads(contents))
        .replace(_PICTURES, _pictures(contents))
    )
    # Relative, because a proxy may show the page below a path.
    contents[PAGE] = page.replace(b'"/playground/', f'"playground/{tag}/'.encode())
    return Release(
        tag, {name: _file(name, content) for name, content in contents.items()}
    )


def _served(root: Path) -> dict[str, bytes]:
    """Return the contents of the files in a directory that are served, by path."""
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix in _TYPES and path.is_file() and path.parent.name != _UNSERVED
    )
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def _is_made_of_this(bundle: Path) -> bool:
    """Return True if a bundle was made of the page as it is now, which its file
    sources.sha256 says: times do not, because a clone sets them anew."""
    try:
        made_of = (bundle / "sources.sha256").read_text()
    except OSError:
        return False
    files = {
        path.relative_to(_ROOT).as_posix(): path.read_bytes()
        for path in _ROOT.rglob("*")
        if path.is_file()
    }
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + hashlib.sha256(files[name]).digest())
    return digest.hexdigest() == made_of


def _preloads(contents: Mapping[str, bytes]) -> bytes:
    """Return links with which a browser requests all modules of the first view together
    with the page, so that none waits until another has been read."""
    modules = _imported(contents, "js/main.js")
    return b"\n".join(
        f'<link rel="modulepreload" href="/playground/{name}">'.encode()
        for name in modules
    )


def _imported(
    contents: Mapping[str, bytes], module: str, known: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return `known`, this module, and all modules that it imports statically, each
    once."""
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
    """Return the attribute with the names of models that have a picture, so that the
    page requests no others."""
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
