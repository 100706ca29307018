"""Several pictures for one verb: which they are, and what is printed about each."""

import csv
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from model_core.data.picture_names import ALL_SUFFIXES, find_pictures
from model_core.errors import DataError
from model_core.places import check_folder, check_place
from pixelrnn.kind_results import Done, Facts, How

STDOUT = Path("-")
FORMATS = ".png", ".webp", ".jpg", ".jpeg"
_NUMBERS_OF_A_SCORE = (
    "nats",
    "bits_per_dim",
    "p_value",
    "typicality",
    "bits_over_png",
    "quantised_pixels",
)
"""Facts of a score that are columns of its table."""


@dataclass(frozen=True)
class Results:
    """The facts of each picture, with its `file`, and a sentence for each that was left
    out, with the reason."""

    pictures: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def done(self, model: str) -> Done:
        """Return the result of the verb, with the facts `model`, `pictures` and
        `left_out`. Raises DataError, with the first reason, if every picture was left
        out."""
        if not self.pictures:
            raise DataError(self.left_out[0])
        facts = {"model": model, "pictures": self.pictures, "left_out": self.left_out}
        return Done(facts, facts)


def pictures_of(given: Path | Sequence[Path]) -> list[Path]:
    """Return the paths of these files and of all pictures in these folders and their
    subfolders, without hidden ones. The files are not checked. Raises DataError for a
    folder without pictures."""
    return [
        file
        for path in ([given] if isinstance(given, Path) else given)
        for file in _files(path)
    ]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if names := find_pictures(path):
        return [path / name for name in names]
    raise DataError(f"there is no picture in {path}")


def check(draws: bool, options: Facts, how: How) -> None:
    """Check the options of a verb for several pictures, before anything is done. Raise
    typer.BadParameter for options that only one picture can have, and for an `out` that
    would overwrite the given pictures or is a file. Raise DataError if the results
    could not be written.

    draws: True if the verb draws pictures, which then go into a folder.
    options: of the verb, by name.
    """
    if how.show or (how.out is not None and not draws) or options.get("n") == 0:
        raise typer.BadParameter("--map, --show and --n 0 are of one picture")
    if how.out is not None:
        if how.out == STDOUT or how.out.suffix in FORMATS:
            raise typer.BadParameter(
                f"--out: expected a folder for several pictures, not {how.out}"
            )
        if how.out.is_dir() and how.out.samefile(options["image"]):
            raise typer.BadParameter(
                f"--out: expected another folder than {how.out}, whose pictures would "
                "be overwritten"
            )
        check_folder(how.out)
    if how.csv is not None and how.csv != STDOUT:
        check_place(how.csv)


def places(out: Path, folder: Path, file: Path, n: int) -> list[Path]:
    """Return the n paths for the completions of a picture, and create their folder.
    They lie below `out` as `file` does below `folder`, and end in .png: for a.png
    `a.png`, or `a-0.png`, `a-1.png`, ... if n > 1; for a.jpg `a.jpg.png`, or
    `a.jpg-0.png`, ...

    Raises ValueError if `file` does not lie below `folder`.
    """
    name = out / file.relative_to(folder)
    without = file.with_suffix("")
    # a.jpg.png beside a.jpg becomes a.jpg.png.png, so that no two pictures have the
    # same path.
    is_taken = without.suffix.lower() in ALL_SUFFIXES and without.is_file()
    if file.suffix == ".png" and not is_taken:
        name = name.with_suffix("")
    name.parent.mkdir(parents=True, exist_ok=True)
    return [
        name.with_name(f"{name.name}{f'-{i}' if n > 1 else ''}.png") for i in range(n)
    ]


def write_table(word: str, facts: Facts, how: How) -> None:
    """Write a table with a line for each picture, at least one, as CSV: to `how.csv`,
    or to stdout if that is None. Does nothing for kinds of job other than score and
    classify, or if stdout has the JSON and no file is named.

    word: the kind of job.
    facts: those of the verb's result.
    """
    if word not in _ROWS or (how.json_ and how.csv is None):
        return
    rows = [{"file": each["file"], **_ROWS[word](each)} for each in facts["pictures"]]
    place = how.csv or STDOUT
    with (
        nullcontext(sys.stdout)
        if place == STDOUT
        else place.open("w", newline="", encoding="utf-8") as file
    ):
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _score_row(facts: Facts) -> dict[str, Any]:
    second = (
        {f"against_{name}": facts["against"][name] for name in ("nats", "log_ratio")}
        if facts.get("against")
        else {}
    )
    return {name: facts[name] for name in _NUMBERS_OF_A_SCORE} | second


def _label_row(facts: Facts) -> dict[str, Any]:
    best, by_number = (
        facts["labels"][0],
        sorted(facts["labels"], key=lambda each: each["label"]),
    )
    of_each = {f"p({each['name']})": each["p"] for each in by_number}
    return {
        "label": best["name"],
        "p": best["p"],
        "nats": facts["nats"],
        "quality": facts["quality"],
        **of_each,
    }


_ROWS: Mapping[str, Callable[[Facts], dict[str, Any]]] = {
    "score": _score_row,
    "classify": _label_row,
}


def sentences(word: str, facts: Facts, how: How) -> Iterator[str]:
    """Yield the sentences, in English, about several pictures: how many were done, and
    why others were left out.

    word: the kind of job.
    facts: those of the verb's result.
    """
    done, left_out = len(facts["pictures"]), facts["left_out"]
    place = (
        ""
        if how.json_ and not how.out
        else f", written to {how.out or how.csv or STDOUT}"
    )
    yield f"{facts['model']}: {word} of {done} of {done + len(left_out)} pictures{place}"
    yield from (f"left out: {why}" for why in left_out)
