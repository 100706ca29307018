-- ARGV: owner token. The owner hands the job back, unfinished: it waits again. Returns 1, or 0 if not its own.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'owner')
redis.call('HSET', KEYS[1], 'status', 'queued')
return 1
