"""What a build makes first: two modules of pixelrnn/client, and of a wheel or sdist the page as few files."""

import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE_IN_SDIST = "app/page"
"""Where an sdist and the image's build have the page as few files, so that a wheel made there needs no Node."""
PARTS = "pixelrnn/_parts/app"


class Build(BuildHookInterface[Any]):
    """Writes the types of the service's documents, the client that blocks, and the bundle of the page."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        runpy.run_path(
            str(root / "docs" / "tools" / "make_client.py"), run_name="__main__"
        )
        if version == "editable":
            return  # a checkout serves the plain modules

        bundle = self._bundle(root)
        included = build_data["force_include"]
        if self.target_name == "wheel":
            for path in sorted((root / "app").iterdir()):
                if path.name not in ("page", "playground", "__pycache__"):
                    included[str(path)] = f"{PARTS}/{path.name}"
            included[str(bundle or root / "app/playground")] = f"{PARTS}/playground"
        elif bundle is not None:
            included[str(bundle)] = BUNDLE_IN_SDIST

    def _bundle(self, root: Path) -> Path | None:
        """Return the directory with the bundle; None if there is none and it cannot be made here."""
        made = root / BUNDLE_IN_SDIST
        if made.is_dir():
            return made
        node = shutil.which("node")
        esbuild = root / "tests" / "browser" / "node_modules" / "esbuild"
        if node is None or not esbuild.is_dir():
            self.app.display_warning(
                "The page has its plain modules, 60 files in place of ten: to bundle it, install Node and run "
                "npm ci --prefix tests/browser."
            )
            return None
        target = root / "build" / "page"
        subprocess.run(
            [node, root / "deploy" / "release" / "bundle_page.mjs", target],
            cwd=root,
            check=True,
        )
        return target
