"""Jobs that a worker of this queue took and cannot do: set aside for one that can, instead of failed.

A later API may accept what only later workers can do, and for a while both kinds of workers share a queue. Whoever
cannot do a job parks it; every worker looks at what is parked once a second and takes from there what it can do.
"""

PARK = """
-- KEYS: job, intermediate list, parked set. ARGV: job id, lifetime. Nothing when another has the job by now.
if redis.call('LREM', KEYS[2], 1, ARGV[1]) == 0 then return 0 end
local t = redis.call('TIME')
redis.call('ZADD', KEYS[3], t[1] + t[2] / 1e6, ARGV[1])
redis.call('EXPIRE', KEYS[3], ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'parked', 1) end
return 1
"""

UNPARK = """
-- KEYS: parked set, intermediate list. ARGV: job id. As if it had just been taken from the queue. Returns 1, or 0 when
-- another worker was quicker.
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[1])
return 1
"""
