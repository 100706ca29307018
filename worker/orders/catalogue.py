"""The models that a worker has to draw from."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.contract.cards import ModelCard, RefusedModel


@dataclass(frozen=True)
class Catalogue:
    """The models that are loaded, by name."""

    cards: Mapping[str, ModelCard]
    slots: Mapping[str, int]
    """Images of a model that can be drawn at once."""
    numerics: str
    """The arithmetic that draws from them (model_core.sampling.stages.numerics_of)."""
    threads: int = 1
    """Threads in which one model is drawn, at the most."""
    refused: tuple[RefusedModel, ...] = ()
    """Models that could not be loaded, and why."""


def kept_name(card: ModelCard) -> str:
    """Name in the engine of weights that came while it ran: the plain name is that of those it began with."""
    return f"{card.name}@{card.identity_or_digest}"
