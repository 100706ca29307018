"""The options of a kind of job: what its jobs may ask, and what they cost.

    Options
        DrawnOptions      kinds that draw images
            SeededOptions     ... that have a seed

colours.py, labels.py, several.py, cutouts.py and size.py define further bases; a kind
with several of them combines their `for_model`, `fits` and `job_fields` itself, because
none of these calls the next base.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field

from worker.contract.pixel_options import PIXELS, as_text, pixel_options
from worker.contract.record import Record
from worker.contract.traits import JobSize, ModelTraits

MAX_IMAGES = 64
"""Most images of one job."""

OPTIONS_VERSION = 4
"""The version of job descriptions that introduced `options`. Options without `Since`
need no later one."""

MAX_FIRST = 10**9
"""Highest number of a job's first image among the images of its seed."""


@dataclass(frozen=True)
class Since:
    """Marks an option that was added later: `label: Annotated[int | None, Since(5)]`.

    A job that uses the option is left to workers of this version or a later one.
    """

    version: int
    """The first version of job descriptions with this option (`jobs.VERSION`)."""


class Found:
    """Marks an option that no client sends: the API determines it from the model or the
    input."""


FOUND = Found()


class BadOptionError(ValueError):
    """An option that this model does not have, or a value that it does not allow.

    The message begins with the option's name and says what was expected; `field` is
    that name.
    """

    def __init__(self, detail: str, field: str) -> None:
        """detail: the message.
        field: name of the option."""
        super().__init__(detail)
        self.field = field


class Options(Record):
    """What jobs of one kind can ask beside the fields that every job has, and what they
    cost.

    The fields are those of the call's form, with their descriptions, bounds and
    defaults; a field marked FOUND is set by the API and in no form. A subclass
    overrides the methods that differ for its kind. Instances are immutable.
    """

    def images(self, n: int, /) -> int:
        """Return the number of images of a job whose request has this `n`. Raises
        BadOptionError if the options contradict `n`."""
        return n

    def with_found(self, found: Mapping[str, Any]) -> Self:
        """Return a copy with those FOUND options that the API determined from the
        input."""
        return self.model_copy(update=found)

    def for_model(self, model: ModelTraits, n: int) -> Self:
        """Return a copy for n images of this model: checked, with the model's defaults
        filled in.

        Raises BadOptionError if the model does not have an option or does not allow its
        value.
        """
        return self

    def fits(self, model: ModelTraits) -> bool:
        """Return True if a worker that holds this model can do a job with these
        options.

        If it cannot, the job is left to another worker.
        """
        return True

    def shape(self, model: ModelTraits) -> tuple[int, int]:
        """Return (height, width) of the job's pictures: the model's, or those of a
        field (size.py)."""
        return model.height, model.width

    @property
    def is_field(self) -> bool:
        """True if the pictures are larger than the model's."""
        return False

    def rows(self, job: JobSize) -> int:
        """Return the number of rows that the job draws and publishes, over all images
        and stages; 0 if it has only a result."""
        return 0

    def work(self, job: JobSize) -> int:
        """Return the number of values that are computed one after the other, which is
        what the job costs."""
        raise NotImplementedError

    def room(self, job: JobSize) -> int:
        """Return an upper bound for the bytes of Redis memory that the job's result
        takes.

        A summary is stored twice, in the job's record and in its last event.
        """
        return 0

    @property
    def keeps(self) -> Sequence[str]:
        """Fields of `keys.image` that are kept of a finished job."""
        return ()

    @property
    def pace(self) -> str:
        """A word for how long such jobs take: jobs of a kind with the same word take
        about as long."""
        return ""

    @property
    def is_long(self) -> bool:
        """True if the job runs in many steps and holds memory meanwhile: an engine does
        one such job at a time."""
        return False

    def label_of(self, sample: int) -> str | None:
        """Return the name of the label that was asked for in image `sample`, or None if
        none was."""
        return None

    def drawing(self) -> dict[str, Any]:
        """Return the options that change pixels (pixel_options.py) by name, without
        those that have no effect (see `stored_fields`)."""
        stored = self.stored_fields()
        return {
            name: getattr(self, name)
            for name in pixel_options(type(self))
            if name in stored
        }

    def origin(self) -> dict[str, str]:
        """Return keywords and texts of a picture's PNG that are needed to draw it
        again, beside model, seed and temperature."""
        return {}

    def origin_of(self, sample: int) -> Mapping[str, str]:
        """Return the keywords and texts that only the PNG of image `sample` has."""
        return {}

    def job_fields(self) -> dict[str, Any]:
        """Return the fields of the API's Job that show these options: those of
        `Kind.job_fields`, by name."""
        return {}

    @property
    def begins_at(self) -> int:
        """Number of the job's first image among the images of its seed."""
        return 0

    @property
    def second_model(self) -> str:
        """Name of another model that the job uses, for pictures of the same size and
        values; empty if none."""
        return ""

    @property
    def second_identity(self) -> str:
        """Identity of that model when the job was accepted, or the SHA-256 of its
        weights if the identity was unknown; empty if none, and in jobs of earlier
        versions."""
        return ""

    @property
    def picture_count(self) -> int:
        """Number of pictures that the client sent, for a kind whose jobs may take
        several (several.py)."""
        return 1

    @property
    def is_of_several(self) -> bool:
        """True if the job consists of several pictures, or cut-outs of one, each
        treated as a job of its own."""
        return False

    @property
    def places(self) -> Sequence[tuple[int, int]]:
        """Left and upper edge (x, y) of each cut-out if holes of a larger picture are
        filled (cutouts.py); else empty."""
        return ()

    @property
    def version(self) -> int:
        """The first version of job descriptions that has all options in use; 1 if none
        is in use."""
        stored = self.stored_fields()
        return options_version(type(self), stored) if stored else 1

    def stored_fields(self) -> dict[str, Any]:
        """Return the stored form: name -> JSON value, without empty values that are the
        default."""
        fields = type(self).model_fields
        defaults = {name: field.default for name, field in fields.items()}
        values = self.model_dump(mode="json")
        return {
            name: value
            for name, value in values.items()
            # Other defaults are stored: a later version may change them.
            if value or value != defaults[name]
        }


def options_version(options: type[Options], names: Iterable[str] | None = None) -> int:
    """Return the first version of job descriptions that has all options of these names;
    None stands for all options of the class."""
    chosen = options.model_fields if names is None else names
    marks = [mark for name in chosen for mark in options.model_fields[name].metadata]
    later = [mark.version for mark in marks if isinstance(mark, Since)]
    return max([OPTIONS_VERSION, *later])


class DrawnOptions(Options):
    """Options of kinds that draw images and publish them row by row."""

    def rows(self, job: JobSize) -> int:
        """Return n times the rows of an image, and of the small image if it is
        drawn."""
        return job.n * (job.height + (job.small_height if job.draws_small else 0))

    def work(self, job: JobSize) -> int:
        """Return the number of values in all images."""
        return drawn_values(job, job.height * job.width)


class SeededOptions(DrawnOptions):
    """Options of kinds that draw images from a seed, which numbers its images 0, 1, 2,
    ..."""

    first: Annotated[int, PIXELS, Since(5)] = Field(
        default=0,
        ge=0,
        le=MAX_FIRST,
        description="Number of the job's first image among those of the seed: with "
        "`first` 64 and `n` 64 its images are the second half of a job of 128.",
    )

    @property
    def begins_at(self) -> int:
        """The option `first`."""
        return self.first

    def origin(self) -> dict[str, str]:
        """Return the options that change pixels as keywords and texts, and `version`:
        the first version of job descriptions that has all of these options."""
        drawing = self.drawing()
        version = options_version(type(self), drawing)
        # Each picture has its own number as `sample`.
        drawing.pop("first", None)
        return {**as_text(drawing), "version": str(version)}

    def job_fields(self) -> dict[str, Any]:
        """Return the options that change pixels for the API's Job, None for those
        without effect; `first` is left out."""
        absent = dict.fromkeys(pixel_options(type(self)))
        fields = {**absent, **self.drawing()}
        del fields["first"]  # every Job has a field for it, whatever its kind
        return fields


def drawn_values(job: JobSize, pixels: int) -> int:
    """Return the number of values in all images of a job, with `pixels` drawn pixels in
    each, and the small image if it is drawn.

    A job of no images counts as one image.
    """
    small = job.small_height * job.small_width if job.draws_small else 0
    return max(1, job.n) * (pixels + small) * job.channels
