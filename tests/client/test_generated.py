"""Clients that four generators make from openapi.json, each run by the same program in its language."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.client.tools import (
    GO_LIBRARIES,
    JARS,
    NODE,
    NODE_MODULES,
    PROGRAMS,
    PYTHON,
    ROOT,
    needs_go,
    needs_javac,
    needs_node,
    needs_python,
    run,
)

TRAINED = "train: train 409 canceled\n"
"""What those say further that also train: nothing is worth keeping yet, so that a finish is refused."""
PASSED = PYTHON.parent / "passed"
"""Beside the generators: the tests that have passed, each with the digest of what it depends on."""


def _digest() -> str:
    inputs = [
        ROOT / "openapi.json",
        *(path for path in PROGRAMS.rglob("*") if NODE_MODULES not in path.parents),
    ]
    content = b"".join(path.read_bytes() for path in sorted(inputs) if path.is_file())
    return hashlib.sha256(content).hexdigest()[:16]


DIGEST = _digest()


def for_a_new_schema(test: Callable[..., None]) -> Callable[..., None]:
    """Skips a test that has passed with this openapi.json and these programs: it takes long, and would pass again."""
    kept = PASSED / f"{test.__name__}-{DIGEST}"

    @wraps(test)
    def noted(*arguments: object, **fixtures: object) -> None:
        test(*arguments, **fixtures)
        kept.parent.mkdir(exist_ok=True)
        kept.touch()

    return pytest.mark.skipif(
        kept.exists(), reason=f"passed with this openapi.json: rm -r {PASSED}"
    )(noted)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A picture that is also its own mask, and a small one."""
    directory = tmp_path_factory.mktemp("pictures")
    Image.new("L", (5, 6), 255).save(directory / "picture.png")
    Image.new("RGB", (2, 3), "navy").save(directory / "small.png")
    return [directory / "picture.png", directory / "small.png"]


@pytest.fixture(scope="module")
def expected(service: str, pictures: list[Path]) -> str:
    """What every program says. Pictures and numbers are asked for without any client."""
    with httpx.Client(
        base_url=service, headers={"Prefer": "wait=30"}, timeout=60
    ) as plain:
        job = plain.post(
            "/sample", json={"model": "tiny-rgb", "n": 2, "seed": 2**53 - 1}
        ).json()
        png = plain.get(f"{job['links']['image']}?sample=1&scale=2").content
        files = {"image": pictures[0].read_bytes()}
        nats = plain.post("/score", data={"model": "tiny-cnn"}, files=files).json()[
            "result"
        ]["nats"]
    return f"""models: tiny-cnn tiny-diagonal tiny-rgb tiny-scales
sample: succeeded 9007199254740991 2
picture: {hashlib.sha256(png).hexdigest()}
events: snapshot 10 done
complete: 30
upsample: 12
score: {nats:.3f}
cancel: canceled
delete: 204
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which openapi-generator has made clients for Java and Go, both at once."""
    folder = tmp_path_factory.mktemp("generated")
    configurations = sorted((PROGRAMS / "openapi_generator").iterdir())
    shutil.copy(ROOT / "openapi.json", folder)
    run(
        PYTHON / "openapi-generator-cli",
        "batch",
        "--fail-fast",
        *configurations,
        cwd=folder,
    )
    return folder


def compiled(program: str, folder: Path) -> Path:
    """A program in TypeScript, type-checked and made JavaScript, in the folder that holds the client it uses."""
    shutil.copy(PROGRAMS / program, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(NODE_MODULES)
    options = [
        "--strict",
        "--module",
        "nodenext",
        "--target",
        "es2022",
        "--lib",
        "es2023,dom,dom.iterable",
    ]
    run(
        NODE / "tsc", *options, "--types", "node", "--skipLibCheck", program, cwd=folder
    )
    return (folder / program).with_suffix(".js")


@for_a_new_schema
@needs_python
def test_client_of_openapi_python_client_does_everything(
    service: str, expected: str, pictures: list[Path], tmp_path: Path
) -> None:
    """With the options that the service hands out; and its generator leaves nothing out."""
    options = tmp_path / "options.yml"
    options.write_text(
        httpx.get(f"{service}/clients/openapi-python-client.yml").text, "utf-8"
    )
    config = [
        "--config",
        options,
        "--meta",
        "none",
        "--fail-on-warning",
    ]
    target = tmp_path / "pixelrnn_client"
    run(
        PYTHON / "openapi-python-client",
        "generate",
        "--path",
        "openapi.json",
        "--output-path",
        target,
        *config,
    )
    program = PROGRAMS / "openapi_python_client.py"
    assert (
        run(PYTHON / "python", program, service, *pictures, PYTHONPATH=str(tmp_path))
        == expected
    )


@for_a_new_schema
@needs_node
def test_openapi_fetch_does_everything(
    service: str, expected: str, pictures: list[Path], tmp_path: Path
) -> None:
    """The types of openapi-typescript fit a program, and the program works."""
    options = ["--default-non-nullable=false", "--output", tmp_path / "schema.ts"]
    run(NODE / "openapi-typescript", "openapi.json", *options)
    program = compiled("openapi_fetch.ts", tmp_path)
    assert run("node", program, service, *pictures) == expected


@for_a_new_schema
@needs_python
@needs_javac
def test_java_client_does_everything(
    service: str, expected: str, pictures: list[Path], generated: Path
) -> None:
    """No number is too large for its type, and a result is of the kind that it says."""
    jar = run(
        PYTHON / "python",
        "-c",
        "import openapi_generator_cli as o; print(o.__path__[0])",
    ).strip()
    classes = os.pathsep.join(
        [f"{jar}/openapi-generator.jar", *map(str, JARS), str(generated / "classes")]
    )
    sources = [
        *(generated / "java" / "src" / "main").rglob("*.java"),
        PROGRAMS / "UseJava.java",
    ]
    run(
        "javac",
        "-nowarn",
        "-proc:none",
        "-d",
        generated / "classes",
        "-cp",
        classes,
        *sources,
    )
    assert (
        run("java", "-cp", classes, "UseJava", service, *pictures) == expected + TRAINED
    )


@for_a_new_schema
@needs_python
@needs_go
def test_go_client_does_everything(
    service: str, expected: str, pictures: list[Path], generated: Path
) -> None:
    """Client and program compile, and work."""
    program, where = (
        generated / "use_go",
        os.pathsep.join([str(generated / "go"), str(GO_LIBRARIES)]),
    )
    run(
        "go",
        "build",
        "-o",
        program,
        PROGRAMS / "use_go.go",
        GO111MODULE="off",
        GOPATH=where,
    )
    assert run(program, service, *pictures) == expected + TRAINED


def test_checkout_that_was_not_built_says_how_to_build_the_client(
    tmp_path: Path,
) -> None:
    """Two modules of the client are generated, and Git has neither."""
    missing = shutil.ignore_patterns("documents.py", "synchronous.py", "__pycache__")
    shutil.copytree(ROOT / "pixelrnn", tmp_path / "pixelrnn", ignore=missing)
    done = subprocess.run(
        [sys.executable, "-c", "import pixelrnn.client"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith(
        "ModuleNotFoundError: pixelrnn.client.documents is generated"
    )
    assert "make .venv/installed-all" in line
