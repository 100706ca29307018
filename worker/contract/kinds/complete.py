"""Completing images: filling a hole."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from worker.contract.colours import ColourOptions
from worker.contract.cutouts import Cutout, CutoutOptions, CutoutPlace
from worker.contract.kind import Input, Kind, Source, Summary
from worker.contract.labels import LabelOptions
from worker.contract.options import (
    FOUND,
    BadOptionError,
    SeededOptions,
    Since,
    drawn_values,
)
from worker.contract.pixel_options import PIXELS
from worker.contract.record import Described, Record
from worker.contract.traits import JobSize, Method, ModelTraits, Quality

PARTICLES = 32
"""Default number of particles for each image."""
MAX_PARTICLES = 256
"""Most particles for one image; a model's card may allow fewer."""
MAX_PARTICLES_OF_JOB = 2048
"""Most particles of one job, over all images."""
MAX_SWEEPS = 16
"""Most sweeps of one job."""
FEW_SCORES, MOST_SCORES = 256, 65_536
"""Bounds of `most_scores`."""
OPERATIONS = 10**11
"""Multiplications of about two seconds, as in model_core.posterior.targets."""

WINDOWS = 4
"""Number of windows across an image's side; a sweep draws the hole window by window
(model_core.posterior.plan.window_size)."""

_MAPS = 8
"""Bytes of each variable in the two maps of a completion by `posterior`, 4 in each."""


class CompleteOptions(CutoutOptions, ColourOptions, LabelOptions, SeededOptions):
    """Fill the hole of an image."""

    rank: bool = Field(
        default=False,
        description="Score the completions, and list them in `result.ranking`, the "
        "likeliest first.",
    )
    method: Annotated[Literal["posterior", "clamp"] | None, PIXELS] = Field(
        default=None,
        description="`posterior`: the hole is drawn conditioned on all given "
        "pixels, also on those below and to the right of it: exactly if that is "
        "possible, otherwise by particles. `clamp`: each pixel is conditioned on the "
        "pixels above and to the left of it; given pixels behind it are kept, but do "
        "not influence it. Default: the model's first method in `GET /models`.",
    )
    particles: Annotated[int | None, PIXELS] = Field(
        default=None,
        ge=1,
        le=MAX_PARTICLES,
        description="Particles of `posterior` for each returned image, if it is "
        "not exact: candidate images that are weighed against each other. More are "
        "more accurate and take longer. Default: 32, or the model's `max_particles` "
        "if that is lower, which is also the upper bound; all `n` images together "
        "may have 2048.",
    )
    sweeps: Annotated[int, PIXELS] = Field(
        default=2,
        ge=0,
        le=MAX_SWEEPS,
        description="Sweeps of `posterior`, if it is not exact: how often each "
        "image is drawn again, conditioned on the previous one. Each sweep makes the "
        "result more accurate and takes at least as long as the first drawing.",
    )
    filled_pixels: Annotated[int | None, FOUND] = Field(default=None, ge=1)
    """Number of pixels of each image that are drawn; the others are given."""
    given_behind: Annotated[int, FOUND] = Field(default=0, ge=0)
    """Number of given pixels behind the hole's first one, in the drawing order of the
    member for which that is largest. If it is 0, images are drawn exactly, without
    particles."""

    alone: Annotated[bool, FOUND, Since(7)] = False
    """True if n is 0: only marginals and receipt are wanted, and no image."""

    enumerate: Annotated[bool, FOUND, Since(8)] = False
    """True if a hole with few fillings may be enumerated, and one that all members of a
    mixture draw last may be drawn exactly; the worker decides for each picture. Jobs of
    earlier versions lack this and are drawn by particles."""

    most_scores: Annotated[int, FOUND, Since(10)] = Field(
        default=0, ge=0, le=MOST_SCORES
    )
    """The limit of each picture's enumeration; 0 for FEW_SCORES."""

    def with_found(self, found: Mapping[str, Any]) -> Self:
        """Return a copy with the FOUND options. All pictures of a job share one limit
        of enumeration."""
        shared = found.get("most_scores", 0) // self.picture_count
        # Options of enumeration are left out if they make no difference, so that
        # workers of earlier versions take such jobs, too.
        found = {**found, "most_scores": shared if shared > FEW_SCORES else 0}
        if not self.by_posterior:
            found |= {"enumerate": False, "most_scores": 0}
        return super().with_found(found)

    @property
    def limit_of_scores(self) -> int:
        """Most scores of a picture whose hole is enumerated; 0 if none is."""
        return self.most_scores or FEW_SCORES * self.enumerate

    @property
    def by_posterior(self) -> bool:
        """True if the method is `posterior`; only known after `for_model`."""
        return self.method == Method.POSTERIOR

    def for_model(self, model: ModelTraits, n: int) -> Self:
        """Return a copy with the method and, for `posterior`, the number of particles
        for this model."""
        found = {
            **self.label_for(model),
            **self.colours_for(model),
            **self.pictures_for(n),
        }
        checked = self.model_copy(update=found)._by_method(model, n)
        if checked.cutouts and not checked.by_posterior:
            raise BadOptionError(
                "method: fit=crop fills holes by posterior, of models that have it",
                "method",
            )
        if checked.cutouts and self.rank:
            raise BadOptionError(
                "rank: expected false with fit=crop; result.cutouts "
                "has the nats of each",
                "rank",
            )
        return checked if n else checked._without_images()

    def _without_images(self) -> Self:
        if self.pictures or self.cutouts:
            raise BadOptionError(
                "n: expected at least 1 for several pictures, and with fit=crop", "n"
            )
        if not self.by_posterior:
            raise BadOptionError(
                "n: expected at least 1 for clamp, which has no marginals",
                "n",
            )
        if self.rank:
            raise BadOptionError(
                "rank: expected false with n = 0, which draws no image", "rank"
            )
        return self.model_copy(update={"alone": True})

    def _by_method(self, model: ModelTraits, n: int) -> Self:
        method = self.method or next(iter(model.methods), Method.CLAMP)
        if method == Method.CLAMP:
            return self.model_copy(
                update={"method": "clamp", "particles": None, "sweeps": 0}
            )
        if method not in model.methods:
            raise BadOptionError(_why_no_posterior(model), "method")
        particles = self.particles or min(PARTICLES, model.max_particles)
        if particles > model.max_particles:
            detail = (
                f"particles: expected at most {model.max_particles}, which is what fits "
                "into the memory of the model's workers"
            )
            raise BadOptionError(detail, "particles")
        if max(1, n) * particles > MAX_PARTICLES_OF_JOB:
            most = MAX_PARTICLES_OF_JOB // n
            detail = (
                f"particles: expected at most {most} for {n} images "
                f"({MAX_PARTICLES_OF_JOB} for all of them)"
            )
            raise BadOptionError(detail, "particles")
        return self.model_copy(update={"method": str(method), "particles": particles})

    def fits(self, model: ModelTraits) -> bool:
        """Return True if the model has the label, offers the method, and allows so many
        particles, if any are needed."""
        if not LabelOptions.fits(self, model):
            return False
        if not self.by_posterior:
            return True
        has_room = not self.given_behind or self._particles <= model.max_particles
        return self.method in model.methods and has_room

    def work(self, job: JobSize) -> int:
        """Return the number of computed values.

        Each particle also passes over the given pixels behind the hole: once at first,
        and in each sweep once for the whole hole and, as measured, about a third of
        that for each window.
        """
        filled = self.filled_pixels or job.height * job.width
        if not (self.by_posterior and self.given_behind):
            return drawn_values(job, filled)
        sweep = 1 + _windows(filled / (job.height * job.width)) / 3
        passes = self._particles * (1 + self.sweeps * sweep)
        return int(passes * drawn_values(job, filled + self.given_behind))

    def room(self, job: JobSize) -> int:
        """Return an upper bound for the bytes of the maps and summaries."""
        pixels = job.height * job.width
        maps = _MAPS * pixels * job.channels if self.by_posterior else 0
        # A summary may contain an image's likelihood as text in the ranking and in the
        # receipt, and is stored twice: four numbers of up to 20 bytes.
        likelihoods = 80 * job.n
        return self.picture_count * (1024 + maps) + likelihoods

    @property
    def keeps(self) -> Sequence[str]:
        """Fields of `keys.image` that are kept after the job: `mean` and `entropy` if
        the method is `posterior`, else none."""
        return ("mean", "entropy") if self.by_posterior else ()

    def drawing(self) -> dict[str, Any]:
        """Return the options that change pixels: `particles` and `sweeps` only for
        `posterior`, but then always."""
        options = super().drawing()
        if self.by_posterior:
            return {**options, "particles": self._particles, "sweeps": self.sweeps}
        return {
            name: value
            for name, value in options.items()
            if name not in ("particles", "sweeps")
        }

    def job_fields(self) -> dict[str, Any]:
        """Return the fields of all bases, and `filled_pixels` first."""
        return {
            "filled_pixels": self.filled_pixels,
            **SeededOptions.job_fields(self),
            **LabelOptions.job_fields(self),
            **ColourOptions.job_fields(self),
            **CutoutOptions.job_fields(self),
        }

    @property
    def _particles(self) -> int:
        return self.particles or PARTICLES


def scores_of(missing: int, model: ModelTraits) -> int:
    """Return the number of scores that enumerate a hole of `missing` pixels, given one
    label: one for each filling and network. Above MOST_SCORES it is not exact."""
    # Two to this power exceeds the limit already; larger powers are not computed.
    variables = min(missing * model.channels, MOST_SCORES.bit_length())
    return model.values**variables * len(model.members)


def most_scores(model: ModelTraits) -> int:
    """Return the limit up to which a hole is enumerated instead of drawn by particles:
    as many scores as take about two seconds."""
    of_all = 2 * model.parameters * model.height * model.width
    scores = OPERATIONS * len(model.members) // max(1, of_all)
    return max(FEW_SCORES, min(MOST_SCORES, scores))


def _windows(share: float) -> float:
    """Return roughly how many windows meet a square hole that covers this share of the
    image."""
    return (1 + WINDOWS * share**0.5) ** 2


def _why_no_posterior(model: ModelTraits) -> str:
    if model.small_height:
        reason = "this is a Multi-Scale model, which has no posterior"
    else:
        reason = "no worker that holds this model offers posterior"
    return f"method: {reason}; expected clamp"


class CompletionFields(Described):
    """The fields of a Job that describe a completion."""

    filled_pixels: int | None
    """Number of pixels that a completion draws; the others are kept."""
    method: Method | None
    """How the completion is drawn."""
    particles: int | None
    """Particles for each image of a completion by `posterior`, which are used if it
    cannot be drawn exactly; else null."""
    sweeps: int | None
    """How often each image of a completion by `posterior` is drawn again; else null."""
    cutouts: list[CutoutPlace] | None
    """The places of the cut-outs in which the holes of a larger picture are filled, in
    reading order; else null."""


class Receipt(Record):
    """How accurate the draws of a completion by `posterior` are."""

    exact: bool = Field(
        description="True if each image is a draw from the model's own "
        "distribution given all given pixels. Otherwise particles estimate it, and "
        "`quality` says how well two estimates agree."
    )
    quality: Quality | None = Field(
        default=None,
        description="A summary of the fields below; for several images the worst. "
        "`good`: no chain was needed, or the two chains that drew an image agree and "
        "at least 2.5 of their first particles counted (`ess`). `rough`: this is not "
        "quite so. `poor`: do not rely on the result; more `sweeps` and `particles` "
        "may help. Null from a worker of an earlier version.",
    )
    qualities: tuple[Quality, ...] | None = Field(
        default=None,
        description="The quality of each image, the same as if it were drawn "
        "alone. Null from a worker of an earlier version.",
    )
    member: str = Field(
        description="Orientation of the network that drew the last image, `none` "
        "for upright; the networks of a mixture take turns."
    )
    label: str | None = Field(
        default=None,
        description="Name of the last image's label, for a model with labels; null for "
        "others.",
    )
    particles: int = Field(
        ge=0,
        description="Most particles of any image, which may exceed the requested "
        "number because of restarts; 0 if none were needed.",
    )
    ess: float | None = Field(
        default=None,
        description="Effective sample size: how many equally weighted particles "
        "are worth as much, at the worst moment of any image. Near 1, a single "
        "particle decided. Null without particles.",
    )
    distinct: int | None = Field(
        default=None,
        description="Number of first particles from which an image's last ones "
        "descend, the smallest of all images. Null without particles.",
    )
    evidence_nats: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="-ln of an estimate of p(given pixels): how likely the model "
        "finds them. It never exceeds the nats of a completion, because p(given "
        "pixels) is at least p(completed image).",
    )
    evidence_sd: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Standard deviation of this estimate, in nats. Null without "
        "particles.",
    )
    nats: tuple[float, ...] | None = Field(
        default=None,
        description="-ln p of each completed image as a whole. Null from a worker "
        "of an earlier version.",
    )
    apart_nats: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Two chains with different starts draw each image: the "
        "difference in nats between the two final images, the largest of all images. "
        "Null if no chain was needed.",
    )


class CompletionSummary(Summary):
    """The result of a completion.

    A completion by `posterior` also stores two maps: `keys.image`, fields `mean` and
    `entropy`.
    """

    sample_nats: tuple[float, ...] | None = None
    """-ln p(image) of each image as a whole, if the job ranks them. The given pixels
    are the same in all images, so this is also the order of the drawn parts given them.
    """
    posterior: Receipt | None = None
    """Accuracy of a completion by `posterior`; None for `clamp`."""
    values: int | None = Field(default=None, ge=2)
    """Number of values of a colour, the scale of the maps; None without maps."""

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        """Return `ranking`, `posterior` and `marginals` (address of the maps); each is
        None if the completion has none."""
        ranking = None
        if self.sample_nats is not None:
            ranking = _ranking(self.sample_nats, images)
        marginals = None
        if self.posterior is not None:
            marginals = f"{address}/marginals{query}"
        return {
            "ranking": ranking,
            "posterior": self.posterior,
            "marginals": marginals,
        }


class RankedImage(Described):
    """A completion and the model's likelihood of the whole image, given pixels
    included."""

    sample: int
    """Index of the image among the `n`, counted from 0."""
    nats: float = Field(description="-ln p(image); lower is likelier.")
    image: str
    """Address of the image."""


class Answer(Described):
    """The fields of a result that only completions have."""

    ranking: list[RankedImage] | None = None
    """The completions of a job with `rank`, the likeliest first."""
    posterior: Receipt | None = None
    """Accuracy of the images of a completion by `posterior`."""
    marginals: str | None = None
    """Address of the maps of a completion by `posterior`: the expected value and the
    entropy of each pixel."""
    cutouts: list[Cutout] | None = None
    """The cut-outs of a larger picture (`fit=crop`), in reading order."""


def _ranking(sample_nats: Sequence[float], images: Sequence[str]) -> list[RankedImage]:
    """Sort by likelihood, the likeliest first; equals stay in the order in which they
    were drawn."""
    order = sorted(range(len(images)), key=sample_nats.__getitem__)
    return [RankedImage(sample=i, nats=sample_nats[i], image=images[i]) for i in order]


KIND = Kind(
    "complete",
    "completion",
    """Fill the hole of an image, `n` times: known pixels stay as they are, and
    `filled_pixels` counts the drawn ones.

    By `posterior`, the default method, the hole is conditioned on all given pixels,
    wherever they are. `result.posterior` reports how accurately: `exact`, or with how
    many particles, and how many of them counted. `GET /jobs/{id}/marginals` shows the
    expected value of each pixel. An image that is drawn by particles, or in another
    order than from the top down, is published when it is complete. By `clamp` a drawn
    pixel is conditioned on the pixels above it and to its left; given pixels below it
    are kept, but do not influence it. With `rank` the completions are scored as whole
    images, the likeliest first.
    """,
    Input.PICTURE_AND_KEEP,
    CompleteOptions,
    draws=True,
    draws_small=True,
    summary=CompletionSummary,
    answer=Answer,
    job_fields=CompletionFields,
    why_no_provenance="this is a completion, and only samples can be verified: it "
    "depends on the given pixels, and the picture does not say which they were",
    estimates="estimate",
    zero_images="0: no image, only statistics of the hole. `result.posterior` and `GET "
    "/jobs/{id}/marginals` are those of one image by `posterior`, and the job's "
    "picture is the expected one.",
    source=Source.EDITED,
)
