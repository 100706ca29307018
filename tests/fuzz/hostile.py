"""Requests that nobody should send, without end, from a seed: bodies, headers, pictures, paths, and broken HTTP."""

import base64
import json
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from tests.app.pictures import chunk

BOUNDARY = "xXx"
MODELS = ("tiny-cnn", "tiny-rgb", "tiny-diagonal", "tiny-scales")
ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 2**53, 2**64, -(2**70), 1.5, float("nan"), float("inf"), "", "\x00", "\ud800", "é" * 500,
    "../../etc/passwd", "tiny-cnn\r\nX: y", [], [[[]]], {}, {"$ne": 1}, "1", "🎲" * 64,
)  # fmt: skip
ODD_HEADERS = (
    ("Content-Type", b"application/json; charset=utf-32"),
    ("Content-Type", b"multipart/form-data"),
    ("Content-Type", b"multipart/form-data; boundary=" + b"b" * 300),
    ("Content-Type", b"\xff\xfe"),
    ("Accept", b"image/png;q=nan, text/event-stream;q=1e9, */*;q="),
    ("Accept", b"text/html" * 200),
    ("Prefer", b"wait=\xff, wait=000000000000000000000, wait"),
    ("Prefer", b"wait=-1, respond-async; foo=\"bar"),
    ("Idempotency-Key", b"k" * 4000),
    ("Idempotency-Key", b"\x80\x81"),
    ("Last-Event-ID", b"-1-1"),
    ("Last-Event-ID", b"99999999999999999999999999-0"),
    ("X-Request-Id", b"\x7f" * 100),
    ("If-None-Match", b'W/"a", "b,c", *, "'),
    ("Accept-Encoding", b"gzip;q=, gzip, *;q=0"),
    ("Range", b"bytes=0-,-1,9-1"),
    ("Expect", b"200-maybe"),
    ("Host", b"evil.example"),
    ("Origin", b"null"),
    ("Authorization", b"Bearer \xc3\x28"),
    ("Cookie", b"a" * 8000),
)  # fmt: skip
ODD_PATHS = (
    "/jobs/%00", "/jobs/..%2f..%2f", "/jobs/" + "a" * 3000, "/jobs/%ff%fe", "/models/%F0%9F%8E%B2", "//",
    "/jobs?limit=1e3", "/jobs?cursor=%00%ff&limit=-5", "/jobs?status=running&status=queued", "/jobs/x/events?from=-1",
    "/jobs/x/image?scale=1e9", "/jobs/x/image?format=zip&format=gif&scale=32",
    "/jobs/x/image?sample=NaN&grid=perhaps", "/openapi.json?x=" + "y" * 5000, "/playground/../../pyproject.toml",
    "/playground/%2e%2e/%2e%2e/etc/passwd", "/metrics?name[]=" + "z" * 100, "/%", "/?%", "/sample/", "*",
)  # fmt: skip


def requests(seed: int) -> Iterator[bytes]:
    """Whole requests as bytes, each for a connection of its own."""
    rng = random.Random(seed)
    makers = [
        _json_request,
        _json_request,
        _form_request,
        _form_request,
        _json_form_request,
    ]
    makers += [_file_request, _path_request, _broken_request]
    while True:
        yield rng.choice(makers)(rng)


def _request(
    rng: random.Random, method: str, path: str, body: bytes, headers: dict[str, bytes]
) -> bytes:
    if rng.random() < 0.3:
        name, value = rng.choice(ODD_HEADERS)
        headers = {**headers, name: value}
    headers = {
        "Host": b"127.0.0.1",
        "Content-Length": str(len(body)).encode(),
        "Connection": b"close",
        **headers,
    }
    lines = b"".join(
        name.encode() + b": " + value + b"\r\n" for name, value in headers.items()
    )
    return (
        f"{method} {path} HTTP/1.1\r\n".encode("utf-8", "surrogatepass")
        + lines
        + b"\r\n"
        + body
    )


def _json_request(rng: random.Random) -> bytes:
    fields: dict[str, Any] = {
        "model": rng.choice(MODELS),
        "n": rng.choice((1, 2, 64)),
        "seed": rng.randrange(99),
    }
    for _ in range(rng.randrange(3)):
        name = rng.choice(
            ("model", "n", "seed", "temperature", "priority", "__proto__", "\ud800")
        )
        fields[name] = rng.choice(ODD_VALUES)
    body = json.dumps(fields).encode()
    spoil = rng.random()
    if spoil < 0.2:
        body = _mutated(rng, body)
    elif spoil < 0.25:
        body = b"[" * rng.choice((10, 5000, 100_000))
    elif spoil < 0.3:
        body = b'{"model": "' + b"\xff" * 50 + b'"}'
    return _request(rng, "POST", "/sample", body, {"Content-Type": b"application/json"})


def _form_request(rng: random.Random) -> bytes:
    path = rng.choice(("/complete", "/upsample", "/score", "/verify", "/encode"))
    parts = [("model", None, rng.choice(MODELS).encode())]
    parts += [
        (name, name, picture(rng))
        for name in ("image", "mask")[: rng.choice((0, 1, 1, 2, 2))]
    ]
    for _ in range(rng.randrange(3)):
        name = rng.choice(
            (
                "n",
                "seed",
                "temperature",
                "fit",
                "rank",
                "image",
                "mask",
                "model",
                "extra",
            )
        )
        value = rng.choice(ODD_VALUES)
        parts.append((name, None, str(value).encode("utf-8", "surrogatepass")))
    rng.shuffle(parts)
    body = (
        b"".join(_part(rng, *part) for part in parts) + f"--{BOUNDARY}--\r\n".encode()
    )
    if rng.random() < 0.2:
        body = _mutated(rng, body)
    return _request(
        rng,
        "POST",
        path,
        body,
        {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}".encode()},
    )


def _json_form_request(rng: random.Random) -> bytes:
    """A form as JSON: pictures in base64 that is whole, spoilt, too long or none."""
    path = rng.choice(("/complete", "/upsample", "/score", "/verify", "/encode"))
    fields: dict[str, Any] = {"model": rng.choice(MODELS), "n": rng.choice((1, 2, "2"))}
    for name in ("image", "mask")[: rng.choice((0, 1, 1, 2))]:
        text = base64.b64encode(picture(rng)).decode()
        fields[name] = rng.choice(
            (
                text,
                text,
                f"data:image/png;base64,{text}",
                text[:-1],
                text * 9,
                "data:" + "a" * 70_000,
            )
        )
    for _ in range(rng.randrange(2)):
        fields[rng.choice(("image", "mask", "fit", "rank", "x", "__proto__"))] = (
            rng.choice(ODD_VALUES)
        )
    body = json.dumps(fields).encode()
    spoil = rng.random()
    if spoil < 0.2:
        body = _mutated(rng, body)
    elif spoil < 0.3:
        body = b'{"image": ' + rng.choice((b"[", b"{},", b"0,", b'{"a":')) * rng.choice(
            (100, 200_000)
        )
    return _request(rng, "POST", path, body, {"Content-Type": b"application/json"})


def _file_request(rng: random.Random) -> bytes:
    """A coded file that is whole but for its stripes, spoilt, or of too many pictures."""
    numbers = (
        rng.choice((1, 1, 2)),
        0,
        rng.randrange(9),
        rng.choice((0, 1, 3, 65, 2**32 - 1)),
    )
    packed = struct.pack(">4sBBBI", b"PXRN", *numbers) + rng.choice(
        (b"\0" * 40, rng.randbytes(40))
    )
    body = (
        packed
        + zlib.crc32(packed).to_bytes(4, "big")
        + rng.randbytes(rng.choice((0, 1, 50, 5000)))
    )
    if rng.random() < 0.5:
        body = _mutated(rng, body)
    media = rng.choice(
        (
            b"application/vnd.pixelrnn",
            b"application/octet-stream",
            b"application/vnd.pixelrnn; q",
        )
    )
    return _request(rng, "POST", "/decode", body, {"Content-Type": media})


def _part(rng: random.Random, name: str, file: str | None, content: bytes) -> bytes:
    filename = (
        rng.choice(("a.png", '"', "\x00", "x" * 2000, "../../a", "é.png"))
        if file
        else None
    )
    disposition = f'form-data; name="{name}"' + (
        f'; filename="{filename}"' if filename is not None else ""
    )
    return (
        f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
        + content
        + b"\r\n"
    )


def picture(rng: random.Random) -> bytes:
    """A PNG that is whole, spoilt, huge by its header, or no PNG at all."""
    kind = rng.random()
    width, height = rng.choice(((5, 6), (4, 5), (4, 6), (2, 3), (1, 1), (7, 7)))
    if kind < 0.1:
        return rng.choice(
            (
                b"",
                b"GIF89a",
                b"<svg/>",
                b"\xff\xd8\xff\xe0",
                b"BM" + b"\0" * 60,
                b"%PDF-1.7",
                b"\0" * 5000,
            )
        )
    if kind < 0.2:
        width, height = rng.choice(
            ((2**31 - 1, 1), (60_000, 60_000), (0, 0), (1, 2**31 - 1))
        )
    whole = _png(rng, width, height, declared_only=kind < 0.2)
    return _mutated(rng, whole) if kind < 0.5 else whole


def _png(rng: random.Random, width: int, height: int, declared_only: bool) -> bytes:
    colour, channels = rng.choice(((0, 1), (2, 3), (4, 2), (6, 4), (3, 1)))
    rows = (
        b""
        if declared_only
        else b"".join(b"\0" + rng.randbytes(width * channels) for _ in range(height))
    )
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))]
    if colour == 3:
        chunks.append((b"PLTE", rng.randbytes(rng.choice((3, 768, 5)))))
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def _path_request(rng: random.Random) -> bytes:
    method = rng.choice(
        ("GET", "GET", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW")
    )
    return _request(rng, method, rng.choice(ODD_PATHS), b"", {})


def _broken_request(rng: random.Random) -> bytes:
    return rng.choice(
        (
            b"GET / HTTP/9.9\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"POST /sample HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
            b"POST /sample HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nZZ\r\n",
            b"POST /sample HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
            b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
            rng.randbytes(200) + b"\r\n\r\n",
        )
    )


def _mutated(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut out or doubled."""
    spoilt = bytearray(data)
    for _ in range(rng.choice((1, 3, 20))):
        if not spoilt:
            break
        at = rng.randrange(len(spoilt))
        match rng.randrange(3):
            case 0:
                spoilt[at] = rng.randrange(256)
            case 1:
                del spoilt[at : at + rng.randrange(1, 30)]
            case _:
                spoilt[at:at] = spoilt[at : at + rng.randrange(1, 30)]
    return bytes(spoilt)
