"""Says once a second that this worker lives: its leases, its RQ record, its announcement."""

import threading
from collections.abc import Callable, Sequence

import structlog
from redis import Redis
from redis.exceptions import RedisError

INTERVAL_S = 1.0


class Heartbeat:
    """Calls each of `beats` every second. An error is not repeated: the next beat is the retry."""

    def __init__(self, redis: Redis, beats: Sequence[Callable[[Redis], None]]) -> None:
        self._redis = redis
        self._beats = beats
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._log = structlog.get_logger("heartbeat")

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._stopped.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopped.is_set():
            for beat in self._beats:
                try:
                    beat(self._redis)
                except RedisError as error:
                    self._log.warning("heartbeat_missed", error=str(error))
            self._stopped.wait(INTERVAL_S)
