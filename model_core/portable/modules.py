"""The WebAssembly modules that exist: engine/modules.json says for each kind of network
its files and their digests."""

import json
from typing import Any

from model_core import shipped

MODULES = shipped.ENGINE / "modules.json"


def modules() -> dict[str, Any]:
    """Return what engine/modules.json says, by kind of network: `file`, its `bytes`
    without compression and their `sha256`, `sources`, the digest of its sources, and
    `relaxed`, the first three for the faster module (relaxed.py). The file is read by
    each call."""
    return json.loads(MODULES.read_text(encoding="utf-8"))
