"""The label of a picture: the probability of each label, given all of the picture or a
part."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from worker.contract.colours import ColourOptions
from worker.contract.kind import Input, Kind, Shows, Summary
from worker.contract.labels import components
from worker.contract.options import FOUND, BadOptionError
from worker.contract.record import Record
from worker.contract.several import SeveralOptions
from worker.contract.traits import JobSize, ModelTraits

PARTICLES = 32
"""Default number of particles for each label and network."""
MAX_PARTICLES = 256
"""Most particles for each label and network; a model's card may allow fewer."""
MAX_PARTICLES_OF_JOB = 2048
"""Most particles of one picture, over all labels and networks."""

_LABEL = 2 * 256
"""Bytes of one label's entry in a result, which is stored twice."""


class ClassifyOptions(SeveralOptions, ColourOptions):
    """Which label has this picture?"""

    particles: int | None = Field(
        default=None,
        ge=1,
        le=MAX_PARTICLES,
        description="Particles for each label, and for each network of a mixture. "
        "They are needed only if there are given pixels behind a missing one. More "
        "are more accurate and take longer. Default: 32, or the model's "
        "`max_particles` if that is lower; at most 2048 over all labels and "
        "networks.",
    )
    components: Annotated[int, FOUND] = Field(default=1, ge=1)
    """Number of distributions that the model consists of: one for each network and
    label."""
    given_behind: Annotated[int, FOUND] = Field(default=0, ge=0)
    """Number of given pixels behind the first missing one, in the drawing order of the
    member for which that is largest. If it is 0, the answer is exact and needs no
    particles."""

    def for_model(self, model: ModelTraits, n: int) -> Self:
        """Return a copy with the number of particles and of components for this
        model."""
        count = components(model)
        most = min(
            model.max_particles or MAX_PARTICLES, max(1, MAX_PARTICLES_OF_JOB // count)
        )
        if self.particles is not None and self.particles > most:
            raise BadOptionError(
                f"particles: expected at most {most} for this model and its labels",
                "particles",
            )
        found = {
            **self.colours_for(model),
            "components": count,
            "particles": self.particles or min(PARTICLES, most),
        }
        return self.model_copy(update=found)

    def work(self, job: JobSize) -> int:
        """Return the cost: a pass of each distribution counts as one row of values; if
        particles are needed, all their values count."""
        by_particles = self.particles_needed * job.height
        return job.n * self.components * (by_particles or 1) * job.width * job.channels

    def room(self, job: JobSize) -> int:
        """Return an upper bound for the bytes of the summaries of all pictures."""
        return job.n * (1024 + _LABEL * self.components)

    @property
    def particles_needed(self) -> int:
        """Particles for each distribution; 0 if the answer is exact without them."""
        return (self.particles or PARTICLES) if self.given_behind else 0

    @property
    def is_long(self) -> bool:
        """True if particles are needed."""
        return self.given_behind > 0

    @property
    def pace(self) -> str:
        """`classify by particles` if particles are needed; else empty."""
        return "classify by particles" if self.given_behind else ""


class LabelBelief(Record):
    """The probability of one label."""

    label: int = Field(
        ge=0, description="Its index in the model's `labels`, counted from 0."
    )
    name: str = Field(description="Its name.")
    p: float = Field(ge=0, le=1, description="p(label | given pixels).")
    nats: float = Field(allow_inf_nan=False, description="-ln p(given pixels | label).")
    sd: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Standard deviation of `nats`; null if they are exact.",
    )
    p_sd: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Standard deviation of `p`; null if it is exact.",
    )


class ClassifySummary(Summary):
    """The result of a classification: the probability of each label, and its
    accuracy."""

    labels: tuple[LabelBelief, ...] = Field(
        description="All labels of the model, the most probable first."
    )
    nats: float = Field(
        allow_inf_nan=False,
        description="-ln p(given pixels), over all labels: high for an unusual "
        "picture, whatever its label.",
    )
    exact: bool = Field(
        description="True if these are the model's own probabilities. Otherwise "
        "particles estimate them, and `quality` says how well two estimates agree."
    )
    quality: Literal["exact", "good", "rough", "poor"] = Field(
        description="How accurate the probabilities are. `good`: two halves of the "
        "particles agree within 0.05 for every label, and the effective number of "
        "particles of the likeliest label is at least 2.5. `rough`: they agree "
        "within 0.15. `poor`: they do not; more `particles` may help."
    )
    particles: int = Field(
        ge=0,
        description="Particles for each label and network; 0 if none were needed.",
    )
    quantised_pixels: int = Field(
        ge=0,
        description="Number of pixels that were moved to the nearest value that "
        "the model knows.",
    )

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        """Return all fields; a classification has no images and no links."""
        return self.model_dump()


KIND = Kind(
    "classify",
    "classification",
    """The probability of each label of the model, given a picture or a part of one:
    p(label | given pixels).

    It follows by Bayes' rule from the model's likelihood of the given pixels under each
    label, and from each label's `prior`. It is exact for a whole picture, and if all
    given pixels come before all missing ones in the drawing order of each network.
    Otherwise particles estimate it, and `sd`, `p_sd` and `quality` say how accurately.
    `result.nats` says how unusual the picture is, whatever its label. Only for models
    that have `labels`.
    """,
    Input.PICTURE_OR_PART,
    ClassifyOptions,
    shows=Shows.GIVEN,
    summary=ClassifySummary,
    needs_labels=True,
)
