"""The file of keys: how the verbs write it, and how an API follows it while others write it."""

import os
import stat
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
from pydantic import ValidationError
from typer.testing import CliRunner

from app.access import key_file
from app.access.api_keys import KeyEntry, digest_of
from app.access.key_file import KeyFile, KeyFileError, read_keys
from app.cli_keys import keys
from app.settings import Settings
from tests.app.answers import metric
from tests.app.hand_worker import HandWorker, eventually
from tests.app.holders import settings
from tests.app.live import speaking

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may give a file away"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the keys of alice and bob."""
    path = tmp_path / "keys.json"
    for name in ("alice", "bob"):
        assert verb("add", name, "--file", path) == (0, "")
    return path


def verb(*words: object) -> tuple[int, str]:
    """The exit status of a verb, and its complaint."""
    result = CliRunner().invoke(keys, [str(word) for word in words])
    return result.exit_code, "" if result.exit_code == 0 else " ".join(
        result.output.replace("│", " ").split()
    )


def test_a_message_repeats_no_unknown_name(tmp_path: Path) -> None:
    """Somebody may have written a key where the name of a field belongs."""
    path = tmp_path / "keys.json"
    path.write_text('{"keys": [], "SECRET": 1}')
    with pytest.raises(KeyFileError, match="an unknown field is not as") as refused:
        read_keys(path)
    assert "SECRET" not in str(refused.value)


def test_a_key_may_have_a_right(tmp_path: Path) -> None:
    """It is listed and kept, and said of no other key, which earlier versions then can read; there is only one."""
    path = tmp_path / "keys.json"
    assert verb("add", "carol", "--file", path, "--may", "train") == (0, "")
    assert verb("add", "bob", "--file", path) == (0, "")
    assert [entry.may for entry in read_keys(path)] == [("train",), ()]
    assert path.read_text().count("may") == 1
    listed = CliRunner().invoke(keys, ["list", "--file", str(path)]).stdout.splitlines()
    assert [line.endswith("; may train") for line in listed] == [True, False]
    assert verb("add", "bob", "--file", path, "--may", "draw")[0] == 2


def test_a_path_without_a_name_is_refused() -> None:
    for do in ("add", "revoke"):
        status, complaint = verb(do, "carol", "--file", Path("/"))
        assert status == 2
        assert "expected the name of a file" in complaint


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def facts(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


@needs_root
def test_owner_and_mode_stay_when_a_key_is_revoked(path: Path) -> None:
    """An API may run as another user than whoever calls the verb, and must read what it wrote."""
    assert facts(path)[2] == 0o600
    os.chown(path, 10001, 10002)
    path.chmod(0o640)
    assert verb("revoke", "alice", "--file", path) == (0, "")
    assert facts(path) == (10001, 10002, 0o640)
    assert "alice" not in path.read_text()


@needs_root
def test_nothing_changes_when_the_owner_could_not_read_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may not give the file back to its owner is told so; a file that all may read is theirs to write."""
    os.chown(path, 10001, 10001)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    status, complaint = verb("revoke", "alice", "--file", path)
    assert status == 2
    assert "belongs to user 10001" in complaint
    assert "alice" in path.read_text()
    path.chmod(0o644)
    assert verb("revoke", "alice", "--file", path) == (0, "")
    assert facts(path)[2] == 0o644


def test_keys_change_when_a_file_of_the_same_size_takes_its_place(path: Path) -> None:
    """As when an operator renames one that was made elsewhere."""
    clock = Clock()
    file = KeyFile(path, clock=clock)
    other = path.with_name("other.json")
    other.write_text(path.read_text().replace("bob", "eve"))
    assert other.stat().st_size == path.stat().st_size
    other.replace(path)
    clock.now += 2
    assert [entry.name for entry in file.entries()] == ["alice", "eve"]


def test_keys_are_kept_for_a_while_when_the_file_is_damaged(path: Path) -> None:
    """The log tells of it each minute; ten minutes later no key of the file is taken, until it can be read again."""
    clock, good = Clock(), path.read_text()
    file, ever = (KeyFile(path, stale_s=stale_s, clock=clock) for stale_s in (600, 0))
    clock.now = 5
    assert file.unread_s() == 0
    path.write_text(good[:-9])
    with structlog.testing.capture_logs() as lines:
        for clock.now in range(7, 606):
            assert len(file.entries()) == 2
        assert file.unread_s() == 600
        assert [line["event"] for line in lines] == ["keys_not_read"] * 10
    clock.now += 1
    assert file.entries() == ()
    assert len(ever.entries()) == 2
    path.write_text(good)
    clock.now += 1
    assert len(file.entries()) == 2
    assert file.unread_s() == 0


def test_file_is_read_again_when_nothing_but_its_reader_was_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A right that comes back leaves no trace in the file."""
    clock = Clock()
    file = KeyFile(path, clock=clock)
    with monkeypatch.context() as forbidden:
        forbidden.setattr(
            Path,
            "read_text",
            lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "denied")),
        )
        path.touch()
        clock.now = 2
        assert len(file.entries()) == 2
        assert file.unread_s() == 2
    clock.now = 4
    assert file.unread_s() == 0


def test_file_that_cannot_be_read_is_told_by_probe_and_metrics(
    redis_url: str, worker: HandWorker, path: Path
) -> None:
    """The API is ready all the same."""
    given = settings(redis_url, keys_file=path, metrics_open=True)
    with speaking(given) as client:
        assert client.get("/readyz").json()["keys_unread_s"] == 0
        assert metric(client, "pixelrnn_keys_unread_seconds") == 0
        path.unlink()
        eventually(
            lambda: client.get("/readyz").raise_for_status().json()["keys_unread_s"],
            seconds=60,
        )
        assert metric(client, "pixelrnn_keys_unread_seconds") > 0


def test_start_waits_for_whoever_is_writing_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it is no reason to refuse; what is still half of it after a while is."""
    good = path.read_text()
    path.write_text(good[:-9])
    ended = SimpleNamespace(
        monotonic=time.monotonic, sleep=lambda _: path.write_text(good)
    )
    monkeypatch.setattr(key_file, "time", ended)
    assert Settings(keys_file=path).keys_file == path
    path.write_text("")
    monkeypatch.setattr(key_file, "_WRITING_S", 0.0)
    with pytest.raises(ValidationError, match="no file of keys"):
        Settings(keys_file=path)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("days", "1e9"),
        ("rate", "inf"),
        ("rate", "nan"),
        ("rate", "1e308"),
        ("rate", "1e-9"),
        ("jobs", "0"),
    ],
)
def test_verb_refuses_what_no_key_can_have(
    tmp_path: Path, option: str, value: str
) -> None:
    """The complaint names the option."""
    status, complaint = verb(
        "add", "alice", "--file", tmp_path / "keys.json", f"--{option}", value
    )
    assert status == 2
    assert option in complaint
    assert not (tmp_path / "keys.json").exists()


@pytest.mark.parametrize("rate", [float("inf"), 1e308, 1e-300])
def test_rate_has_bounds_wherever_it_is_read(rate: float) -> None:
    """Beyond them no bucket of jobs can be reckoned."""
    with pytest.raises(ValidationError, match="rate"):
        KeyEntry(name="alice", sha256=digest_of("a"), rate=rate)
    with pytest.raises(ValidationError, match="client_rate"):
        Settings(client_rate=rate)
