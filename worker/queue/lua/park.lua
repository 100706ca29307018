--!include names clock
-- A worker cannot do this job: leave it for one that can.
-- KEYS: job, intermediate list, parked set. ARGV: job id. Nothing when another has the job by now.
if redis.call('LREM', KEYS[2], 1, ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[3], now(), ARGV[1])
redis.call('EXPIRE', KEYS[3], keys.ACTIVE_TTL_S)
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'parked', 1) end
return 1
