"""Sends hostile requests to a running server and counts its answers."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

ANSWER_LIMIT_S = 20.0
NO_ANSWER = 0
"""The server closed the connection: its right, where what came was no HTTP."""
TOO_SLOW = -1


async def volley(
    url: str, shots: Iterator[bytes], at_once: int = 8
) -> tuple[Counter[int], list[bytes]]:
    """How often each status came, and the requests that were answered with 5xx or not in time."""
    parts = urlsplit(url)
    counts: Counter[int] = Counter()
    bad: list[bytes] = []

    async def shoot() -> None:
        for shot in shots:  # one iterator for all: each request is sent once
            status = await _status(parts.hostname or "", parts.port or 80, shot)
            counts[status] += 1
            if status >= 500 or status == TOO_SLOW:
                bad.append(shot)

    await asyncio.gather(*(shoot() for _ in range(at_once)))
    return counts, bad


async def _status(host: str, port: int, request: bytes) -> int:
    """Of the answer's first line; the body is not waited for, because it may be a stream."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            writer.write(request)
            if not _is_whole(request):
                writer.write_eof()  # or the server waits for the rest
            line = await reader.readline()
        return int(line.split()[1]) if line.startswith(b"HTTP/") else NO_ANSWER
    except TimeoutError:
        return TOO_SLOW
    except (ConnectionError, IndexError, ValueError):
        return NO_ANSWER
    finally:
        writer.transport.abort()


def _is_whole(request: bytes) -> bool:
    """Whether a server has all that was announced: it drops the answer to a client that closes its side before."""
    head, end, body = request.partition(b"\r\n\r\n")
    lengths = re.findall(rb"(?im)^content-length: (.*?)\r?$", head)
    return (
        bool(end)
        and b"chunked" not in head
        and lengths in ([], [str(len(body)).encode()])
    )
