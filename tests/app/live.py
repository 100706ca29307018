"""Live servers and readers of their streams."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from app.serve import Server, server
from app.settings import Settings
from tests.app.hand_worker import eventually


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[tuple[str, Server]]:
    """Base URL of a server in a thread, and the server; stopped at the end."""
    running = server(settings)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    eventually(lambda: running.started)
    port = running.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", running
    finally:
        running.handle_exit(15, None)
        thread.join(60)
        assert not thread.is_alive()


@contextlib.contextmanager
def speaking(
    settings: Settings, *, timeout: float = 60, **options: Any
) -> Iterator[httpx.Client]:
    """A client with these options of httpx, of such a server."""
    with (
        serving(settings) as (url, _),
        httpx.Client(base_url=url, timeout=timeout, **options) as client,
    ):
        yield client


@contextlib.contextmanager
def process_serving(redis_url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process, and its address."""
    script = (
        "from app.serve import run; from app.settings import Settings; run(Settings())"
    )
    environment = {**os.environ, "PIXELRNN_REDIS_URL": redis_url, "PIXELRNN_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        yield (
            process,
            next(
                line.split("running on ")[1].split()[0]
                for line in process.stderr
                if "running on" in line
            ),
        )
    finally:
        process.kill()
        process.communicate()


@dataclass(frozen=True)
class Event:
    name: str
    data: Any
    id: str | None
    retry: str | None


def events_of(response: httpx.Response) -> Iterator[Event]:
    """Parse a stream as it comes; comments are named `comment`."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name or "comment"] = value.strip()
        elif fields:
            data = fields.get("data")
            name = "comment" if "comment" in fields else fields["event"]
            yield Event(
                name,
                json.loads(data) if data else None,
                fields.get("id"),
                fields.get("retry"),
            )
            fields = {}
