"""Uploads that cost much memory once, and a service that they are sent to.

That each of them is refused, and why, is tested in tests/app/test_zipped.py and
test_api_train.py; here many come at once.
"""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.archives import chunky_png, picture, zipped
from tests.house.running import Up

_MIB = 2**20
_OWNERS = 8
_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Request:
    """A form, as httpx sends it."""

    method: str
    path: str
    fields: dict[str, str]
    files: Sequence[tuple[str, bytes]]

    def send(self, url: str, owner: int) -> httpx.Response:
        """Send it as this client: without keys, an owner is an address."""
        return httpx.request(
            self.method,
            url + self.path,
            data=self.fields,
            files=[(name, ("file", data)) for name, data in self.files],
            headers={"X-Forwarded-For": f"2001:db8:{owner + 1}::1"},
            timeout=_TIMEOUT_S,
        )


def train(*files: bytes, **fields: str) -> Request:
    sent = [("images", file) for file in files]
    return Request("POST", "/train", {"name": _any_name(), **fields}, sent)


def score(*images: bytes) -> Request:
    sent = [("image", image) for image in images]
    return Request("POST", "/score", {"model": "tiny-cnn"}, sent)


def complete(image: bytes, mask: bytes, **fields: str) -> Request:
    sent = [("image", image), ("mask", mask)]
    return Request("POST", "/complete", {"model": "tiny-rgb", **fields}, sent)


def put_model(card: bytes, weights: bytes = b"") -> Request:
    sent = [("card", card), ("weights", weights)]
    return Request("PUT", f"/models/{_any_name()}", {}, sent)


def _any_name() -> str:
    return f"hostile-{random.randrange(10**9)}"


def costly_requests() -> list[Request]:
    """Return two of each kind."""
    large = [picture(2048, 2048, "RGBA", colour=each) for each in ("black", "white")]
    webp = [picture(2048, 2048, "RGBA", "WEBP"), picture(2048, 2048, "L", "WEBP")]
    small_zip = zipped({"x": bytes(2 * _MIB)})
    large_zip = zipped({"x": bytes(60 * _MIB)})
    requests = [
        score(*[small_zip] * 64),
        score(*[zipped({"x": picture(2048, 2048)})] * 64),
        train(zipped({"x": chunky_png(63)})),
        complete(large[0], large[1], fit="resize"),
        complete(webp[0], webp[1], fit="crop"),
        put_model(_card("{}," * 330_000 + "{}")),
        put_model(_card("[" * 500_000 + "]" * 500_000)),
        put_model(large_zip, bytes(60 * _MIB)),
    ]
    return requests * 2


def _card(members: str) -> bytes:
    sha = "0" * 64
    return f'{{"name":"x","sha256":"{sha}","members":[{members}]}}'.encode()


def peak_mib(pid: int) -> float:
    """Return VmHWM of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def forget_peak(pid: int) -> None:
    """Begin VmHWM anew with what the process has now (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def service(place: Path, models: Path) -> Iterator[Up]:
    """A running service for which nobody needs a key, with temporary files in
    place/tmp."""
    (place / "tmp").mkdir(parents=True)
    running = Up(
        place / "data",
        models,
        PIXELRNN_CLIENT_RATE="1000",
        TMPDIR=str(place / "tmp"),
        OMP_NUM_THREADS="1",
    )
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


def send_all(url: str, requests: Sequence[Request], at_once: int) -> list[Any]:
    """Send requests side by side, each as another owner; return the answers, or the
    exceptions of those that got none."""

    def send(number: int) -> Any:
        try:
            return requests[number].send(url, number % _OWNERS)
        except httpx.HTTPError as error:
            return error

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(send, range(len(requests))))


def status_of(answer: Any) -> str:
    is_answer = isinstance(answer, httpx.Response)
    return str(answer.status_code) if is_answer else type(answer).__name__
