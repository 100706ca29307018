"""List the models of a directory, for people and for programs."""

from pathlib import Path
from typing import Any

from model_core.card import Card
from model_core.cli.tables import print_table
from model_core.errors import ModelError
from model_core.models_directory import CARD, models_in


def describe_models(models_dir: Path | None) -> list[dict[str, Any]]:
    """Return what the card of every model of a directory says, as JSON values, sorted
    by name.

    models_dir: the models directory. None: the default one, which contains the models
        that ship with the project.

    Raises ModelError for a damaged card, and if there is no model.
    """
    directory, names = models_in(models_dir)
    if not names:
        raise ModelError(f"no models in {directory}: expected NAME/{CARD} there")
    return [Card.read(directory / name / CARD).to_dict() for name in names]


def print_models(cards: list[dict[str, Any]]) -> None:
    """Print cards, as `describe_models` returns them, as a table on stdout, with a line
    for each model."""
    print_table(
        ("model", "network", "shape", "values", "parameters", "nats", "bits/dim"),
        map(_row, cards),
    )


def _row(card: dict[str, Any]) -> tuple[str, ...]:
    config, scores = card["config"], card["scores"]
    return (
        card["name"],
        config["network"],
        f"{config['height']}x{config['width']}x{config['channels']}",
        str(config["values"]),
        f"{card['parameters']:,}",
        f"{scores['nats']:.2f}" if "nats" in scores else "-",
        f"{scores['bits_per_dim']:.3f}" if "bits_per_dim" in scores else "-",
    )
