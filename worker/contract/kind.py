"""A kind of job consists of a record, its options, and a summary if its jobs say more than rows.

A worker of an earlier version leaves jobs of a new kind, and those with a new option (`Since`), to workers that know
them; an API of an earlier version leaves a new kind out of what models can.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from worker.contract.pixel_options import PIXELS, as_text, pixel_options
from worker.contract.record import Record

if TYPE_CHECKING:
    from worker.contract.cards import ModelFacts as Able
    from worker.contract.jobs import JobSpec as Asked
else:
    Able = Asked = Any

MAX_IMAGES = 64
"""Images of one job, at most."""

OPTIONS_VERSION = 4
"""The version of a job's description from which on workers know its options, but for those marked `Since`."""

MAX_FIRST = 10**9
"""Number of a job's first image among those of its seed, at most."""


@dataclass(frozen=True)
class Since:
    """Marks an option that came later: `label: Annotated[int | None, Since(5)]`. A job in which it is said is left to
    workers of this version."""

    version: int


class Found:
    """Marks an option that no client says: the API finds it, in the model or in what was handed in."""


FOUND = Found()


class BadOptionError(ValueError):
    """An option that this model does not have, or not so far; the text says what was expected."""

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(detail)
        self.field = field


class Method(StrEnum):
    """The ways to fill a hole."""

    POSTERIOR = "posterior"
    """Given everything that is given: exactly where that is possible, else by particles."""
    CLAMP = "clamp"
    """Given what is above and to the left of each pixel; what is given behind it is put in on the way."""


Quality = Literal["exact", "good", "rough", "poor"]
"""How good a completion by `posterior` is, in a word, the best first."""


class Label(Record):
    """A label of a model's images."""

    name: str = Field(
        description="Its name. Requests ask for it by that, or by its place in the list, counted from 0."
    )
    prior: float = Field(
        gt=0, le=1, description="The share of the training images that have it."
    )


class Options(Record):
    """Everything that jobs of one kind say beside what every job says, and what they cost.

    The fields are those of its form, with their descriptions, bounds and defaults; a field marked FOUND is in no form.
    """

    def images(self, n: int) -> int:
        """How many images they ask for, in a request of n. BadOptionError."""
        return n

    def with_found(self, found: Mapping[str, Any]) -> Self:
        """Return these options with those marked FOUND that the pictures decide."""
        return self.model_copy(update=found)

    def settled(self, model: Able, n: int) -> Self:
        """These options for n images of this model: checked, and with what the model decides. BadOptionError."""
        return self

    def fits(self, model: Able) -> bool:
        """Does a worker that holds this model do such a job? Else it is left to another."""
        return True

    def shape(self, model: Able) -> tuple[int, int]:
        """Height and width of the pictures of such a job: the model's, or a field's (size.py)."""
        return model.height, model.width

    @property
    def is_field(self) -> bool:
        """Are its pictures larger than the model's?"""
        return False

    def rows(self, job: Asked) -> int:
        """Rows that are drawn and published, over all samples and stages; 0: the job has only a result."""
        return 0

    def work(self, job: Asked) -> int:
        """Values that are computed one after the other: what the job costs."""
        raise NotImplementedError

    def room(self, job: Asked) -> int:
        """Bytes of Redis that its result takes, rather too many than too few. A summary is kept twice, in the record
        and in the last event."""
        return 0

    @property
    def keeps(self) -> Sequence[str]:
        """Fields of `keys.image` that are kept of a finished job."""
        return ()

    @property
    def pace(self) -> str:
        """Jobs of a kind that say the same word take about as long to carry out."""
        return ""

    @property
    def is_long(self) -> bool:
        """True for a job that is carried out in many steps and holds memory meanwhile: an engine does one at a time."""
        return False

    def label_of(self, sample: int) -> str | None:
        """Name of the label that is asked for in one of its images; None where all labels count."""
        return None

    def drawing(self) -> dict[str, Any]:
        """Return the options that change pixels (pixel_options.py) by name, without
        those that say nothing: see `stored_fields`."""
        said = self.stored_fields()
        return {
            name: getattr(self, name)
            for name in pixel_options(type(self))
            if name in said
        }

    def origin(self) -> dict[str, str]:
        """The text in a picture of such a job that it takes to draw it again, beside model, seed and temperature."""
        return {}

    def origin_of(self, sample: int) -> Mapping[str, str]:
        """The same of one of its images."""
        return {}

    def job_fields(self) -> dict[str, Any]:
        """The fields of a Job that are told of them: those of `Kind.shown`."""
        return {}

    @property
    def begins_at(self) -> int:
        """Number of the job's first image among those of its seed."""
        return 0

    @property
    def second_model(self) -> str:
        """Name of a further model that the job asks, of pictures of the same size and values; empty: none."""
        return ""

    @property
    def picture_count(self) -> int:
        """How many pictures were handed in, of a kind whose jobs may take several (several.py)."""
        return 1

    @property
    def is_of_several(self) -> bool:
        """Are its pictures, or the cut-outs of a larger one, each worked on as a job of its own?"""
        return False

    @property
    def places(self) -> Sequence[tuple[int, int]]:
        """The left and the upper edge of each cut-out, where holes of a larger picture are filled (cutouts.py)."""
        return ()

    @property
    def version(self) -> int:
        """The first version of a job's description that can say this; without options, any could."""
        said = self.stored_fields()
        return options_version(type(self), said) if said else 1

    def stored_fields(self) -> dict[str, Any]:
        """The stored form: without what says nothing, but with a default that does."""
        usual = {name: field.default for name, field in type(self).model_fields.items()}
        every = self.model_dump(mode="json").items()
        return {name: value for name, value in every if value or value != usual[name]}


def options_version(options: type[Options], names: Iterable[str] | None = None) -> int:
    """The first version of a job's description that can say options of these names; None: all there are."""
    said = options.model_fields if names is None else names
    marks = [mark for name in said for mark in options.model_fields[name].metadata]
    return max(
        [OPTIONS_VERSION, *(mark.version for mark in marks if isinstance(mark, Since))]
    )


class DrawnOptions(Options):
    """Options of a kind that draws images, row by row."""

    def rows(self, job: Asked) -> int:
        return job.n * (job.height + (job.small_height if job.draws_small else 0))

    def work(self, job: Asked) -> int:
        return drawn_values(job, job.height * job.width)


class SeededOptions(DrawnOptions):
    """Options of a kind that draws images of a seed, of which each has a number."""

    first: Annotated[int, PIXELS, Since(5)] = Field(
        default=0,
        ge=0,
        le=MAX_FIRST,
        description="Number of the job's first image among those of the seed: with `first` 64 and `n` 64 its images "
        "are the second half of those of one job of 128.",
    )

    @property
    def begins_at(self) -> int:
        return self.first

    def origin(self) -> dict[str, str]:
        """`version` is the first version of a job's description with which a reader
        knows all options; `sample` of a picture says what `first` would."""
        drawing = self.drawing()
        version = options_version(type(self), drawing)
        drawing.pop("first", None)
        return {**super().origin(), **as_text(drawing), "version": str(version)}

    def job_fields(self) -> dict[str, Any]:
        absent = dict.fromkeys(pixel_options(type(self)))
        shown = {**super().job_fields(), **absent, **self.drawing()}
        del shown["first"]  # every Job has it, in a field of its own
        return shown


def drawn_values(job: Asked, pixels: int) -> int:
    """Values of all samples, with so many drawn pixels in each, and in both stages. A job of none draws one too."""
    small = job.small_height * job.small_width if job.draws_small else 0
    return max(1, job.n) * (pixels + small) * job.channels


class Summary(Record):
    """Everything that a job which has succeeded says beside its rows."""

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        """The fields of its result, but for `type` and `images`. address: that of the job, for what is kept beside the
        summary; query: which of several pictures it is kept of."""
        return self.model_dump()

    def origin_of(self, sample: int) -> Mapping[str, str]:
        """The text in the picture of an image that is known only now: `Options.origin_of` has the rest."""
        return {}


class Pixel(Record):
    """A place in the image."""

    x: int = Field(ge=0, description="Column, from the left.")
    y: int = Field(ge=0, description="Row, from the top.")


class Input(Enum):
    """The files of a request; `keys.image` says how they are kept."""

    NOTHING = "nothing"
    PICTURE = "picture"
    """One of the model's size."""
    PICTURE_AND_KEEP = "picture and keep"
    """The same, and which of its pixels are given: not all."""
    PICTURE_OR_PART = "picture or part"
    """The same, which may be all."""
    SMALL_PICTURE = "small picture"
    """One of the size that a Multi-Scale model draws first."""
    DRAWN_PICTURE = "drawn picture"
    """A sample of ours, which says how it was drawn: provenance.py."""
    PICTURES = "pictures"
    """Some of the model's size, as they are: without loss."""
    CODED_FILE = "coded file"
    """Such pictures as a file: coded_file.py."""


class Shows(Enum):
    """The meaning of a job's picture."""

    ROWS = "rows"
    """The samples, as far as they are drawn."""
    GIVEN = "given"
    """The picture, or the pictures, that were handed in."""
    HEAT = "heat"
    """A map in colours, kept as `heat`."""
    GRID = "grid"
    """A PNG of samples, kept as `grid`, the newest of them."""
    NOTHING = "nothing"
    """It has none."""


class Source(StrEnum):
    """The way a picture came to be, in a term of IPTC's list of digital source types."""

    DRAWN = "trainedAlgorithmicMedia"
    """A model made all of it."""
    EDITED = "compositeWithTrainedAlgorithmicMedia"
    """A model changed or continued a picture that was there."""


NO_PROVENANCE = (
    "the picture does not say how it was drawn: expected the PNG of a sample as it was written, not as another program "
    "saved it again"
)

Part = Any
"""An object, or "module:object", which is imported when it is first needed (worker.orders.order.part)."""


@dataclass(frozen=True)
class Kind:
    """All that tells one kind of job from another."""

    word: str
    """`POST /word` makes such a job."""
    noun: str
    """The job is called so, and a result that is no image."""
    description: str
    """Description of the call: Markdown."""
    input: Input
    options: type[Options]
    """Its docstring says what the job is, in one line."""
    order: Part
    """order(spec, card, material) -> Order: what the engine shall do. Raises JobRefusedError, KeyError, ValueError or
    IndexError for what makes no sense."""
    carried_out: Part | None = None
    """carried_out(order, model), in the engine, for an order of a picture (worker.orders.pictures), which says what the
    function returns, or of a file (worker.orders.files)."""
    draws: bool = False
    """New images are drawn: clients may say how many, with which seed, at which temperature, and how urgent it is."""
    none_told: str = ""
    """Meaning of a job of no images, where there are such jobs."""
    draws_small: bool = False
    """Does the model draw its small image too? Else that is given, or nothing is drawn."""
    shows: Shows = Shows.ROWS
    summary: type[Summary] | None = None
    answer: type[BaseModel] | None = None
    """Further fields of its result, beside those of the summary; of a kind that draws rows, beside `images`."""
    shown: type[BaseModel] | None = None
    """Fields of a Job that tell of its options, null for other kinds."""
    why_no_provenance: str = NO_PROVENANCE
    """The reason why a picture of such a job cannot be drawn again by what it says; empty if it can."""
    estimates: str = ""
    """The event that tells what is expected so far (keys.estimate); empty where nothing is."""
    source: Source | None = None
    """The mark of pictures that such a job has drawn; None: they are as they were handed in, or maps."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """A body of the call, where that is JSON."""

    @property
    def draws_rows(self) -> bool:
        """Its result is its images. Other kinds have a summary."""
        return issubclass(self.options, DrawnOptions)

    @property
    def result_type(self) -> str:
        """`type` of its result."""
        return "images" if self.draws_rows else self.noun

    needs_labels: bool = False
    """Only models of one scale can whose images have labels: they tell the label of a part, too."""

    @property
    def client_options(self) -> Mapping[str, FieldInfo]:
        """The options that a client may say. Those that change pixels are not among
        them if the picture says how it was drawn."""
        is_said = self.input is Input.DRAWN_PICTURE
        hidden = set(pixel_options(self.options)) if is_said else set()
        return {
            name: info
            for name, info in self.options.model_fields.items()
            if FOUND not in info.metadata and name not in hidden
        }

    @property
    def takes_several(self) -> bool:
        """Its jobs may take several pictures, each for itself (several.py)."""
        return "pictures" in self.options.model_fields

    @property
    def needs_scales(self) -> bool:
        """Only Multi-Scale models can."""
        return self.input is Input.SMALL_PICTURE

    @property
    def needs_codec(self) -> bool:
        """Only models can whose numbers are the same on every machine."""
        return self.input in (Input.PICTURES, Input.CODED_FILE)
