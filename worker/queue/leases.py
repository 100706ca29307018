"""RQ's leases by Redis's clock.

RQ scores a lease with the worker's own clock: a worker whose clock is ahead would take healthy jobs from others, one
whose clock is behind would never lose its own. These scripts write the score again by TIME, in the same transaction.
"""

from typing import Any

from redis import Redis

GRANT = """
-- KEYS: started registry. ARGV: lease in seconds, member. Hold the lease from now on.
local t = redis.call('TIME')
redis.call('ZADD', KEYS[1], t[1] + t[2] / 1e6 + ARGV[1], ARGV[2])
"""

RENEW = """
-- KEYS: started registry. ARGV: lease in seconds, member, ... Prolong what is still held; a lost lease stays lost.
local t = redis.call('TIME')
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', t[1] + t[2] / 1e6 + ARGV[1], ARGV[i]) end
"""

LAPSE = """
-- KEYS: started registry. ARGV: member, ... Let what is still held lapse now, and not earlier: a pass of the recovery
-- that is under way removes whatever lapsed before it began, also what it has not seen.
local t = redis.call('TIME')
for i = 1, #ARGV do redis.call('ZADD', KEYS[1], 'XX', t[1] + t[2] / 1e6, ARGV[i]) end
"""

INSTANT_S = 1e-6
"""A lease that lapses at this very moment is left to the next pass."""


def redis_time(redis: Redis) -> float:
    """Seconds since 1970 by Redis's clock."""
    answer: Any = redis.time()
    seconds, microseconds = answer
    return seconds + microseconds / 1e6
