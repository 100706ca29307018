"""The models that a worker has to draw from."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.contract.cards import ModelCard


@dataclass(frozen=True)
class Catalogue:
    """The models that are loaded, by name."""

    cards: Mapping[str, ModelCard]
    slots: Mapping[str, int]
    """Images of a model that can be drawn at once."""
    numerics: str
    """The arithmetic that draws from them (model_core.sampling.stages.numerics_of)."""


def kept_name(card: ModelCard) -> str:
    """Name in the engine of a model whose weights were exchanged: its own name is that of the new ones."""
    return f"{card.name}@{card.digest}"
