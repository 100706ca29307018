--!include names
-- A canceled job leaves the queue. Only an id that still waits may lose its entry; a worker may hold the others.
-- KEYS: job, RQ job. ARGV: job id.
local queue = redis.call('HGET', KEYS[1], 'queue')
if not queue then return end
local parked = keys.PARKED .. string.sub(queue, #keys.RQ_QUEUE + 1)
if redis.call('LREM', queue, 1, ARGV[1]) + redis.call('ZREM', parked, ARGV[1]) > 0 then redis.call('DEL', KEYS[2]) end
