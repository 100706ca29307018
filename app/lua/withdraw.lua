--!include names
-- A canceled job leaves the queue. Only an id that still waits may lose its entry; a worker may hold the others. And only
-- a job that has ended: Redis may have come back with an older state since it was canceled, in which it waits again.
-- KEYS: job, RQ job. ARGV: job id.
local queue, status = unpack(redis.call('HMGET', KEYS[1], 'queue', 'status'))
if not queue or not event_of[status] then return end
local parked = keys.PARKED .. string.sub(queue, #keys.RQ_QUEUE + 1)
if redis.call('LREM', queue, 1, ARGV[1]) + redis.call('ZREM', parked, ARGV[1]) > 0 then redis.call('DEL', KEYS[2]) end
