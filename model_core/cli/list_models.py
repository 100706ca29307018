"""The models there are, for people and programs."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from model_core.card import Card
from model_core.models_directory import CARD, models_in

_WIDTH_OF_A_PIPE = 160


def describe_models(models_dir: Path | None) -> list[dict[str, Any]]:
    """What every card says, by name; ModelError for a damaged one. None: the models that ship with the project."""
    directory, names = models_in(models_dir)
    return [Card.read(directory / name / CARD).to_dict() for name in names]


def print_models(cards: list[dict[str, Any]]) -> None:
    """A table on stdout, a line per model; a name is never cut, and in a pipe nothing is."""
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_PIPE
    console.print(_table(cards))


def _table(cards: list[dict[str, Any]]) -> Table:
    name = Column("model", no_wrap=True, min_width=max((len(card["name"]) for card in cards), default=0))
    table = Table(name, "network", "shape", "values", "parameters", "nats", "bits/dim", box=None, pad_edge=False)
    for card in cards:
        config, scores = card["config"], card["scores"]
        table.add_row(
            card["name"],
            config["network"],
            f"{config['height']}x{config['width']}x{config['channels']}",
            str(config["values"]),
            f"{card['parameters']:,}",
            f"{scores['nats']:.2f}" if "nats" in scores else "-",
            f"{scores['bits_per_dim']:.3f}" if "bits_per_dim" in scores else "-",
        )
    return table
