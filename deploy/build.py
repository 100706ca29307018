"""What the build of a wheel, and an installation that can be edited, make first: pixelrnn/client/documents.py."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Documents(BuildHookInterface[Any]):
    """Writes the types of the service's documents, as openapi.json has them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        runpy.run_path(str(Path(self.root) / "docs" / "make_documents.py"), run_name="__main__")
