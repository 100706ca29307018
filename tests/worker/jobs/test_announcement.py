"""The file whose age tells a probe that a worker is healthy."""

from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.app.hand_worker import GREY
from worker.contract.cards import WorkerInfo
from worker.jobs.announcement import Announcement


def test_file_is_renewed_while_a_model_is_ready_and_redis_hears_of_it(
    redis_url: str, tmp_path: Path
) -> None:
    """Not before the first model is, nor while Redis is away; it is gone with the worker."""
    file, redis = tmp_path / "healthy", Redis.from_url(redis_url)
    waiting = GREY.model_copy(update={"compiling": True})
    announcement = Announcement(
        WorkerInfo(name="w", device="cpu", slots=1, models=(waiting,), started_at=0.0),
        file,
    )
    announcement.beat(redis)
    assert not file.exists()
    with pytest.raises(RedisError):
        announcement.beat(Redis(port=1))
    announcement.compiled("grey", redis)
    assert file.exists()
    file.unlink()
    with pytest.raises(RedisError):
        announcement.beat(Redis(port=1))
    assert not file.exists()
    announcement.beat(redis)
    assert file.exists()
    announcement.end(redis)
    assert not file.exists()
