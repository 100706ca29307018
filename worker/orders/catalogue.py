"""The models that a worker has to draw from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.contract.cards import ModelCard


@dataclass(frozen=True)
class Catalogue:
    """The models that are loaded, by name."""

    cards: Mapping[str, ModelCard]
    slots: Mapping[str, int]
    """Images of a model that can be drawn at once."""
    numerics: str
    """The arithmetic that draws from them (model_core.sampling.stages.numerics_of)."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Models that could not be loaded, and why."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """The one who alone sees a model; empty for one that everybody sees."""


def kept_name(card: ModelCard) -> str:
    """Name in the engine of weights that came while it ran: the plain name is that of those it began with."""
    return f"{card.name}@{card.identity_or_digest}"
