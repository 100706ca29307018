"""Raw HTTP clients for load: parsers of a full client library would be the bottleneck first."""

import asyncio
import base64
import json
import struct
import time
from dataclasses import dataclass, field


@dataclass
class Answers:
    """Status and seconds of each request of a run."""

    statuses: dict[int, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def sample_request(body: bytes) -> bytes:
    head = f"POST /sample HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def ask_for(
    port: int, request: bytes, connections: int, seconds: float
) -> Answers:
    """The same request over so many connections, one after the other on each, for so long."""
    answers, end = Answers(), time.perf_counter() + seconds
    await asyncio.gather(
        *(_asking(port, request, end, answers) for _ in range(connections))
    )
    return answers


async def _asking(port: int, request: bytes, end: float, answers: Answers) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (begun := time.perf_counter()) < end:
        writer.write(request)
        status, _ = await _answer(reader)
        answers.seconds.append(time.perf_counter() - begun)
        answers.statuses[status] = answers.statuses.get(status, 0) + 1
    writer.close()


async def submit(
    port: int, body: bytes, number: int, connections: int = 16
) -> list[str]:
    """Ids of so many accepted jobs."""
    ids: list[str] = []

    async def some() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while len(ids) < number:
            ids.append("")
            place = len(ids) - 1
            writer.write(sample_request(body))
            status, data = await _answer(reader)
            assert status == 202, data
            ids[place] = json.loads(data)["id"]
        writer.close()

    await asyncio.gather(*(some() for _ in range(connections)))
    return ids


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


class EventReader(asyncio.Protocol):
    """One event stream: checks that every row comes once and in order, and how old it is when it comes."""

    def __init__(self, job_id: str, ages_s: list[float]) -> None:
        self._request = (
            f"GET /jobs/{job_id}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        self._ages_s = ages_s
        self._rest = b""
        self._event = b""
        self.rows = 0
        self.in_order = True
        self.opened = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        if line.startswith(b"event: "):
            self._event = line[7:].strip()
            if self._event == b"snapshot" and not self.opened.done():
                self.opened.set_result(None)
            if self._event == b"done":
                self.ended.set_result(None)
        elif self._event == b"row" and line.startswith(b"data: "):
            sent = struct.unpack(
                "<d", base64.b64decode(json.loads(line[6:])["pixels"])[:8]
            )[0]
            self._ages_s.append(time.monotonic() - sent)
        elif self._event == b"row" and line.startswith(b"id: "):
            self.rows += 1
            self.in_order &= int(line[4:].partition(b"-")[0]) == self.rows


async def open_streams(
    port: int, job_ids: list[str], ages_s: list[float]
) -> list[EventReader]:
    """One reader a job, each behind its first event."""
    loop, readers = asyncio.get_running_loop(), []
    for start in range(0, len(job_ids), 100):
        made = [
            await loop.create_connection(
                lambda name=name: EventReader(name, ages_s), "127.0.0.1", port
            )
            for name in job_ids[start : start + 100]
        ]
        readers += [reader for _, reader in made]
        await asyncio.gather(*(reader.opened for _, reader in made))
    return readers
