"""The tools that judge openapi.json and make clients of it. `make test` installs them; the rest is skipped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
PYTHON = Path(sys.prefix) / "clients" / "bin"
"""An environment of its own: the generators ask for other libraries than we do. It holds a JRE too."""
NODE_MODULES = PROGRAMS / "node_modules"
NODE = NODE_MODULES / ".bin"
JARS = [
    Path("/usr/share/java") / name
    for name in ("httpmime.jar", "geronimo-annotation-1.3-spec.jar")
]
"""What a client in Java needs beside those libraries that the generator's own jar holds."""
GO_LIBRARIES = Path("/usr/share/gocode")
"""Where Debian keeps what a client in Go needs: one library."""

needs_python = pytest.mark.skipif(
    not (PYTHON / "openapi-generator-cli").exists(),
    reason="`make test` installs the generators, where PyPI is reached",
)
needs_node = pytest.mark.skipif(
    not (NODE / "tsc").exists(),
    reason="`make test` installs the packages, where there are Node and npm",
)
needs_javac = pytest.mark.skipif(
    shutil.which("javac") is None or not all(jar.exists() for jar in JARS),
    reason="needs a JDK and two libraries: apt-get install default-jdk-headless libhttpmime-java "
    "libgeronimo-annotation-1.3-spec-java",
)
needs_go = pytest.mark.skipif(
    shutil.which("go") is None
    or not (GO_LIBRARIES / "src" / "gopkg.in" / "validator.v2").exists(),
    reason="needs Go and a library: apt-get install golang-go golang-gopkg-validator.v2-dev",
)
_ENVIRONMENT = {
    "PATH": f"{PYTHON}{os.pathsep}{os.environ['PATH']}",
    "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # half the time, for a program that ends soon
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "REDOCLY_TELEMETRY": "off",
}


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """What it said on stdout; it must succeed."""
    environment = os.environ | _ENVIRONMENT | environment
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
