"""Bugs that are sown on purpose, to see that they are found."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from tests.life.sources import changed
from worker.queue import recovery
from worker.queue.held_jobs import HeldJobs

_NOT_THE_OWNER = "if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return "


@contextlib.contextmanager
def _replaced(holder: Any, name: str, by: Callable[..., Any]) -> Iterator[None]:
    with mock.patch.object(holder, name, by):
        yield


_real_time = recovery.redis_time

BUGS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "rows are taken from whoever sends them": lambda: changed(
        "if owned_by ~= owner then return 'lost' end", ""
    ),
    "rows are taken over a gap": lambda: changed(
        "if first > last + 1 or not stream_is_whole() then return 'behind' end", ""
    ),
    "rows that are sent again are added again": lambda: changed(
        "local added = first + count - 1 - last", "local added = count first = last + 1"
    ),
    "a job that has ended can end again": lambda: changed(
        "if status ~= 'queued' and status ~= 'running' then return 'not-ours' end", ""
    ),
    "anybody can end a job": lambda: changed(
        "if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 'not-ours' end",
        "",
    ),
    "a job succeeds without its last rows": lambda: changed(
        "tonumber(last) == tonumber(total) and", ""
    ),
    "a claim leaves the job to its earlier owner": lambda: changed(
        "redis.call('HSET', KEYS[1], 'status', 'running', 'owner', ARGV[1])",
        "redis.call('HSET', KEYS[1], 'status', 'running') redis.call('HSETNX', KEYS[1], 'owner', ARGV[1])",
    ),
    "anybody can give a job back": lambda: changed(
        _NOT_THE_OWNER + "0 end", "", "RELEASE"
    ),
    "a request that is sent again is accepted again": lambda: changed(
        "accepted_before() or known_key()", "known_key()"
    ),
    "an `Idempotency-Key` is not remembered": lambda: changed(
        "\nremember_key()\n", "\n"
    ),
    "a cancel that is sent again finds a job that had ended": lambda: changed(
        "if status == 'canceled' and by == ARGV[1] then return 'canceled' end", ""
    ),
    "room stays reserved when a job has ended": lambda: changed(
        "\n  give_room_back(id)\n", "\n"
    ),
    "bytes stay counted when a job has ended": lambda: changed(
        "\n  hold_what_is_kept(KEYS[1], {", "\n  tostring(tostring, {"
    ),
    "nobody is told of an end": lambda: changed(
        "\n  if webhook then\n", "\n  if nil then\n"
    ),
    "jobs stay at the end": lambda: changed("if before < waiting then", "if nil then"),
    "a line begins anew with each job": lambda: changed(
        "open_jobs(terms) > 0 and redis", "nil and redis"
    ),
    "nobody notes whose turn it was": lambda: changed(
        "'GT', turn, 'now'", "'GT', 0, 'now'"
    ),
    "leases are not renewed": lambda: _replaced(
        HeldJobs, "beat", lambda self, redis: None
    ),
    "leases are judged by a clock that is 5 minutes ahead": lambda: _replaced(
        recovery, "redis_time", lambda redis: _real_time(redis) + 300
    ),
    "the leases of dead workers are not looked at": lambda: _replaced(
        recovery.Recovery, "expire_leases", lambda self: None
    ),
}
"""Each is sown while its context is open."""
