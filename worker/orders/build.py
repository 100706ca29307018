"""How a claimed job becomes an order, by its kind. Plain values: no Redis, no queue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from worker.contract.cards import ModelCard
from worker.contract.coded_file import CodedFile
from worker.contract.events import RowDrawn
from worker.contract.jobs import JobSpec
from worker.contract.kinds import JobKind, Method
from worker.orders.claims import Claim
from worker.orders.faults import JobRefusedError, malformed_spec
from worker.orders.images import (
    check_spec,
    drawer_for,
    drawn_images,
    encoded_values,
    exact_drawer,
    given_image,
    plan_images,
    rows_published,
    scored_values,
    whole_picture,
)
from worker.orders.orders import (
    DecodeOrder,
    DrawOrder,
    EncodeOrder,
    Hole,
    Order,
    ParticleOrder,
    ScoreOrder,
    VerifyOrder,
)
from worker.orders.priorities import priority_of


@dataclass(frozen=True)
class Material:
    """What is kept of a job beside its description: its input as in `keys.image`, and the rows that are published."""

    claim: Claim
    pixels: bytes
    keep: bytes
    rows: Sequence[RowDrawn]


def build(spec: JobSpec, card: ModelCard, material: Material) -> Order:
    """What the engine shall do. JobRefusedError when it cannot be done with this model, or makes no sense."""
    check_spec(spec, card)
    try:
        return _BUILDERS[spec.kind](spec, card, material)
    except (KeyError, ValueError, IndexError) as error:
        raise JobRefusedError(malformed_spec(f"The job's stored image or rows make no sense: {error}")) from error


def _draw(spec: JobSpec, card: ModelCard, material: Material) -> DrawOrder:
    """The images that still lack rows."""
    given = given_image(spec, card.values, material.pixels, material.keep)
    drawer = drawer_for(spec, card.members)
    images = plan_images(spec, card.values, given, material.rows, drawer)
    drawn = drawn_images(spec, card.values, material.rows) if spec.rank else None
    return DrawOrder(material.claim, spec.model, card.values, images, priority_of(spec), drawn, spec.rank)


def _complete(spec: JobSpec, card: ModelCard, material: Material) -> DrawOrder | ParticleOrder:
    """Images like any others, but for those that only particles can draw."""
    if spec.method is Method.CLAMP:
        return _draw(spec, card, material)
    given = given_image(spec, card.values, material.pixels, material.keep)
    assert given is not None
    assert given.keep is not None
    hole = Hole(given, spec.temperature)
    drawer = exact_drawer(card.members, given.keep)
    if drawer is None:
        return _by_particles(spec, card, material, hole)
    images = plan_images(spec, card.values, given, material.rows, drawer)
    drawn = drawn_images(spec, card.values, material.rows)
    return DrawOrder(material.claim, spec.model, card.values, images, priority_of(spec), drawn, spec.rank, hole)


def _by_particles(spec: JobSpec, card: ModelCard, material: Material, hole: Hole) -> ParticleOrder:
    if not 0 < spec.particles <= card.max_particles:
        raise ValueError(f"it asks for {spec.particles} particles, and there is room for {card.max_particles}")
    return ParticleOrder(
        material.claim,
        spec.model,
        card.values,
        hole,
        spec.seed,
        spec.particles,
        spec.sweeps,
        rows_published(spec, material.rows),
        priority_of(spec),
        spec.rank,
    )


def _score(spec: JobSpec, card: ModelCard, material: Material) -> ScoreOrder:
    """One picture, and perhaps one pixel of it."""
    values, quantised = scored_values(spec, card.values, material.pixels)
    return ScoreOrder(material.claim, spec.model, values, quantised, spec.pixel, spec.influence)


def _verify(spec: JobSpec, card: ModelCard, material: Material) -> VerifyOrder:
    """One picture, which is to be drawn again."""
    how = spec.seed, spec.sample, spec.temperature, spec.drawn_with
    return VerifyOrder(material.claim, spec.model, whole_picture(spec, material.pixels), *how)


def _encode(spec: JobSpec, card: ModelCard, material: Material) -> EncodeOrder:
    """Some pictures, which become a file."""
    return EncodeOrder(material.claim, spec.model, encoded_values(spec, card.values, material.pixels))


def _decode(spec: JobSpec, card: ModelCard, material: Material) -> DecodeOrder:
    """A file, whose pictures are the job's images."""
    images = CodedFile.of(material.pixels).images
    if images != spec.n:
        raise ValueError(f"the file holds {images} pictures, and the job says {spec.n}")
    return DecodeOrder(material.claim, spec.model, card.values, material.pixels, rows_published(spec, material.rows))


_BUILDERS: Mapping[JobKind, Callable[[JobSpec, ModelCard, Material], Order]] = {
    JobKind.SAMPLE: _draw,
    JobKind.COMPLETE: _complete,
    JobKind.UPSAMPLE: _draw,
    JobKind.SCORE: _score,
    JobKind.VERIFY: _verify,
    JobKind.ENCODE: _encode,
    JobKind.DECODE: _decode,
}
