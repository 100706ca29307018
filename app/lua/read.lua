-- KEYS: job, tombstone. ARGV: job id. Returns the job's hash, its place in its queue, its tombstone, the time.
local status, queue = unpack(redis.call('HMGET', KEYS[1], 'status', 'queue'))
local index = status == 'queued' and queue and redis.call('LPOS', queue, ARGV[1])
return {redis.call('HGETALL', KEYS[1]), index, redis.call('GET', KEYS[2]), redis.call('TIME')}
