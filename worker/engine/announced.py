"""The card of a model as the worker announces it."""

import structlog

from model_core.card import Card
from model_core.codec.codec import has_codec
from model_core.errors import ModelError
from model_core.kinds import KINDS as NETWORKS
from model_core.models import Model
from model_core.sampling.stages import is_cold, reason_for_processors
from worker.contract.cards import ModelCard
from worker.contract.kind import Kind
from worker.contract.kinds import KINDS
from worker.contract.traits import Label, Method
from worker.engine.refusals import LONGEST
from worker.engine.slot_plan import SlotPlan


def announced_card(name: str, model: Model, plan: SlotPlan) -> ModelCard:
    """Return the announced card of a model that is not warmed up yet."""
    facts = card_facts(
        name, model.card, has_codec(model), plan.particles, is_cold(model)
    )
    reason = _reason_for_processors(name, model)
    return facts.model_copy(update={"on_processors": reason})


def card_facts(
    name: str, card: Card, has_codec: bool, particles: int, is_cold: bool
) -> ModelCard:
    """Return what is announced of a model that is not ready.

    particles: most particles of an image, 0 without `posterior`.

    Raises ModelError if the card's texts are not valid.
    """
    config = card.config
    scores = card.scores if card.scores.get("split") == "test" else {}
    members = tuple(member.orientation for member in card.members) or ("none",)
    has_fields = not config.multi_scale and "none" in members
    announced = ModelCard(
        name=name,
        network=config.network,
        height=config.height,
        width=config.width,
        channels=config.channels,
        small_height=config.small.height if config.multi_scale else 0,
        small_width=config.small.width if config.multi_scale else 0,
        values=config.values,
        parameters=card.parameters,
        data=card.data,
        test_nats=scores.get("nats"),
        test_bits_per_dim=scores.get("bits_per_dim"),
        digest=card.sha256,
        identity=card.identity,
        can=tuple(word for word, kind in KINDS.items() if _can(kind, card, has_codec)),
        title=NETWORKS[config.network].title,
        members=members,
        methods=(Method.POSTERIOR, Method.CLAMP) if particles else (Method.CLAMP,),
        max_particles=particles,
        labels=tuple(
            Label(name=label.name, prior=label.prior) for label in card.labels
        ),
        field=card.field,
        field_step=card.step if has_fields else 0,
        palette=card.palette,
        names=card.names,
        compiling=True,
        cold=is_cold,
    )
    try:
        announced.model_dump_json()
    except ValueError as error:
        raise ModelError(f"its card cannot be told as JSON: {error}") from None
    return announced


def _can(kind: Kind, card: Card, has_codec: bool) -> bool:
    has_all = card.config.multi_scale or not kind.needs_scales
    tells_labels = bool(card.labels) and not card.config.multi_scale
    return (
        has_all
        and (has_codec or not kind.needs_codec)
        and (tells_labels or not kind.needs_labels)
    )


def _reason_for_processors(name: str, model: Model) -> str:
    """Return and log why the CPU draws from a model whose weights are on a GPU; else an
    empty string."""
    reason = reason_for_processors(model)
    if reason is None:
        return ""
    log = structlog.get_logger("card")
    log.critical("processors_draw", model=name, device=model.device, reason=reason)
    return reason[:LONGEST]
