"""The file whose age tells a probe that a worker is healthy."""

import errno
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from model_core.card import Card
from tests.app.hand_worker import GREY
from worker.contract import keys
from worker.contract.cards import WorkerInfo
from worker.jobs.announcement import Announcement, ReservedNames


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
    announcement.mark_compiled("grey", redis)
    assert file.exists()
    file.unlink()
    with pytest.raises(RedisError):
        announcement.beat(Redis(port=1))
    assert not file.exists()
    announcement.beat(redis)
    assert file.exists()
    announcement.end(redis)
    assert not file.exists()


def test_unchanged_announcement_is_not_written_again(redis_url: str) -> None:
    """Its lifetime is renewed; a change, and a loss in Redis, are written at once."""
    redis: Any = Redis.from_url(redis_url)
    waiting = GREY.model_copy(update={"compiling": True})
    info = WorkerInfo(
        name="w", device="cpu", slots=1, models=(waiting,), started_at=0.0
    )
    announcement = Announcement(info)

    def beat() -> int:
        """Return how many times the announcement was written."""
        redis.config_resetstat()
        announcement.beat(redis)
        return redis.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"]

    assert beat() == 1
    redis.expire(keys.worker("w"), 1)
    assert beat() == 0
    assert redis.ttl(keys.worker("w")) > 1
    redis.delete(keys.worker("w"))
    assert beat() == 1
    announcement.mark_compiled("grey", redis)
    assert json.loads(redis.get(keys.worker("w"))) == json.loads(
        announcement.info.entry()
    )


class PausedRedis:
    """A client whose next pipeline is held back until `go` is set."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.is_asked = threading.Event()
        self.go = threading.Event()

    def pipeline(self) -> Any:
        self.is_asked.set()
        self.go.wait(30)
        return self._redis.pipeline()


def test_nothing_is_announced_after_the_end(redis_url: str, tmp_path: Path) -> None:
    """Neither by a heartbeat that had begun before: APIs would accept jobs for this
    worker until the announcement expires, and a probe would find it healthy."""
    file = tmp_path / "healthy"
    redis = Redis.from_url(redis_url)
    info = WorkerInfo(name="w", device="cpu", slots=1, models=(GREY,), started_at=0.0)
    announcement = Announcement(info, file)
    announcement.beat(redis)
    paused: Any = PausedRedis(redis)
    heartbeat = threading.Thread(target=announcement.beat, args=(paused,))
    heartbeat.start()
    assert paused.is_asked.wait(30)
    end = threading.Thread(target=announcement.end, args=(redis,))
    end.start()
    end.join(0.2)
    paused.go.set()
    heartbeat.join(30)
    end.join(30)
    assert not redis.exists(keys.worker("w"))
    assert not redis.exists(keys.WORKERS)
    assert not file.exists()


def test_the_announcement_goes_though_the_health_file_stays(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Because its disk became read-only; a worker that stops gives its jobs back
    afterwards."""
    redis = Redis.from_url(redis_url)
    info = WorkerInfo(name="w", device="cpu", slots=1, models=(GREY,), started_at=0.0)
    announcement = Announcement(info, tmp_path / "healthy")
    announcement.beat(redis)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    announcement.end(redis)
    assert not redis.exists(keys.worker("w"))


def reserved(redis: Any) -> list[dict[str, str]]:
    """Return the lists of names that are reserved now."""
    digests = redis.smembers(keys.RESERVED)
    return [
        json.loads(redis.get(keys.reserved_names(each.decode()))) for each in digests
    ]


def test_names_of_all_models_in_the_directory_are_announced(
    redis_url: str, models_dir: Path, tmp_path: Path
) -> None:
    """Records too, and a model with a damaged card, without an identity; not twice by
    two workers, and again when a model comes."""
    shutil.copytree(models_dir / "tiny-cnn", tmp_path / "one")
    shutil.copytree(models_dir / "tiny-cnn", tmp_path / "records" / "old")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "card.json").write_text("{")
    identity = Card.read(tmp_path / "one" / "card.json").identity
    redis: Any = Redis.from_url(redis_url)
    first, second = (ReservedNames(redis, tmp_path) for _ in range(2))
    first.turn()
    second.turn()
    expected = {"one": identity, "old": identity, "bad": ""}
    assert reserved(redis) == [expected]
    redis.flushall()
    first.turn()
    assert reserved(redis) == [], "nothing has changed"
    shutil.copytree(models_dir / "tiny-cnn", tmp_path / "two")
    first.turn()
    assert reserved(redis) == [expected | {"two": identity}]
    (name,) = redis.scan_iter(f"{keys.RESERVED}:*")
    for key in (name, keys.RESERVED):
        assert 0 < redis.ttl(key) <= keys.RESERVED_TTL_S


def test_directory_without_models_reserves_nothing(
    redis_url: str, tmp_path: Path
) -> None:
    """A trainer may have none: that no worker has announced its names stays known."""
    redis: Any = Redis.from_url(redis_url)
    ReservedNames(redis, tmp_path / "nowhere").turn()
    assert redis.keys() == []


def test_names_are_announced_when_redis_answers(tmp_path: Path) -> None:
    """The thread goes on."""
    assert ReservedNames(Redis(port=1), tmp_path).turn() > 0
