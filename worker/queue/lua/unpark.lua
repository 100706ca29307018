-- Take a parked job, as if it had just been taken from the queue.
-- KEYS: parked set, intermediate list. ARGV: job id. Returns 1, or 0 if another worker has taken it.
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[1])
return 1
