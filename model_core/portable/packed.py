"""A model as the engine in JavaScript reads it: portable.json, its card, and packed weights named by their digest."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from model_core.components import Member
from model_core.errors import ModelError
from model_core.models import Model
from model_core.models_directory import CARD
from model_core.networks.pixel_network import PixelNetwork
from model_core.portable.modules import modules
from model_core.portable.table import described
from model_core.posterior.targets import strange_nats
from model_core.sampling.stages import compiled_loops

FORMAT = 3
DESCRIPTION = "portable.json"


def unportable(model: Model) -> str | None:
    """Why a model cannot be exported, in a sentence; None where it can."""
    if model.config.multi_scale:
        return f"{model.card.name} is a Multi-Scale model: its conditioning map is computed by torch"
    if compiled_loops(model) not in modules():
        return f"{model.card.name} has no drawing loop that was built ahead of time: there is {', '.join(modules())}"
    return None


def write_packed(model: Model, folder: Path) -> list[Path]:
    """Write a model into a folder of its own; returns the files. Raises ModelError when it cannot be exported."""
    if (reason := unportable(model)) is not None:
        raise ModelError(reason)
    folder.mkdir(parents=True, exist_ok=True)
    members, tables = zip(*(_member(member, folder) for member in model.members), strict=True)
    assert all(table == tables[0] for table in tables), "members have one config, so one table"
    description = _description(model, list(members), tables[0])
    (folder / DESCRIPTION).write_text(json.dumps(description, separators=(",", ":")) + "\n", encoding="utf-8")
    model.card.write(folder / CARD)
    return [folder / DESCRIPTION, folder / CARD, *(folder / member["weights"]["file"] for member in members)]


def _member(member: Member, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write one network's weights; returns what the description says of it, and its table."""
    assert isinstance(member.network, PixelNetwork), "only a Multi-Scale model's network is another"
    table, weights = described(member.network)
    digest = hashlib.sha256(weights).hexdigest()
    file = f"weights-{digest[:16]}.bin.gz"
    (folder / file).write_bytes(gzip.compress(weights, 9, mtime=0))
    facts = {"file": file, "bytes": len(weights), "sha256": digest}
    return {"orientation": member.orientation, "weights": facts}, table


def _description(model: Model, members: list[dict[str, Any]], table: list[dict[str, Any]]) -> dict[str, Any]:
    config, card = model.config, model.card
    return {
        "format": FORMAT,
        "name": card.name,
        "sha256": card.sha256,
        "identity": card.identity,
        "data": card.data,
        "kind": config.network,
        "sources": modules()[config.network]["sources"],
        "image": {name: getattr(config, name) for name in ("channels", "height", "width", "values")}
        | ({"categories": True} if config.categories else {}),
        "members": members,
        "labels": [{"name": label.name, "prior": label.prior} for label in card.labels],
        "strange_nats": strange_nats(card),
        "table": table,
    }
