"""Loads Lua scripts from `lua/NAME.lua` beside the module that runs them.

A file may begin with `--!include NAME ...`: those files are inserted before it, each
only once, from the script's own folder or else from the contract's. `names` is not a
file: it stands for the constants of keys.py and events.py, so that a script writes
`keys.OPEN` as Python does.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from worker.contract import keys
from worker.contract.events import TERMINAL_EVENT

_INCLUDE = "--!include "
_CONTRACT = "worker.contract"
_NAMES = "-- names\n"
_NAME = re.compile(r"\bkeys\.([A-Z_]+)")


def load(package: str, name: str) -> str:
    """Return the script of this name in a package's folder `lua`, with everything that
    it includes."""
    return expand(_read(package, name), package)


def expand(text: str, package: str = _CONTRACT) -> str:
    """Return a script with the text of its includes before it.

    package: the package whose folder is searched first.
    """
    whole = "".join(_parts(text, package, set()))
    # Only the constants that the script uses: Redis creates them anew in each call.
    return whole.replace(_NAMES, _names(frozenset(_NAME.findall(whole))))


@lru_cache
def digest_of(script: str) -> str:
    """Return the script's SHA-1, by which a Redis server calls a script that it has
    loaded."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _parts(text: str, package: str, seen: set[str]) -> list[str]:
    first, _, rest = text.partition("\n")
    if not first.startswith(_INCLUDE):
        return [text]
    parts = []
    for name in first.removeprefix(_INCLUDE).split():
        if name not in seen:
            seen.add(name)
            parts += _parts(_included(package, name), package, seen)
    return [*parts, rest]


def _included(package: str, name: str) -> str:
    if name == "names":
        return _NAMES
    return _read(package if _file(package, name).is_file() else _CONTRACT, name)


def _read(package: str, name: str) -> str:
    return _file(package, name).read_text("utf-8")


def _file(package: str, name: str) -> Traversable:
    return files(package).joinpath("lua", f"{name}.lua")


def _names(used: Collection[str]) -> str:
    """Return Lua text that defines `keys` (constants of keys.py) and `event_of` (final
    status -> type of the last event)."""
    constants = {name: value for name, value in vars(keys).items() if name in used}
    ends = {status.value: event.value for status, event in TERMINAL_EVENT.items()}
    return f"local keys = {_table(constants)}\nlocal event_of = {_table(ends)}\n"


def _table(values: Mapping[str, str | int]) -> str:
    fields = [f"{name} = {_literal(value)}" for name, value in sorted(values.items())]
    return "{" + ", ".join(fields) + "}"


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else f"'{value}'"
