"""The models from which an engine process draws."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.contract.cards import ModelCard, RefusedModel


@dataclass(frozen=True)
class Catalogue:
    """The models of an engine process when it starts, which it reports to its worker."""

    cards: Mapping[str, ModelCard]
    """The loaded models: name -> card."""
    slots: Mapping[str, int]
    """Model -> number of its images that can be drawn at once."""
    numerics: str
    """The arithmetic that draws from them (model_core.sampling.stages.numerics_of)."""
    threads: int = 1
    """Most threads in which one model is drawn."""
    refused: tuple[RefusedModel, ...] = ()
    """Models that could not be loaded, with the reasons."""


def kept_name(card: ModelCard) -> str:
    """Return the name NAME@IDENTITY by which an engine process knows weights that were
    added while it runs. The plain name stands for those with which it started."""
    return f"{card.name}@{card.identity_or_digest}"
