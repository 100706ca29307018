"""The options that workers of the last release know: kept in released_options.json, which a release writes anew.

python -m tests.worker.contract.released_options
"""

import json
import tomllib
from pathlib import Path
from typing import Any

from worker.contract.jobs import VERSION
from worker.contract.kinds import KINDS
from worker.contract.options import options_version

PLACE = Path(__file__).with_suffix(".json")
_PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def project_version() -> str:
    """The version that pyproject.toml states."""
    return tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"]


def present_options() -> dict[str, Any]:
    """Each kind's options, with the version of a job's description that says them."""
    kinds = {
        word: {
            name: options_version(kind.options, [name])
            for name in kind.options.model_fields
        }
        for word, kind in sorted(KINDS.items())
    }
    return {"release": project_version(), "version": VERSION, "kinds": kinds}


if __name__ == "__main__":
    PLACE.write_text(json.dumps(present_options(), indent=2) + "\n", encoding="utf-8")
