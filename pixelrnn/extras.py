"""The extras of pyproject.toml that a verb needs, beyond what every installation has.
They are looked for before the verb runs."""

import re
from collections.abc import Callable, Iterator
from functools import wraps
from importlib.metadata import PackageNotFoundError, distribution, requires
from typing import Any

from model_core.errors import PixelRNNError
from worker.contract.kinds import KINDS

_DRAWS = ("worker",)
EXTRAS = {
    "api": ("api",),
    "worker": _DRAWS,
    "trainer": _DRAWS,
    "train": _DRAWS,
    "publish": _DRAWS,
    "mix": _DRAWS,
    "guide": _DRAWS,
    "evaluate": _DRAWS,
    "calibrate": _DRAWS,
    "entropy": _DRAWS,
    "export": _DRAWS,
    "address": _DRAWS,
    "bench_sampling": _DRAWS,
    "gpu_check": _DRAWS,
    "fetch": _DRAWS,
}
"""The extras of each verb that is not a kind of job. `up` checks its own, because they
depend on its options."""
FOR_THIS_PROCESSOR = ("train", "trainer")
"""Verbs that compile their code when they run, for all features of this CPU, instead of
taking code that was compiled ahead of time."""
REMOTE = "remote_"
"""Beginning of the names of the functions behind `pixelrnn remote`."""
NEED_NOTHING = (
    "up",
    "key",
    "add",
    "revoke",
    "list_keys",
    "health",
    "doctor",
    "models",
    "list_",
)
"""Verbs that run with what every installation has."""


class MissingExtraError(PixelRNNError):
    """Packages that a verb needs are not installed. The message says how to install
    them."""


def extras_of(verb: str, url: str | None = None) -> tuple[str, ...]:
    """Return the names of the extras of pyproject.toml that a verb needs.

    verb: the name of its function.
    url: the value of its --url, if it has one.
    """
    if url or verb.startswith(REMOTE):
        return ("client",)
    if verb in KINDS:
        return _DRAWS
    return () if verb in NEED_NOTHING else EXTRAS[verb]


def expect(*extras: str) -> None:
    """Raise MissingExtraError unless every package of these extras is installed.
    Sources that were never installed are not checked."""
    lacking = {
        extra: missing for extra in extras if (missing := sorted(_missing(extra)))
    }
    if lacking:
        packages = sorted(
            {package for missing in lacking.values() for package in missing}
        )
        raise MissingExtraError(
            f"not installed: {', '.join(packages)}; pip install "
            f"'.[{','.join(lacking)}]' in the checkout, or the wheel's file in place "
            "of the dot"
        )


def check_extras_first(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that checks for the verb's extras, raising MissingExtraError,
    and then runs the verb. The check comes after the arguments have been read, so that
    `--help` needs no extra. If the verb draws here, code that was compiled ahead of
    time is used (model_core/levels.py)."""

    @wraps(verb)
    def run(*arguments: Any, **options: Any) -> Any:
        extras = extras_of(verb.__name__, options.get("url"))
        expect(*extras)
        if extras == _DRAWS and verb.__name__ not in FOR_THIS_PROCESSOR:
            from model_core import levels

            levels.choose()
        return verb(*arguments, **options)

    return run


def _missing(extra: str) -> Iterator[str]:
    """Yield the names of an extra's packages that are not installed."""
    for package in _packages(extra):
        try:
            distribution(package)
        except PackageNotFoundError:
            yield package


def _packages(extra: str) -> Iterator[str]:
    """Yield the names of an extra's packages; none if the project runs from sources
    that were never installed."""
    try:
        requirements = requires("pixelrnn") or []
    except PackageNotFoundError:
        return
    for requirement in requirements:
        wanted, _, condition = requirement.partition(";")
        if re.search(rf"extra == ['\"]{extra}['\"]", condition) and (
            name := re.match(r"[\w.-]+", wanted)
        ):
            yield name[0]
