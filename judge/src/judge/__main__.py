"""The command `python -m judge FILE.py:FUNCTION`."""

import argparse
import json
import sys
import tokenize
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, cast

import numpy as np

from judge.errors import CannotJudgeError
from judge.judging import judge
from judge.picture import draw_leaks
from judge.places import pixel_order
from judge.questions import Nats
from judge.verdict import Verdict

SOUND = 0
NOT_SOUND = 1
NOT_JUDGED = 2

DAMAGED = (
    *(ValueError, TypeError, SyntaxError, OverflowError, MemoryError),
    tokenize.TokenError,
)
"""Errors that NumPy raises for .npy files with damaged or foreign content."""

DESCRIPTION = """\
Judge whether the function NAME of FILE.py, which maps integers (N, *shape) to -ln p of
each variable, belongs to a probability distribution. FILE.py is executed: do not judge
files that you do not trust. Exit status: 0 sound, 1 not sound, 2 could not be judged.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge one function, print the verdict, and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        verdict = _judge(options)
        picture = _save_picture(verdict, options.picture)
    except (CannotJudgeError, ValueError, OSError, ImportError) as error:
        return _report_failure(str(error), options.json)
    if options.json:
        print(json.dumps(verdict.as_json(), indent=2))
    else:
        print(verdict.report())
    if picture:
        print(picture, file=sys.stderr)
    return SOUND if verdict.sound else NOT_SOUND


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m judge", description=DESCRIPTION)
    parser.add_argument("function", metavar="FILE.py:NAME", help="executed")
    parser.add_argument("--data", type=Path, help="integers (N, *shape), a .npy file")
    parser.add_argument(
        "--shape", type=_sizes, help="such as 3,32,32; default: that of the data"
    )
    parser.add_argument(
        "--values",
        type=int,
        help="values of one variable; default: the least power of two above the data",
    )
    parser.add_argument("--claim", type=float, help="bits/dim that are claimed")
    parser.add_argument(
        "--order",
        help="order of generation: `pixels` (row by row, colour by colour) or a .npy "
        "file of flat indices; default: as the variables lie in memory",
    )
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument(
        "--picture", type=Path, help="draw located leaks into this file; needs Pillow"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _judge(options: argparse.Namespace) -> Verdict:
    data = None
    shape = options.shape
    values = options.values
    if options.data is not None:
        data = _load_integers(options.data)
        shape = shape or data.shape[1:]
        values = values or _guess_values(data)
    if shape is None or values is None:
        raise ValueError("without --data, --shape and --values are needed")
    order = None
    if options.order == "pixels":
        if len(shape) != 3:
            raise ValueError(f"--order pixels needs a shape C,H,W, not {shape}")
        order = pixel_order(shape)
    elif options.order is not None:
        order = _load_integers(options.order)
    function = _load_function(options.function)
    verdict = judge(
        function, shape, values, data, options.claim, order, seed=options.seed
    )
    if options.values is None:
        verdict.notes.append(f"{values} values, guessed from the data: see --values")
    return verdict


def _load_integers(path: str | Path) -> np.ndarray:
    """Return the array of integers or booleans in a .npy file.

    Raises:
        ValueError: the file is no .npy file, or has other content.
        OSError: it cannot be read.
    """
    # np.load would also open archives, which are no arrays.
    with Path(path).open("rb") as file:
        try:
            array = np.lib.format.read_array(file, allow_pickle=False)
        except DAMAGED as error:
            raise ValueError(f"{path} is not a readable .npy file: {error}") from error
    if array.dtype.kind not in "iub":
        raise ValueError(f"{path} holds {array.dtype}, expected integers")
    return array


def _guess_values(data: np.ndarray) -> int:
    largest = int(data.max()) if data.size else 1
    return max(2, 1 << largest.bit_length())


def _load_function(address: str) -> Nats:
    """Execute a file and return the function that the address names.

    Raises:
        CannotJudgeError: the file has no such function, or raises, or calls sys.exit.
        ValueError: the address has no colon.
    """
    path, colon, name = address.rpartition(":")
    if not colon:
        raise ValueError(f"{address!r} is not of the form FILE.py:NAME")
    spec = spec_from_file_location("judged", path)
    if spec is None or spec.loader is None:
        raise CannotJudgeError(f"{path} is no Python file")
    module = module_from_spec(spec)
    # Neighbours of the file can be imported, as if it were run as a script.
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        spec.loader.exec_module(module)
    # A file that calls sys.exit would end this process with an exit status of its own,
    # which would be taken for a verdict.
    except (Exception, SystemExit) as error:
        raise CannotJudgeError(
            f"{path} raised {type(error).__name__}: {error}"
        ) from error
    function: Any = getattr(module, name, None)
    if function is None or not callable(function):
        raise CannotJudgeError(f"{path} has no function {name}")
    return cast(Nats, function)


def _save_picture(verdict: Verdict, path: Path | None) -> str | None:
    """Draw the leaks into a file, and return what to print about it."""
    if path is None:
        return None
    if not any(each.cause is not None for each in verdict.findings):
        return "no leak was located, so there is no picture"
    draw_leaks(verdict).save(path)
    return f"leaks are drawn in {path}"


def _report_failure(text: str, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"sound": None, "error": text}))
    else:
        print(f"could not be judged: {text}", file=sys.stderr)
    return NOT_JUDGED


if __name__ == "__main__":
    sys.exit(main())
