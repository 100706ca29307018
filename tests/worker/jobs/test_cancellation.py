"""How a worker finds the jobs that it shall cancel."""

import time
from typing import Any

import redis

from worker.contract import keys
from worker.jobs.cancellation import Cancellation

PATIENCE_S = 20.0


def test_missed_request_is_found_although_those_of_others_come_all_the_time(
    redis_url: str,
) -> None:
    """Its message came before the job was open here."""
    client: Any = redis.Redis.from_url(redis_url)
    canceled: list[str] = []
    cancellation = Cancellation(
        redis.Redis.from_url(redis_url), lambda: ["ours", "other"], canceled.append
    )
    cancellation.turn()  # it subscribes
    client.hset(keys.job("ours"), "cancel_requested", "word")
    until = time.monotonic() + PATIENCE_S
    turns = 0
    while "ours" not in canceled and time.monotonic() < until:
        client.publish(keys.CANCEL_CHANNEL, "another's")
        cancellation.turn()
        turns += 1
    assert canceled.count("ours") == 1
    assert canceled.count("another's") == turns
