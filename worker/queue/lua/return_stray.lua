--!include turns
-- Return an open job of this queue that seems to have no owner to the front of the queue, unless it is in one of the places.
-- KEYS: queue, intermediate list, started registry, parked set. ARGV: job id.
-- Returns 'returned', 'gone' (RQ has no record of it), or 'held'.
local id, job = ARGV[1], keys.JOB .. ARGV[1]
local status, queue, owner = unpack(redis.call('HMGET', job, 'status', 'queue', 'owner'))
if (status ~= 'queued' and status ~= 'running') or queue ~= KEYS[1] then return 'held' end
if owner and redis.call('ZSCORE', KEYS[3], id .. ':' .. owner) then return 'held' end
if redis.call('ZSCORE', KEYS[4], id) then return 'held' end
for i = 1, 2 do
  if redis.call('LPOS', KEYS[i], id) then return 'held' end
end
if redis.call('EXISTS', keys.RQ_JOB .. id) == 0 then return 'gone' end
redis.call('HSET', keys.RQ_JOB .. id, 'status', 'queued')
pass_turn(KEYS[1], id)
redis.call('LPUSH', KEYS[1], id)
return 'returned'
