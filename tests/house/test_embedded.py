"""The embedded server keeps what it acknowledged, runs once per directory and dies with its owner."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pixelrnn.embedded import EmbeddedRedis, connect, server_limit
from pixelrnn.errors import StartError
from pixelrnn.lock import lock_directory
from tests.house.processes import eventually, is_alive

OWNER = """
import sys, time
from pathlib import Path
from pixelrnn.embedded import EmbeddedRedis
server = EmbeddedRedis(Path(sys.argv[1]))
server.start()
print(server.process.pid, flush=True)
time.sleep(600)
"""


def test_settings_are_durable_and_local(tmp_path: Path) -> None:
    """It syncs every write, refuses to evict, and listens on no port. It has a limit to its memory: the API refuses
    jobs before a server is full, and can only tell where it knows when that is."""
    with EmbeddedRedis(tmp_path) as server, connect(server.url) as client:
        expected = {
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "port": "0",
            "maxmemory": str(server_limit()),
        }
        assert {name: client.config_get(name)[name] for name in expected} == expected  # pyright: ignore
        assert server.socket.stat().st_mode & 0o077 == 0


def test_limit_to_its_memory_may_be_given(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, 64 << 20) as server, connect(server.url) as client:
        assert client.info("memory")["maxmemory"] == 64 << 20  # pyright: ignore


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ties children to their parent"
)
def test_server_is_gone_when_its_owner_is_killed(tmp_path: Path) -> None:
    """kill -9 of the owner ends the server, and the next owner can start at once and finds the data."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    with connect(EmbeddedRedis(tmp_path).url) as client:
        client.set("kept", "1")
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    assert eventually(lambda: not is_alive(pid))
    with EmbeddedRedis(tmp_path) as again, connect(again.url) as client:
        assert client.get("kept") == b"1"


def test_second_start_is_refused_when_the_directory_is_in_use(tmp_path: Path) -> None:
    """Never two servers on one directory; the refusal names the owner."""
    with (
        EmbeddedRedis(tmp_path),
        pytest.raises(StartError, match=rf"in use by process {os.getpid()}"),
    ):
        EmbeddedRedis(tmp_path).start()


def test_directory_stays_locked_when_only_the_server_is_left(tmp_path: Path) -> None:
    """A server that lost its owner and lives on still guards its data."""
    server = EmbeddedRedis(tmp_path)
    server.start()
    try:
        server.unlock()
        with pytest.raises(StartError, match="in use"):
            lock_directory(server.directory, wait_s=0)
    finally:
        server.stop()
    os.close(lock_directory(server.directory, wait_s=0))


def test_stale_socket_is_replaced(tmp_path: Path) -> None:
    """What a killed server left behind does not keep the next one from starting."""
    server = EmbeddedRedis(tmp_path)
    server.socket.parent.mkdir(parents=True)
    server.socket.touch()
    with server:
        assert server.answers()


@pytest.mark.parametrize(
    "name", ["a name with spaces, 100% 'quoted'?", "/".join(["deep" * 10] * 5)]
)
def test_awkward_directory_works(tmp_path: Path, name: str) -> None:
    """Spaces, quotes and paths longer than a unix socket's limit are all right. The jobs
    of users can be read by nobody else, also if the socket is elsewhere."""
    with EmbeddedRedis(tmp_path / name) as server:
        assert server.answers()
        assert server.directory.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(
    os.name != "posix" or os.getuid() != 0, reason="only root makes links of others"
)
def test_link_of_another_user_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the socket's directory shall be, in the one for temporary files: its target keeps its mode."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (target := tmp_path / "target").mkdir(mode=0o755)
    link = tmp_path / f"pixelrnn-{os.getuid()}"
    link.symlink_to(target)
    os.lchown(link, 12345, 12345)
    with pytest.raises(StartError, match="belongs to another user"):
        EmbeddedRedis(tmp_path / "/".join(["deep" * 10] * 5)).start()
    assert target.stat().st_mode & 0o777 == 0o755


def test_unwritable_directory_is_one_sentence(tmp_path: Path) -> None:
    """A data directory that is a file is refused with its name."""
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="cannot write to the data directory"):
        EmbeddedRedis(tmp_path / "file").start()


def test_damaged_append_only_file_is_reported(tmp_path: Path) -> None:
    """A server that cannot read its own data does not start, and says where its log is."""
    with EmbeddedRedis(tmp_path) as server, connect(server.url) as client:
        client.set("kept", "1")
    (manifest,) = server.directory.glob("appendonlydir/*.manifest")
    manifest.write_text("nonsense\n")
    with pytest.raises(StartError, match=r"valkey\.log"):
        EmbeddedRedis(tmp_path).start()
