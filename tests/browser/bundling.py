"""What tests of the bundled page need."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_ESBUILD = ROOT / "tests" / "browser" / "node_modules" / "esbuild"

needs_esbuild = pytest.mark.skipif(
    shutil.which("node") is None or not _ESBUILD.is_dir(),
    reason="needs Node and npm ci --prefix tests/browser",
)
