"""Redis clients by role.

None retries by itself: a command whose reply was lost may have been carried out, and only its caller knows whether it
may be repeated. Every caller has its own loop.
"""

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

BLOCK_S = 1
"""How long a blocking command waits on the server before it answers "nothing"."""

BLOCKING_TIMEOUT_S = BLOCK_S + 5.0
COMMAND_TIMEOUT_S = 5.0
HEARTBEAT_TIMEOUT_S = 1.0


def connect(url: str, timeout_s: float) -> Redis:
    """A client whose every command answers or raises RedisError within about `timeout_s` seconds."""
    return Redis.from_url(
        url, socket_timeout=timeout_s, socket_connect_timeout=min(2.0, timeout_s), retry=Retry(NoBackoff(), 0)
    )
