"""Sends hostile requests to a running server and counts its answers.

python -m tests.fuzz.volley --url http://127.0.0.1:8000 --requests 100000
"""

import argparse
import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.fuzz.hostile import requests

ANSWER_LIMIT_S = 20.0
NO_ANSWER = 0
"""The server closed the connection: its right, where what came was no HTTP."""
TOO_SLOW = -1


async def volley(url: str, shots: Iterator[bytes], at_once: int = 8) -> tuple[Counter[int], list[bytes]]:
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
            if writer.can_write_eof():
                writer.write_eof()
            line = await reader.readline()
        return int(line.split()[1]) if line.startswith(b"HTTP/") else NO_ANSWER
    except TimeoutError:
        return TOO_SLOW
    except (ConnectionError, IndexError, ValueError):
        return NO_ANSWER
    finally:
        writer.transport.abort()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    shots = itertools.islice(requests(arguments.seed), arguments.requests)
    counts, bad = asyncio.run(volley(arguments.url, shots))
    print(
        json.dumps({"answers": dict(sorted(counts.items())), "bad": [repr(shot[:500]) for shot in bad[:20]]}, indent=1)
    )


if __name__ == "__main__":
    main()
