"""Results of the verbs that carry out kinds of job, as sentences; and `How`, which says
where a verb does its work."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_core.cli.options import say

if TYPE_CHECKING:
    from PIL import Image

Facts = Mapping[str, Any]
"""Facts of a result by name: those of the web API, with additions."""
CARD_CHANGED = "; the model's card has changed since"
"""Added to a sentence about a file that was made by a model whose card has changed
since. The weights are the same, so it is no error."""


@dataclass(frozen=True)
class How:
    """Where the work is done, and where the result goes."""

    url: str | None = None
    """The service's address; None: the work is done in this process."""
    key: str | None = None
    """The user's key for the service, if it needs one."""
    models_dir: Path | None = None
    """The models directory for work in this process; None: the usual one."""
    device: str = "cpu"
    """Where to compute in this process: `cpu`, `cuda:0`, ..."""
    threads: int = 0
    """Number of threads that draw; 0: one for each core that is available."""
    out: Path | None = None
    """The file or folder to write; `-`: stdout; None: nothing is written."""
    csv: Path | None = None
    """The file for a table with a line for each picture; None: there is none."""
    scale: int = 1
    """Pixels per side of each pixel in the written picture."""
    show: bool = False
    """True to show the picture in the terminal too."""
    json_: bool = False
    """True to print the result as JSON."""


@dataclass(frozen=True)
class Done:
    """The result of a verb.

    facts: what its sentences say, by name.
    document: what --json prints.
    picture: the picture, if it may be shown.
    """

    facts: Facts
    document: dict[str, Any]
    picture: "Image.Image | None" = None


def show_picture(picture: "Image.Image") -> None:
    """Show a picture in the terminal on stderr, or say that stderr is no terminal."""
    from model_core.cli.terminal import show

    if not show(picture, sys.stderr):
        say("not shown: stderr is no terminal")


def sentences(word: str, facts: Facts, how: How) -> Iterator[str]:
    """Yield the sentences, in English, that a verb prints about a result of one picture
    or drawing.

    word: the kind of job, such as `sample`.
    facts: those of the result.
    """
    return _SENTENCES.get(word, _drawing_sentences)(facts, how)


def label_rows(labels: Iterable[Facts]) -> Iterator[tuple[str, str, str]]:
    """Yield a row of a table for each label: name, probability and nats, as text."""
    return (
        (each["name"], f"{each['p']:.4f}", f"{each['nats']:.2f}") for each in labels
    )


def _end(facts: Facts) -> str:
    """Return the end of a sentence: the job, or the seconds that the work took."""
    took = f" in {facts['seconds']:.2f} s" if "seconds" in facts else ""
    asked = f", job {facts['job']}" if "job" in facts else took
    return f"{asked}{CARD_CHANGED}" if facts.get("card_changed") else asked


def _drawing_sentences(facts: Facts, how: How) -> Iterator[str]:
    yield f"wrote {how.out}: {facts['n'] or 'the expected image'} from seed {facts['seed']}{_end(facts)}"
    if ranking := facts.get("ranking"):
        yield "likeliest first: " + ", ".join(
            f"{each['sample']} ({each['nats']:.2f} nats)" for each in ranking
        )
    if receipt := facts.get("posterior"):
        yield _quality(receipt)
    if cutouts := facts.get("cutouts"):
        yield "cut-outs: " + ", ".join(
            f"({each['x']}, {each['y']}) {each['quality']}" for each in cutouts
        )
        if moved := facts["moved_pixels"]:
            yield f"{moved} pixels beside the holes have colours that the model lacks; the holes have the model's own"


def _quality(receipt: Facts) -> str:
    """Return how good completions are, in words."""
    if receipt["exact"]:
        return "exact: draws from the model's own distribution"
    if receipt["apart_nats"] is None:
        return f"{receipt['quality']}: draws of the network that comes to the hole last, accepted by their weight"
    advice = (
        "; more --sweeps and --particles may help"
        if receipt["quality"] == "poor"
        else ""
    )
    words = receipt.get("qualities") or ()
    told = ", ".join(words) if len(set(words)) > 1 else receipt["quality"]
    return (
        f"{told}: up to {receipt['particles']} particles an image, in two chains that ended "
        f"{receipt['apart_nats']:.1f} nats apart at most{advice}"
    )


def _score_sentences(facts: Facts, how: How) -> Iterator[str]:
    p_value, pixel = facts["p_value"], facts.get("pixel")
    standing = (
        ""
        if p_value is None
        else f"; {p_value:.2%} of validation images are no more probable than this picture"
    )
    yield f"{facts['model']}: {facts['nats']:.2f} nats, {facts['bits_per_dim']:.4f} bits/dim{standing}{_end(facts)}"
    if second := facts.get("against"):
        yield f"{second['model']}: {second['nats']:.2f} nats; ln of the ratio of the two: {second['log_ratio']:+.2f}"
    if facts["quantised_pixels"]:
        yield f"{facts['quantised_pixels']} pixels were moved to the nearest value of the model"
    yield from _pixel(pixel) if pixel else ()
    if how.out is not None:
        yield f"wrote {how.out}: black 0, white {facts['uniform_bits']:g} bits a pixel and above"


def _pixel(pixel: Facts) -> Iterator[str]:
    for colour in pixel["colours"]:
        expected, place = (
            colour["probabilities"][colour["value"]],
            f"({pixel['x']}, {pixel['y']})",
        )
        yield f"{place} is {colour['value']}, of which p was {expected:.4f}: {colour['bits']:.2f} bits"
    if pixel.get("influence"):
        yield _most_influential(pixel["influence"])


def _most_influential(influence: list[list[float]]) -> str:
    """Return a sentence about the pixel that influenced another one most.

    influence: slopes by row and column.
    """
    slopes = (
        (slope, x, y) for y, row in enumerate(influence) for x, slope in enumerate(row)
    )
    slope, x, y = max(slopes, key=lambda found: abs(found[0]))
    if not slope:
        return "no earlier pixel mattered there"
    return f"({x}, {y}) mattered most: the brightness, or of a palette the chance, grows by {slope:+.4g} with it"


def _label_sentences(facts: Facts, how: How) -> Iterator[str]:
    yield (
        ", ".join(f"{each['name']}: {each['p']:.4f}" for each in facts["labels"][:3])
        + f" ({facts['quality']})"
    )
    yield f"{facts['model']}: {facts['nats']:.2f} nats of what is given{_end(facts)}"


def _encoding_sentences(facts: Facts, how: How) -> Iterator[str]:
    count = facts["pictures"] if "pictures" in facts else facts["images"]
    each = f"{facts['bytes'] / count:.1f} each, {facts['bits_per_dim']:.3f} bits/dim"
    yield f"wrote {how.out}: {count} images in {facts['bytes']} bytes, {each}{_end(facts)}"


def _decoding_sentences(facts: Facts, how: How) -> Iterator[str]:
    yield f"wrote {facts['images']} images of {facts['model']} into {how.out}{_end(facts)}"


def _verdict_sentences(facts: Facts, how: How) -> Iterator[str]:
    model, count, changed = (
        facts["model"],
        facts["samples"],
        CARD_CHANGED if facts.get("card_changed") else "",
    )
    if facts["verified"]:
        drew = "it" if count == 1 else f"all {count} images"
        yield f"verified: {model} drew {drew} with seed {facts['seed']}, every pixel{changed}"
        if facts.get("name"):
            yield f"this is the picture of the name {facts['name']!r}"
        return
    places = (
        f"({place['x']}, {place['y']})" + _of_sample(place)
        for place in facts["changed"]
    )
    wrong = facts["changed_pixels"]
    more = " ..." if wrong > len(facts["changed"]) else ""
    yield f"not verified: {wrong} pixels are not what {model} draws: {', '.join(places)}{more}{changed}"


def _of_sample(place: Facts) -> str:
    """Return the part of the picture in which a changed pixel lies, if the facts name
    one."""
    if "sample" not in place:
        return ""
    if place["sample"] is None:
        return " of the sheet, outside its images"
    return f" of sample {place['sample']}"


_SENTENCES: Mapping[str, Callable[[Facts, How], Iterator[str]]] = {
    "score": _score_sentences,
    "classify": _label_sentences,
    "encode": _encoding_sentences,
    "decode": _decoding_sentences,
    "verify": _verdict_sentences,
}
