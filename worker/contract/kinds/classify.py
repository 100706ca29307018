"""The label of a picture: how probable the model finds each, given all of it or a part."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from worker.contract.colours import ColourOptions
from worker.contract.kind import (
    FOUND,
    Able,
    Asked,
    BadOptionError,
    Input,
    Kind,
    Shows,
    Summary,
)
from worker.contract.labels import components
from worker.contract.record import Record
from worker.contract.several import SeveralOptions

PARTICLES = 32
MAX_PARTICLES = 256
"""Particles of each label and network, at most; a model's card may say less."""
MAX_PARTICLES_OF_JOB = 2048

_LABEL = 2 * 256
"""Bytes that one label's entry takes in a result, which is kept twice: in the job's record and in its last event."""


class ClassifyOptions(SeveralOptions, ColourOptions):
    """Which label has this picture?"""

    particles: int | None = Field(
        default=None,
        ge=1,
        le=MAX_PARTICLES,
        description="Particles of each label, and of each network of a mixture, where something is given behind a "
        f"pixel that is not. More come closer and take longer. {PARTICLES} when absent, or as many as the model's "
        f"`max_particles`; all together may be {MAX_PARTICLES_OF_JOB}.",
    )
    components: Annotated[int, FOUND] = Field(default=1, ge=1)
    """How many distributions the model is made of."""
    given_behind: Annotated[int, FOUND] = Field(default=0, ge=0)
    """How many given pixels lie behind the first that is not, in the order of the member that has the most. With none
    the answer is exact, without particles."""

    def settled(self, model: Able, n: int) -> Self:
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
            "components": count,
            "particles": self.particles or min(PARTICLES, most),
        }
        return super().settled(model, n).model_copy(update=found)

    def work(self, job: Asked) -> int:
        """A pass of each distribution counts as one row; or all values of its particles do."""
        by_particles = self.particles_needed * job.height
        return job.n * self.components * (by_particles or 1) * job.width * job.channels

    def room(self, job: Asked) -> int:
        return job.n * (1024 + _LABEL * self.components)

    @property
    def particles_needed(self) -> int:
        """Particles of each distribution; 0 where the answer is exact without."""
        return (self.particles or PARTICLES) if self.given_behind else 0

    @property
    def is_long(self) -> bool:
        return self.given_behind > 0

    @property
    def pace(self) -> str:
        return "classify by particles" if self.given_behind else ""


class LabelBelief(Record):
    """How probable one label is."""

    label: int = Field(
        ge=0, description="Its number: its place in the model's `labels`."
    )
    name: str = Field(description="Its name.")
    p: float = Field(ge=0, le=1, description="p(label | what is given).")
    nats: float = Field(
        allow_inf_nan=False, description="-ln p(what is given | label)."
    )
    sd: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Standard deviation of `nats`; null where they are exact.",
    )
    p_sd: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Standard deviation of `p`; null where it is exact.",
    )


class ClassifySummary(Summary):
    """How probable each label is, and how well that is known."""

    labels: tuple[LabelBelief, ...] = Field(
        description="All labels of the model, the most probable first."
    )
    nats: float = Field(
        allow_inf_nan=False,
        description="-ln p(what is given), over all labels: high for a strange picture, whatever its label.",
    )
    exact: bool = Field(
        description="These are the model's own probabilities. Else they are estimated by particles; `quality` "
        "says how far two estimates agree."
    )
    quality: Literal["exact", "good", "rough", "poor"] = Field(
        description="How well they are known. `good`: two halves of the particles agree within 0.05 in every label, "
        "and 2.5 of the likeliest one's count. `rough`: within 0.15. `poor`: they do not; more `particles` may help."
    )
    particles: int = Field(
        ge=0,
        description="Particles of each label and network; 0 when none were needed.",
    )
    quantised_pixels: int = Field(
        ge=0,
        description="How many pixels were moved to the nearest of the values that the model knows.",
    )

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        return self.model_dump()


KIND = Kind(
    "classify",
    "classification",
    """How probable each label of the model is, given a picture, or given a part of one: p(label | what is given).

    By Bayes' rule from the likelihoods of the model, which are the images of each label as it knows them, and from
    their `prior`. It is exact for a whole picture, and where all that is given comes before all that is not, in the
    order of each network. Else particles estimate it, and `sd`, `p_sd` and `quality` say how well. `result.nats` says
    how strange the picture is, whatever its label. For models that have `labels`.
    """,
    Input.PICTURE_OR_PART,
    ClassifyOptions,
    order="worker.orders.pictures:build",
    carried_out="worker.engine.kinds.classify:classified",
    shows=Shows.GIVEN,
    summary=ClassifySummary,
    needs_labels=True,
)
