"""Ports for servers that tests start."""

import socket

_held: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody else is given while this process lives: it is bound, and nobody listens, so that a server of
    ours can. One that was merely looked up may be another's by the time the server has started."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    return holder.getsockname()[1]
