"""A kind of job consists of a record (`Kind`), its options (options.py), and a summary
if its jobs report more than rows.

A worker of an earlier version leaves jobs of a new kind, and jobs with a new option
(`Since`), to workers that know them. An API of an earlier version removes a new kind
from a model's `can`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from worker.contract.options import FOUND, DrawnOptions, Options
from worker.contract.pixel_options import pixel_options
from worker.contract.record import Record


class Summary(Record):
    """What a job that has succeeded reports beside its rows; each kind may define a
    subclass.

    A worker makes it, and it is stored as JSON in the job's record.
    """

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        """Return the fields of the API's result beside `type` and `images`.

        images: addresses of the job's images.
        address: the job's own address, the base of links to maps and files.
        query: appended to these links, and selects one of several pictures.
        """
        return self.model_dump()

    def origin_of(self, sample: int) -> Mapping[str, str]:
        """Return keywords and texts of the PNG of image `sample` that are known only
        after drawing; `Options.origin_of` has the others."""
        return {}


class Pixel(Record):
    """The place of a pixel in an image."""

    x: int = Field(ge=0, description="Column, from the left.")
    y: int = Field(ge=0, description="Row, from the top.")


class Input(Enum):
    """What a request sends beside its fields; `keys.image` says how it is stored."""

    NOTHING = "nothing"
    PICTURE = "picture"
    """One picture of the model's size."""
    PICTURE_AND_KEEP = "picture and keep"
    """Such a picture, and a mask of the given pixels, which must leave a hole."""
    PICTURE_OR_PART = "picture or part"
    """Such a picture, and a mask, which may keep every pixel."""
    SMALL_PICTURE = "small picture"
    """One picture of the size that a Multi-Scale model draws first."""
    DRAWN_PICTURE = "drawn picture"
    """A PNG that this project drew, with the text that says how (provenance.py)."""
    PICTURES = "pictures"
    """Several pictures of the model's size, taken without any loss."""
    CODED_FILE = "coded file"
    """A file of coded pictures (coded_file.py)."""


FILES = "image", "mask"
"""The form fields of the pictures of every Input."""


class Shows(Enum):
    """What the picture of a job (`GET /jobs/{id}/image`) shows."""

    ROWS = "rows"
    """The images, as far as they are drawn."""
    GIVEN = "given"
    """The picture or pictures that the client sent."""
    HEAT = "heat"
    """A map in colours, stored as `heat`."""
    GRID = "grid"
    """The newest grid of samples, a PNG stored as `grid`."""
    NOTHING = "nothing"
    """There is no picture."""


class Source(StrEnum):
    """How a picture was made, as a term of IPTC's list of digital source types."""

    DRAWN = "trainedAlgorithmicMedia"
    """A model made all of it."""
    EDITED = "compositeWithTrainedAlgorithmicMedia"
    """A model changed or continued an existing picture."""


NO_PROVENANCE = (
    "the picture does not say how it was drawn: expected the PNG of a sample as this "
    "service wrote it, not a copy that another program saved"
)
"""Reason for refusing a picture without the text that this project writes."""


@dataclass(frozen=True)
class Kind:
    """Everything that distinguishes one kind of job from the others. One instance for
    each kind is declared in kinds/."""

    word: str
    """The kind's name: `POST /word` makes such a job."""
    noun: str
    """Noun for such a job; also the `type` of a result that is no image."""
    description: str
    """Description of the call, in Markdown."""
    input: Input
    """What the request sends."""
    options: type[Options]
    """The class of its options. The docstring's first line describes the job."""
    draws: bool = False
    """True if new images are drawn, so that clients may choose their number, seed,
    temperature and priority."""
    zero_images: str = ""
    """Description of a job with n = 0; empty if n must be at least 1."""
    draws_small: bool = False
    """True if a Multi-Scale model draws its small image too; False if that is given, or
    nothing is drawn."""
    shows: Shows = Shows.ROWS
    """What the job's picture shows."""
    summary: type[Summary] | None = None
    """The class of its summary; None if its jobs report only rows."""
    answer: type[BaseModel] | None = None
    """Further fields of its result, beside those of the summary; for a kind that draws
    rows, beside `images`."""
    job_fields: type[BaseModel] | None = None
    """Fields of the API's Job that show its options; they are null for other kinds."""
    why_no_provenance: str = NO_PROVENANCE
    """Why a picture of such a job cannot be drawn again from its own text; empty if it
    can."""
    estimates: str = ""
    """Name of the event that reports the estimate so far (keys.estimate); empty if
    there is none."""
    source: Source | None = None
    """Marks pictures that such a job drew; None if they are unchanged input, or maps.
    """
    example: Mapping[str, Any] = field(default_factory=dict)
    """Example body of the call, if it is JSON."""

    @property
    def draws_rows(self) -> bool:
        """True if the result is images, which are published row by row; other kinds
        have a summary."""
        return issubclass(self.options, DrawnOptions)

    @property
    def result_type(self) -> str:
        """`type` of its result."""
        return "images" if self.draws_rows else self.noun

    needs_labels: bool = False
    """True if only models of one scale whose images have labels can do it: the kind
    computes a label's probability from a part of an image."""

    @property
    def client_options(self) -> Mapping[str, FieldInfo]:
        """Options that clients may send: name -> field.

        Options that change pixels are not among them if the input is a drawn picture,
        because its text contains them.
        """
        in_picture = self.input is Input.DRAWN_PICTURE
        hidden = set(pixel_options(self.options)) if in_picture else set()
        return {
            name: info
            for name, info in self.options.model_fields.items()
            if FOUND not in info.metadata and name not in hidden
        }

    @property
    def takes_several(self) -> bool:
        """True if a job may take several pictures, each treated separately
        (several.py)."""
        return "pictures" in self.options.model_fields

    @property
    def needs_scales(self) -> bool:
        """True if only Multi-Scale models can do it."""
        return self.input is Input.SMALL_PICTURE

    @property
    def needs_codec(self) -> bool:
        """True if only models can do it whose arithmetic is the same on every
        machine."""
        return self.input in (Input.PICTURES, Input.CODED_FILE)
