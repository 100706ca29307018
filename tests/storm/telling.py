"""Whom the service tells of jobs' ends: a receiver that stalls now and then, longer than it is waited for."""

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pixelrnn.client.calls import Call
from tests.app.receiver import Receiver, make_certificate

SECRET = "whsec_c3Rvcm1zdG9ybXN0b3Jtc3Rvcm1zdG9ybXN0b3Jt"
STALLS, LONGEST_STALL_S = 0.1, 12.0
"""How often it stalls, and for how long: an API gives up after ten seconds."""


class Listener:
    """`settings`: those with which an API calls it."""

    def __init__(self, receiver: Receiver, certificate: Path) -> None:
        self._receiver = receiver
        self._read = 0
        self._told: dict[str, set[str]] = {}
        self.settings = {
            "PIXELRNN_WEBHOOK_HOSTS": f"localhost:{receiver.port}",
            "PIXELRNN_WEBHOOK_SECRET": SECRET,
            "SSL_CERT_FILE": str(certificate),
        }

    def asked(self, call: Call) -> Call:
        """The request, with the wish to be told."""
        where = next(
            name
            for name in ("body", "fields", "query")
            if getattr(call, name) is not None
        )
        return replace(
            call, **{where: {**getattr(call, where), "webhook": self._receiver.url}}
        )

    def told(self) -> dict[str, set[str]]:
        """Every status that it was told of each job."""
        news = self._receiver.messages[self._read :]
        self._read += len(news)
        for job in (json.loads(message.body) for message in news):
            self._told.setdefault(job["id"], set()).add(job["status"])
        return self._told


@contextmanager
def listening(place: Path, rng: random.Random) -> Iterator[Listener]:
    place.mkdir(parents=True, exist_ok=True)
    certificate = make_certificate(place)
    receiver = Receiver(certificate)

    def stall(_: object) -> None:
        if rng.random() < STALLS:
            time.sleep(rng.uniform(0, LONGEST_STALL_S))

    receiver.before_answer = stall
    try:
        yield Listener(receiver, certificate)
    finally:
        receiver.close()
