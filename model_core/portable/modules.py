"""The WebAssembly modules that there are: engine/modules.json says of each kind of network its file and its digests."""

import json
from typing import Any

from model_core import shipped

MODULES = shipped.ENGINE / "modules.json"


def modules() -> dict[str, Any]:
    """The module of each kind of network: `file`, its `bytes` unpacked and their `sha256`, `sources`, of what it was
    made, and `relaxed`, the same of the faster one (relaxed.py)."""
    return json.loads(MODULES.read_text(encoding="utf-8"))
