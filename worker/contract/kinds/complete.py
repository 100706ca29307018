"""The hole of an image, filled."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from worker.contract.colours import ColourOptions
from worker.contract.cutouts import Cutout, CutoutOptions, CutoutPlace
from worker.contract.kind import (
    FOUND,
    Able,
    Asked,
    BadOptionError,
    Input,
    Kind,
    Method,
    Quality,
    SeededOptions,
    Since,
    Source,
    Summary,
    drawn_values,
)
from worker.contract.labels import LabelOptions
from worker.contract.pixel_options import PIXELS
from worker.contract.record import Described, Record

PARTICLES = 32
MAX_PARTICLES = 256
"""Particles of one image, at most; a model's card may say less."""
MAX_PARTICLES_OF_JOB = 2048
MAX_SWEEPS = 16
FEW_SCORES = 256
"""Fillings of a hole, times the networks of the model, that are scored at most instead of
drawing particles (model_core.posterior.targets)."""

WINDOWS = 4
"""Windows side by side, in which a sweep draws a hole: model_core.posterior.plan.window_size."""

_MAPS = 8
"""Bytes of each variable, in both maps of a completion by `posterior`."""


class CompleteOptions(CutoutOptions, ColourOptions, LabelOptions, SeededOptions):
    """Fill the hole of an image."""

    rank: bool = Field(
        default=False,
        description="Score the completions, and list them with the likeliest first in `result.ranking`.",
    )
    method: Annotated[Literal["posterior", "clamp"] | None, PIXELS] = Field(
        default=None,
        description="`posterior`: the hole is drawn given everything that is given, also below and to the right of it: "
        "exactly where that is possible, else by particles. `clamp`: each pixel is drawn given what is above and to "
        "the left of it; what is given behind it is kept, but not looked ahead to. Without it the model's first one: "
        "`GET /models` lists them.",
    )
    particles: Annotated[int | None, PIXELS] = Field(
        default=None,
        ge=1,
        le=MAX_PARTICLES,
        description="Particles of `posterior`, if it is not exact: how many images are weighed against each other for "
        f"each that is returned. More come closer and take longer. {PARTICLES} when absent, or as many as the model's "
        f"`max_particles`, which is the most; all `n` images together may have {MAX_PARTICLES_OF_JOB}.",
    )
    sweeps: Annotated[int, PIXELS] = Field(
        default=2,
        ge=0,
        le=MAX_SWEEPS,
        description="Sweeps of `posterior`, if it is not exact: how often each image is drawn anew, given the last "
        "one. Each time brings it closer, and takes as long as the beginning or longer.",
    )
    filled_pixels: Annotated[int | None, FOUND] = Field(default=None, ge=1)
    """How many pixels of each image are drawn; the others are given."""
    given_behind: Annotated[int, FOUND] = Field(default=0, ge=0)
    """How many given pixels lie behind the hole's first one, in the order of the member that has the most. With none,
    images are drawn exactly, without particles."""

    alone: Annotated[bool, FOUND, Since(7)] = False
    """The marginals and the receipt alone are wanted: n is 0."""

    enumerate: Annotated[bool, FOUND, Since(8)] = False
    """A hole with few fillings may be enumerated: the worker decides for each picture. Jobs
    that an earlier version accepted lack this, and are drawn by particles as before."""

    def with_found(self, found: Mapping[str, Any]) -> Self:
        """Leave `enumerate` out if the hole is not drawn by posterior, so that workers of
        earlier versions take such jobs, too."""
        if not self.by_posterior:
            found = {name: found[name] for name in found if name != "enumerate"}
        return super().with_found(found)

    @property
    def by_posterior(self) -> bool:
        return self.method == Method.POSTERIOR

    def settled(self, model: Able, n: int) -> Self:
        """Names the method, and for `posterior` the particles, that the model offers."""
        settled = super().settled(model, n)._by_method(model, n)
        if settled.cutouts and not settled.by_posterior:
            raise BadOptionError(
                "method: fit=crop fills holes by posterior, of models that have it",
                "method",
            )
        if settled.cutouts and self.rank:
            raise BadOptionError(
                "rank: expected false with fit=crop; result.cutouts has the nats of each",
                "rank",
            )
        return settled if n else settled._without_images()

    def _without_images(self) -> Self:
        if self.pictures or self.cutouts:
            raise BadOptionError(
                "n: expected at least 1 for several pictures, and with fit=crop", "n"
            )
        if not self.by_posterior:
            raise BadOptionError(
                "n: expected at least 1 for clamp, which expects nothing of the hole",
                "n",
            )
        if self.rank:
            raise BadOptionError(
                "rank: expected false where no image is drawn, with n = 0", "rank"
            )
        return self.model_copy(update={"alone": True})

    def _by_method(self, model: Able, n: int) -> Self:
        method = self.method or next(iter(model.methods), Method.CLAMP)
        if method == Method.CLAMP:
            return self.model_copy(
                update={"method": "clamp", "particles": None, "sweeps": 0}
            )
        if method not in model.methods:
            raise BadOptionError(_why_no_posterior(model), "method")
        particles = self.particles or min(PARTICLES, model.max_particles)
        if particles > model.max_particles:
            detail = f"particles: expected at most {model.max_particles}, for which the model's workers have room"
            raise BadOptionError(detail, "particles")
        if max(1, n) * particles > MAX_PARTICLES_OF_JOB:
            most = MAX_PARTICLES_OF_JOB // n
            detail = f"particles: expected at most {most} for {n} images ({MAX_PARTICLES_OF_JOB} for all of them)"
            raise BadOptionError(detail, "particles")
        return self.model_copy(update={"method": str(method), "particles": particles})

    def fits(self, model: Able) -> bool:
        """True if the model offers the method and so many particles."""
        if not super().fits(model) or not self.by_posterior:
            return super().fits(model)
        return self.method in model.methods and (
            not self.given_behind or self._particles <= model.max_particles
        )

    def work(self, job: Asked) -> int:
        """Particles pass what is given behind the hole too: once at the beginning, and in each sweep once for the whole
        hole and, as measured, about a third of that for each window."""
        filled = self.filled_pixels or job.height * job.width
        if not (self.by_posterior and self.given_behind):
            return drawn_values(job, filled)
        sweep = 1 + _windows(filled / (job.height * job.width)) / 3
        passes = self._particles * (1 + self.sweeps * sweep)
        return int(passes * drawn_values(job, filled + self.given_behind))

    def room(self, job: Asked) -> int:
        maps = _MAPS * job.height * job.width * job.channels if self.by_posterior else 0
        return (
            self.picture_count * (1024 + maps) + 80 * job.n
        )  # a likelihood as text, twice, and as often in a receipt

    @property
    def keeps(self) -> Sequence[str]:
        return ("mean", "entropy") if self.by_posterior else ()

    def drawing(self) -> dict[str, Any]:
        said = super().drawing()
        if self.by_posterior:
            return {**said, "particles": self._particles, "sweeps": self.sweeps}
        return {
            name: said[name] for name in said if name not in ("particles", "sweeps")
        }

    def job_fields(self) -> dict[str, Any]:
        return {"filled_pixels": self.filled_pixels, **super().job_fields()}

    @property
    def _particles(self) -> int:
        return self.particles or PARTICLES


def has_few_fillings(missing: int, model: Able) -> bool:
    """Return True if so many missing pixels have few enough fillings to be enumerated,
    whatever label a job asks for."""
    # Nine variables of two values exceed the limit; larger powers are not computed.
    variables = min(missing * model.channels, FEW_SCORES.bit_length())
    return model.values**variables * len(model.members) <= FEW_SCORES


def _windows(share: float) -> float:
    """About how many windows, squares of a quarter of the image's side, a hole meets that is such a share of the image,
    and as long as it is high."""
    return (1 + WINDOWS * share**0.5) ** 2


def _why_no_posterior(model: Able) -> str:
    if model.small_height:
        return "method: this is a Multi-Scale model, which has no posterior; expected clamp"
    return "method: no worker that holds this model offers posterior; expected clamp"


class Shown(Described):
    """The fields of a Job that say how it completes."""

    filled_pixels: int | None
    """How many pixels of a completion are drawn; the others are kept."""
    method: Method | None
    """How a completion is drawn; null for other jobs."""
    particles: int | None
    """Particles of each image of a completion by `posterior`, where it cannot be drawn exactly; else null."""
    sweeps: int | None
    """Number of times that each image of a completion by `posterior` is drawn anew; else null."""
    cutouts: list[CutoutPlace] | None
    """The places of the cut-outs in which the holes of a larger picture are filled, in reading order; else null."""


class Receipt(Record):
    """How good the draws of a completion by `posterior` are."""

    exact: bool = Field(
        description="Each image is a draw from the model's own distribution given everything that is given. Else "
        "it is estimated by particles; `quality` says how far two estimates agree."
    )
    quality: Quality | None = Field(
        default=None,
        description="All that follows in a word, of several images the worst. `good`: the chains that drew an image "
        "agree, and 2.5 of their first particles counted (`ess`), or no chain was needed. `rough`: not quite so. "
        "`poor`: do not rely on it; more `sweeps` and `particles` may help. Null from a worker of an earlier version.",
    )
    qualities: tuple[Quality, ...] | None = Field(
        default=None,
        description="The word of each image, which it would have alone too. Null from a worker of an earlier version.",
    )
    member: str = Field(
        description="The orientation of the network that drew last, `none` being that of the image; a mixture has "
        "several, which take turns."
    )
    label: str | None = Field(
        default=None,
        description="Name of the label of the last image, of a model that has labels; null for others.",
    )
    particles: int = Field(
        ge=0,
        description="Particles of an image, the most: more where they began again; or 0.",
    )
    ess: float | None = Field(
        default=None,
        description="Effective sample size: how many equally weighted particles were worth as much, at the worst "
        "moment of any image. Near 1, one particle decided. Null without particles.",
    )
    distinct: int | None = Field(
        default=None,
        description="Number of its first particles from which an image's last ones descend: the smallest. Null without "
        "particles.",
    )
    evidence_nats: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="-ln of an estimate of p(given): how likely the model finds what is given. Never more than the "
        "nats of a completion, which what is given cannot exceed.",
    )
    evidence_sd: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Standard deviation of such an estimate, in nats. Null without particles.",
    )
    nats: tuple[float, ...] | None = Field(
        default=None,
        description="-ln p of each completed image as a whole. Null from a worker of an earlier version.",
    )
    apart_nats: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Difference in nats between the images in which an image's two chains ended, which began apart; "
        "the largest of all images. Null where no chain was needed.",
    )


class CompletionSummary(Summary):
    """The findings of a completion. If it is by `posterior`, the bytes of two maps are kept too:
    `keys.image`, fields `mean` and `entropy`."""

    sample_nats: tuple[float, ...] | None = None
    """-ln p(image) of each sample as a whole image, where the job ranks them. The given pixels are the same in all, so
    the order is that of the drawn parts given them, those below the hole included."""
    posterior: Receipt | None = None
    values: int | None = Field(default=None, ge=2)
    """How many values a colour takes, where there are maps: their scale."""

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        return {
            "ranking": None
            if self.sample_nats is None
            else _ranking(self.sample_nats, images),
            "posterior": self.posterior,
            "marginals": None
            if self.posterior is None
            else f"{address}/marginals{query}",
        }


class RankedImage(Described):
    """A completion and how likely the model finds the whole image, given pixels included."""

    sample: int
    """Its number among the `n`, counted from 0."""
    nats: float = Field(description="-ln p(image); less is likelier.")
    image: str
    """The address of the image."""


class Answer(Described):
    """The fields of a result that only completions have."""

    ranking: list[RankedImage] | None = None
    """The completions of a job with `rank`, likeliest first."""
    posterior: Receipt | None = None
    """The quality of the images of a completion by `posterior`."""
    marginals: str | None = None
    """The address of the map of what a completion by `posterior` expected of each pixel."""
    cutouts: list[Cutout] | None = None
    """Each cut-out of a larger picture (`fit=crop`), in reading order."""


def _ranking(sample_nats: Sequence[float], images: Sequence[str]) -> list[RankedImage]:
    """Likeliest first; of equals the one drawn first."""
    order = sorted(range(len(images)), key=sample_nats.__getitem__)
    return [RankedImage(sample=i, nats=sample_nats[i], image=images[i]) for i in order]


KIND = Kind(
    "complete",
    "completion",
    """Fill the hole of an image, `n` times: known pixels stay as they are, `filled_pixels` says how many are drawn.

    By `posterior`, the usual method, the hole is drawn given all that is given, wherever it is. `result.posterior` says
    how well: `exact`, or by how many particles, and how many of them counted. `GET /jobs/{id}/marginals` shows what was
    expected of each pixel. An image that is drawn by particles, or in another order than from the top down, comes
    whole. By `clamp` a drawn pixel sees the pixels above it and to its left; given pixels below it are kept, but not
    looked ahead to. With `rank` the completions are scored as whole images, likeliest first.
    """,
    Input.PICTURE_AND_KEEP,
    CompleteOptions,
    order="worker.orders.kinds.complete:build",
    draws=True,
    draws_small=True,
    summary=CompletionSummary,
    answer=Answer,
    shown=Shown,
    why_no_provenance="this is a completion, and only samples can be verified: it depends on the pixels that were "
    "given, and a picture does not say which they were",
    estimates="estimate",
    none_told="0: none, only what is expected of the hole: `result.posterior` and `GET /jobs/{id}/marginals` are those "
    "of one image, by `posterior`, and the job's picture is the expected one.",
    source=Source.EDITED,
)
