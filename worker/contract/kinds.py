"""The kinds of job: one record for each, which the API, the scripts and the workers read instead of asking for a name.

To add a kind:
    here                    its word in JobKind, and its row in KINDS
    jobs.py                 fields of JobSpec that only it has; they are optional
    scores.py               the record of its result, if it has one
    worker/orders/          how a job becomes an order (build.py), and an order of its own if no other does (orders.py)
    worker/engine/          how such an order is carried out (runner.py, scoring.py)
    app/                    its call (routes/submit.py), its form, and what is shown of its result (services/jobs.py)
A worker of an earlier version leaves jobs of a new kind to those that know it, and an API of an earlier version leaves
it out of what models can: nothing else has to be done for that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from worker.contract.scores import CompletionSummary, EncodeSummary, ScoreSummary, VerifySummary


class JobKind(StrEnum):
    SAMPLE = "sample"
    COMPLETE = "complete"
    UPSAMPLE = "upsample"
    SCORE = "score"
    VERIFY = "verify"
    ENCODE = "encode"
    DECODE = "decode"


class Method(StrEnum):
    """How a hole is filled."""

    POSTERIOR = "posterior"
    """Given everything that is given: exactly where that is possible, else by particles."""
    CLAMP = "clamp"
    """Given what is above and to the left of each pixel; what is given behind it is put in on the way."""


class Asked(Protocol):
    """What a client asked for, as far as it decides what the job costs: worker.contract.jobs.JobSpec."""

    @property
    def n(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def small_height(self) -> int: ...
    @property
    def small_width(self) -> int: ...
    @property
    def draws_small(self) -> bool: ...
    @property
    def filled_pixels(self) -> int | None: ...
    @property
    def pixel(self) -> object | None: ...
    @property
    def influence(self) -> bool: ...
    @property
    def members(self) -> int: ...
    @property
    def passes_over_hole(self) -> int: ...


class Input(Enum):
    """What a client hands in with its request; how it is kept: `keys.image`."""

    NOTHING = "nothing"
    PICTURE = "picture"
    """Of the model's size."""
    PICTURE_AND_KEEP = "picture and keep"
    """The same, and which of its pixels are given."""
    SMALL_PICTURE = "small picture"
    """Of the size that a Multi-Scale model draws first."""
    DRAWN_PICTURE = "drawn picture"
    """A sample of ours, which says how it was drawn: recipe.py."""
    PICTURES = "pictures"
    """Some of the model's size, as they are: without loss."""
    CODED_FILE = "coded file"
    """Such pictures as `ENCODE` made them a file: coded_file.py."""


@dataclass(frozen=True)
class Kind:
    """All that tells one kind of job from another.

    rows(spec)    how many rows are drawn and published, over all samples and stages; 0 = the job has only a result
    work(spec)    how many values are computed one after the other: what the job costs
    """

    input: Input
    rows: Callable[[Asked], int]
    work: Callable[[Asked], int]
    draws_small: bool = False
    """Does the model draw its small image too? Else that is given, or nothing is drawn."""
    result: type[ScoreSummary] | type[CompletionSummary] | type[VerifySummary] | type[EncodeSummary] | None = None
    """What a job that has succeeded may say beside its rows."""

    @property
    def needs_scales(self) -> bool:
        """Only Multi-Scale models can."""
        return self.input is Input.SMALL_PICTURE

    @property
    def needs_codec(self) -> bool:
        """Only models can whose numbers are the same on every machine."""
        return self.input in (Input.PICTURES, Input.CODED_FILE)


def _drawn_rows(spec: Asked) -> int:
    return spec.n * (spec.height + (spec.small_height if spec.draws_small else 0))


def _drawn_values(spec: Asked) -> int:
    pixels = spec.filled_pixels or spec.height * spec.width
    small = spec.small_height * spec.small_width if spec.draws_small else 0
    return spec.n * (pixels + small) * spec.channels * spec.passes_over_hole


def _no_rows(spec: Asked) -> int:
    return 0


def _passes(spec: Asked) -> int:
    """One pass over a picture counts as one row; what is expected at a pixel takes a second, and what mattered for it
    about ten: there and back again by the plain pass."""
    passes = 1 + (spec.pixel is not None) + 10 * spec.influence
    return passes * spec.width * spec.channels


def _tried_values(spec: Asked) -> int:
    """Each network of a mixture tries."""
    return spec.members * _drawn_values(spec)


KINDS: Mapping[JobKind, Kind] = {
    JobKind.SAMPLE: Kind(Input.NOTHING, _drawn_rows, _drawn_values, draws_small=True),
    JobKind.COMPLETE: Kind(
        Input.PICTURE_AND_KEEP, _drawn_rows, _drawn_values, draws_small=True, result=CompletionSummary
    ),
    JobKind.UPSAMPLE: Kind(Input.SMALL_PICTURE, _drawn_rows, _drawn_values),
    JobKind.SCORE: Kind(Input.PICTURE, _no_rows, _passes, result=ScoreSummary),
    JobKind.VERIFY: Kind(Input.DRAWN_PICTURE, _no_rows, _drawn_values, draws_small=True, result=VerifySummary),
    JobKind.ENCODE: Kind(Input.PICTURES, _no_rows, _tried_values, result=EncodeSummary),
    JobKind.DECODE: Kind(Input.CODED_FILE, _drawn_rows, _drawn_values),
}
