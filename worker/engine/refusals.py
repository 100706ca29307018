"""The reasons why a model is not served, as text that any user may see."""

import re
import sys
import tempfile
from pathlib import Path

import structlog

from model_core.errors import PixelRNNError
from worker.engine.failures import is_gpu_error, is_out_of_memory

LONGEST = 500
"""Most characters of an announced reason."""
_LONGEST_BEFORE_CUT = 8192
"""Most characters of a reason that may still contain paths, which are long."""


_FOLDERS = re.compile(r"(?<![\w/.])/(?:[\w.+@-]+/)+")
"""The folders of an absolute path."""
_FILE_ADDRESS = re.compile(r"\bfile:/+")
"""What precedes the path in an address of a file."""


def reason_of(error: Exception) -> str:
    """Return the reason as text for JSON. It may contain the path of the model's
    directory, but of a file that an OSError names only the file name."""
    if is_out_of_memory(error):
        reason = "there is not enough memory for it"
    elif isinstance(error, OSError) and error.strerror:
        file = Path(error.filename).name if isinstance(error.filename, str) else ""
        reason = f"{file}: {error.strerror}" if file else error.strerror
    elif isinstance(error, (PixelRNNError, OSError, FloatingPointError)) and str(error):
        reason = str(error)
    else:
        reason = f"looking at it failed: {type(error).__name__}: {error}"
    return reason.encode(errors="backslashreplace").decode()[:_LONGEST_BEFORE_CUT]


def log_refusal(name: str, error: Exception, place: Path) -> str:
    """Log why a model is not served, and return the reason without any path of this
    machine, in at most LONGEST characters.

    place: the model's directory.

    Raises `error` again if the GPU has failed.
    """
    if is_gpu_error(error):
        raise error
    reason = reason_of(error)
    structlog.get_logger("models").error("model_refused", model=name, reason=reason)
    return without_places(reason, place)[:LONGEST]


def without_places(reason: str, place: Path) -> str:
    """Return a text for clients, in which paths have lost their folders. Files of the
    directory `place` are shown relative to it."""
    for directory in (place, place.absolute(), place.resolve()):
        reason = reason.replace(f"{directory}/", "").replace(str(directory), "it")
    reason = _FILE_ADDRESS.sub("/", reason)
    for directory in _known_directories(place):
        reason = reason.replace(f"{directory}/", "")
    return _FOLDERS.sub("", reason)


def _known_directories(place: Path) -> list[str]:
    # The names of directories may contain spaces, which no pattern can tell from the end
    # of a path. The longest come first.
    package = Path(__file__).parents[2]
    roots = (place.resolve(), package, Path.cwd(), Path.home(), Path(sys.prefix))
    found: set[str] = set()
    for root in (*roots, Path(tempfile.gettempdir())):
        for directory in (root, *root.parents):
            found.add(str(directory))
    found.discard("/")
    return sorted(found, key=len, reverse=True)
