"""Build the Python client alone, as a wheel of its own: python deploy/release/client.py DIRECTORY

The distribution pixelrnn-client has the modules of pixelrnn/client under the name
`pixelrnn_client`, so that it may be installed beside pixelrnn.
"""

import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
NAME = "pixelrnn_client"
_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "pixelrnn-client"
version = "{version}"
description = "The Python client of a pixelrnn service"
license = "Apache-2.0"
license-files = ["LICENSE"]
requires-python = "{requires-python}"
dependencies = {client}
"""


def build(target: Path) -> None:
    """Write the wheel into a directory."""
    make_modules = [sys.executable, ROOT / "docs" / "tools" / "make_client.py"]
    subprocess.run(make_modules, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    with TemporaryDirectory() as made:
        source = Path(made)
        text = _PROJECT.format(**project, **project["optional-dependencies"])
        (source / "pyproject.toml").write_text(text, "utf-8")
        (source / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())

        package = source / NAME
        package.mkdir()
        (package / "py.typed").touch()
        for module in (ROOT / "pixelrnn" / "client").glob("*.py"):
            renamed = module.read_text("utf-8").replace("pixelrnn.client", NAME)
            (package / module.name).write_text(renamed, "utf-8")
        hatch = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
        subprocess.run([*hatch, "-d", target.resolve()], cwd=source, check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
