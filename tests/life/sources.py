"""Text of the scripts, changed as they are loaded."""

import contextlib
from collections.abc import Iterator
from types import ModuleType

from app import store
from tests.life.faults import CLOCK
from worker.contract import scripts
from worker.queue import beginning, held_jobs, recovery, taking

_HOLDERS: tuple[ModuleType, ...] = (
    scripts,
    store,
    beginning,
    held_jobs,
    recovery,
    taking,
)
"""Modules that hold scripts in constants."""


@contextlib.contextmanager
def changed(old: str, new: str, only: str = "") -> Iterator[None]:
    """Every script, or the one of this name, with this text in place of that. ValueError where no script has it."""
    found = [
        (module, name, value)
        for module in _HOLDERS
        for name, value in vars(module).items()
        if isinstance(value, str)
        and "redis.call" in value
        and old in value
        and only in ("", name)
    ]
    if not found:
        raise ValueError(f"no script has {old!r}")
    for module, name, value in found:
        setattr(module, name, value.replace(old, new))
    try:
        yield
    finally:
        for module, name, value in found:
            setattr(module, name, value)


def clock_by_hand() -> contextlib.AbstractContextManager[None]:
    """Time passes when the test says so."""
    return changed(
        "local t = redis.call('TIME')", f"local t = {{redis.call('GET', '{CLOCK}'), 0}}"
    )
