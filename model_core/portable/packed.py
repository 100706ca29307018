"""A model as the JavaScript engine reads it: portable.json, its card, and packed
weights whose names contain their digest."""

import gzip
import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

from model_core.card import Card
from model_core.components import Member
from model_core.errors import ConfigError, ModelError
from model_core.models import Model
from model_core.models_directory import CARD, check_name
from model_core.networks.pixel_network import PixelNetwork
from model_core.portable.modules import modules
from model_core.portable.table import describe_table
from model_core.posterior.targets import strange_nats
from model_core.sampling.stages import compiled_loops, loops_of

FORMAT, FORMAT_WITH_GUIDES = 3, 4
DESCRIPTION = "portable.json"


def unportable(model: Model) -> str | None:
    """Return a sentence that says why a model cannot be exported; None if it can."""
    try:
        # Files are written to a directory of this name, and cards come from strangers.
        check_name(model.card.name)
    except ConfigError as error:
        return str(error)
    if model.config.multi_scale:
        return (
            f"{model.card.name} is a Multi-Scale model: its conditioning map is "
            "computed by torch"
        )
    if compiled_loops(model) not in modules():
        return (
            f"{model.card.name} has no drawing loop that was built ahead of time: "
            f"there is {', '.join(modules())}"
        )
    if any(loops_of(guide.network) not in modules() for guide in model.guides):
        return (
            f"{model.card.name} has a guide without such a drawing loop: there is "
            f"{', '.join(modules())}"
        )
    return None


def write_packed(model: Model, folder: Path) -> list[Path]:
    """Write a model into a folder of its own, which is made, and return the paths of
    the files. The process must have been started with target.ENVIRONMENT before it
    imported numba. Raises ModelError if the model cannot be exported (`unportable`)."""
    if (reason := unportable(model)) is not None:
        raise ModelError(reason)
    folder.mkdir(parents=True, exist_ok=True)
    members, tables = zip(
        *(_member(member, folder) for member in model.members), strict=True
    )
    assert all(table == tables[0] for table in tables), (
        "members have one config, so one table"
    )
    guides = [_guide(guide, model, folder) for guide in model.guides]
    description = _description(model, list(members), tables[0])
    if guides:
        description |= {"format": FORMAT_WITH_GUIDES, "guides": guides}
    (folder / DESCRIPTION).write_text(_as_text(description), encoding="utf-8")
    model.card.write(folder / CARD)
    files = dict.fromkeys(
        each["weights"]["file"] for each in (*members, *guides) if "weights" in each
    )
    return [folder / DESCRIPTION, folder / CARD, *(folder / file for file in files)]


def renew(folder: Path, card: Card) -> None:
    """Write portable.json and the card anew in the folder of an exported model if the
    model's validation scores have changed since. The folder is named by the model's
    identity, of which these scores are no part."""
    path = folder / DESCRIPTION
    description = json.loads(path.read_bytes())
    strange = strange_nats(card)
    if description.get("strange_nats") == strange:
        return
    card.keep(folder)
    # Browsers and other workers may read or renew the file at this moment.
    draft = folder / f".{uuid.uuid4().hex}"
    draft.write_text(
        _as_text({**description, "strange_nats": strange}), encoding="utf-8"
    )
    draft.replace(path)


def _as_text(description: dict[str, Any]) -> str:
    return json.dumps(description, separators=(",", ":")) + "\n"


def _guide(guide: Member, model: Model, folder: Path) -> dict[str, Any]:
    """Return what portable.json says of a guide: which member it is, or a network of
    its own, whose weights are written."""
    if guide in model.members:
        return {"orientation": guide.orientation, "member": model.members.index(guide)}
    facts, table = _member(guide, folder)
    kind = guide.network.config.network
    return {
        **facts,
        "kind": kind,
        "sources": modules()[kind]["sources"],
        "table": table,
    }


def _member(
    member: Member, folder: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write one network's weights. Return what portable.json says of the member, and
    its table."""
    assert isinstance(member.network, PixelNetwork), (
        "only a Multi-Scale model's network is another"
    )
    table, weights = describe_table(member.network)
    digest = hashlib.sha256(weights).hexdigest()
    file = f"weights-{digest[:16]}.bin.gz"
    (folder / file).write_bytes(gzip.compress(weights, 9, mtime=0))
    facts = {"file": file, "bytes": len(weights), "sha256": digest}
    return {"orientation": member.orientation, "weights": facts}, table


def _description(
    model: Model, members: list[dict[str, Any]], table: list[dict[str, Any]]
) -> dict[str, Any]:
    config, card = model.config, model.card
    return {
        "format": FORMAT,
        "name": card.name,
        "sha256": card.sha256,
        "identity": card.identity,
        "data": card.data,
        "kind": config.network,
        "sources": modules()[config.network]["sources"],
        "image": config.image,
        "members": members,
        **({"palette": card.palette} if card.palette else {}),
        "labels": [{"name": label.name, "prior": label.prior} for label in card.labels],
        "parameters": card.parameters,
        "strange_nats": strange_nats(card),
        "table": table,
    }
