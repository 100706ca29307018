-- Return an unfinished job: it waits again.
-- ARGV: owner token, and 'uncounted' if the attempt shall not count, as after a failure of the worker's GPU.
-- Returns 1, or 0 if the caller does not own the job.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'owner')
redis.call('HSET', KEYS[1], 'status', 'queued')
if ARGV[2] == 'uncounted' then redis.call('HINCRBY', KEYS[1], 'attempts', -1) end
return 1
