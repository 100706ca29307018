-- A second entry of a job that is under way. KEYS: intermediate list, RQ's job. ARGV: job id. Its status is set right again:
-- a crash would lose a job that is not called started. One that has ended meanwhile is not brought back to life.
redis.call('LREM', KEYS[1], 1, ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HSET', KEYS[2], 'status', 'started') end
