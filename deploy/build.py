"""What the build of a wheel, and an installation that can be edited, make first: two modules of pixelrnn/client."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Client(BuildHookInterface[Any]):
    """Writes the types of the service's documents, and the client that blocks."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        runpy.run_path(
            str(Path(self.root) / "docs" / "make_client.py"), run_name="__main__"
        )
