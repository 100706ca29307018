"""Which precision is faster for a network's updates on this CPU, float32 or bf16,
stored between trainings.

To find it, updates are timed in both precisions, whose loops are compiled first. The
file is beside the compiled code of this CPU, so that another CPU has its own.
"""

import hashlib
import json
import uuid
from contextlib import suppress
from pathlib import Path

from model_core.compiled import keeping
from model_core.config import NetworkConfig

FILE = "precisions.json"
PRECISIONS = ("float32", "bf16")
"""The precisions that are compared."""


def remembered(config: NetworkConfig, batch: int) -> str | None:
    """Return the precision that was stored as the faster one for this network and
    batch, float32 or bf16; None if none was."""
    found = _read(_path()).get(_key(config, batch))
    return found if found in PRECISIONS else None


def remember(config: NetworkConfig, batch: int, precision: str) -> None:
    """Store on disk which precision, float32 or bf16, is faster for this network and
    batch on this CPU. Do nothing if that fails."""
    if not keeping.KEEP:
        return
    path = _path()
    known = {**_read(path), _key(config, batch): precision}
    draft = path.with_name(f"{FILE}.{uuid.uuid4().hex[:8]}")
    with suppress(OSError):
        draft.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)


def _path() -> Path:
    return keeping.root / FILE


def _key(config: NetworkConfig, batch: int) -> str:
    return hashlib.sha256(repr((config, batch)).encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
