"""Lua in files: what a script includes."""

from pathlib import Path

import pytest

from worker.contract import keys, scripts
from worker.contract.loader import digest_of, expand
from worker.queue import scripts as queue_scripts

ROOT = Path(__file__).parents[3]


def all_scripts() -> dict[str, str]:
    modules = (scripts, queue_scripts)
    return {
        name: text
        for module in modules
        for name, text in vars(module).items()
        if name.isupper()
    }


def test_fragment_comes_once_when_it_is_included_twice() -> None:
    """However deep: before what needs it."""
    text = expand("--!include clock ending books\nreturn now()\n")
    for line in (
        "local function now()",
        "local function drawn(",
        "local function settle(",
        "local keys =",
    ):
        assert text.count(line) == 1
    assert text.index("local function now()") < text.index("local function settle(")
    assert text.endswith("return now()\n")
    assert "--!include" not in text


def test_script_is_taken_by_the_server_when_loaded(
    redis_url: str, subtests: pytest.Subtests
) -> None:
    """Its Lua compiles, and it has the digest that we call it by."""
    for name in sorted(all_scripts()):
        with subtests.test(name=name):
            import redis

            text = all_scripts()[name]
            with redis.Redis.from_url(redis_url) as client:
                assert client.script_load(text) == digest_of(text)


def test_scripts_name_keys_as_python_does(redis_url: str) -> None:
    """From keys.py, and nowhere else."""
    import redis

    with redis.Redis.from_url(redis_url) as client:
        names = client.eval(
            expand(
                "--!include names\nreturn {keys.OPEN, keys.JOB, keys.LEASE_S, event_of.failed}"
            ),
            0,
        )
    assert names == [keys.OPEN.encode(), keys.JOB.encode(), keys.LEASE_S, b"error"]
    for folder in ("worker/contract/lua", "worker/queue/lua", "app/lua"):
        for path in (ROOT / folder).glob("*.lua"):
            assert "'px:" not in path.read_text(), path
            assert "'rq:" not in path.read_text(), path
