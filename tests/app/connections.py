"""Connections that tests write bytes to."""

import socket

HALF_JSON = (
    b"POST /sample HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b'Content-Length: 99\r\n\r\n{"model": '
)


def connected(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other end hangs up."""
    parts = []
    while part := connection.recv(4096):
        parts.append(part)
    return b"".join(parts)
