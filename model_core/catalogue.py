"""The models there are, for people and programs."""

from pathlib import Path
from typing import Any

from rich.table import Table

from model_core.models import load_card, model_names


def describe_models(models_dir: Path) -> list[dict[str, Any]]:
    """What every card says, by name; ModelError for a damaged one."""
    return [load_card(name, models_dir).to_dict() for name in model_names(models_dir)]


def models_table(cards: list[dict[str, Any]]) -> Table:
    """A line per model."""
    table = Table("model", "network", "shape", "values", "parameters", "test nats", "bits/dim", "data")
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
            card["data"],
        )
    return table
