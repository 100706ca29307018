"""Lua in files: what a script includes, and that an installed copy finds it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from worker.contract import keys, scripts
from worker.contract.loader import digest_of, expand
from worker.queue import scripts as queue_scripts

ROOT = Path(__file__).parents[3]
PRINT_DIGESTS = """
import app, app.store, worker.contract.scripts, worker.queue.scripts
from worker.contract.loader import digest_of
for module in (worker.contract.scripts, worker.queue.scripts, app.store):
    for name, text in sorted(vars(module).items()):
        if name.strip("_").isupper() and isinstance(text, str):
            print(name, digest_of(text))
print(app.__file__)
"""


def all_scripts() -> dict[str, str]:
    modules = (scripts, queue_scripts)
    return {name: text for module in modules for name, text in vars(module).items() if name.isupper()}


def digests(import_from: Path) -> list[str]:
    """Name and digest of each script, and where they were found, as a program sees them that has this on its path."""
    environment = {**os.environ, "PYTHONPATH": str(import_from), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", "-c", PRINT_DIGESTS]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


def test_fragment_comes_once_when_it_is_included_twice() -> None:
    """However deep: before what needs it."""
    text = expand("--!include clock ending books\nreturn now()\n")
    for line in ("local function now()", "local function drawn(", "local function settle(", "local keys ="):
        assert text.count(line) == 1
    assert text.index("local function now()") < text.index("local function settle(")
    assert text.endswith("return now()\n")
    assert "--!include" not in text


@pytest.mark.parametrize("name", sorted(all_scripts()))
def test_script_is_taken_by_the_server_when_loaded(redis_url: str, name: str) -> None:
    """Its Lua compiles, and it has the digest that we call it by."""
    import redis

    text = all_scripts()[name]
    with redis.Redis.from_url(redis_url) as client:
        assert client.script_load(text) == digest_of(text)


def test_scripts_name_keys_as_python_does(redis_url: str) -> None:
    """From keys.py, and nowhere else."""
    import redis

    with redis.Redis.from_url(redis_url) as client:
        names = client.eval(expand("--!include names\nreturn {keys.OPEN, keys.JOB, keys.LEASE_S, event_of.failed}"), 0)
    assert names == [keys.OPEN.encode(), keys.JOB.encode(), keys.LEASE_S, b"error"]
    for folder in ("worker/contract/lua", "worker/queue/lua", "app/lua"):
        for path in (ROOT / folder).glob("*.lua"):
            assert "'px:" not in path.read_text(), path
            assert "'rq:" not in path.read_text(), path


@pytest.mark.slow
def test_scripts_are_those_of_the_checkout_when_installed_from_a_wheel(tmp_path: Path) -> None:
    """The wheel carries every Lua file: both images install one."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in ("app", "worker", "model_core", "pixelrnn"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    build = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    *installed, place = digests(wheel)
    assert place.startswith(str(wheel))
    assert installed == digests(ROOT)[:-1]
    assert len(installed) > len(all_scripts())
