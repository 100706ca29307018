"""Extras of pyproject.toml that verbs need beyond what every installation has, looked for before the verb runs."""

import re
from collections.abc import Callable, Iterator
from functools import wraps
from importlib.metadata import PackageNotFoundError, distribution, requires
from typing import Any

from model_core.errors import PixelRNNError
from worker.contract.kinds import KINDS

_DRAWS = ("worker",)
NEEDED = {
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
    "bench_sampling": _DRAWS,
    "gpu_check": _DRAWS,
    "fetch": _DRAWS,
}
"""Packages that each verb needs, but for those of kinds of job. `up` says itself what it needs."""
FOR_THIS_PROCESSOR = ("train", "trainer")
"""Verbs whose code is compiled where they run, for all that this processor has."""
REMOTE = "remote_"
"""How the verbs begin that ask a service of its jobs."""
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


class MissingExtraError(PixelRNNError):
    """Packages that a verb needs are not installed."""


def needed(verb: str, url: str | None = None) -> tuple[str, ...]:
    """The extras of a verb, which may ask a service at a `url`; LookupError when nobody said what it needs."""
    if url or verb.startswith(REMOTE):
        return ("client",)
    if verb in KINDS:
        return _DRAWS
    return () if verb in NEED_NOTHING else NEEDED[verb]


def expect(*extras: str) -> None:
    """Raises MissingExtraError, which says what to install, unless every package of these extras is there."""
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


def guarded(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A verb that first checks for its extras: after its arguments are understood, so that `--help` needs none. One
    that draws then takes the code that was compiled ahead of time."""

    @wraps(verb)
    def run(*arguments: Any, **options: Any) -> Any:
        extras = needed(verb.__name__, options.get("url"))
        expect(*extras)
        if extras == _DRAWS and verb.__name__ not in FOR_THIS_PROCESSOR:
            from model_core import levels

            levels.choose()
        return verb(*arguments, **options)

    return run


def _missing(extra: str) -> Iterator[str]:
    for package in _packages(extra):
        try:
            distribution(package)
        except PackageNotFoundError:
            yield package


def _packages(extra: str) -> Iterator[str]:
    """Names of the distributions of an extra; none where this runs from sources that were never installed."""
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
