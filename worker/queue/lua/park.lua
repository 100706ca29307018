--!include names clock
-- Set a job aside that this worker cannot do, for one that can.
-- KEYS: job, intermediate list, parked set. ARGV: job id. Returns 1, or 0 if the job is no longer in the intermediate list.
if redis.call('LREM', KEYS[2], 1, ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[3], now(), ARGV[1])
redis.call('EXPIRE', KEYS[3], keys.ACTIVE_TTL_S)
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'queued' or status == 'running' then
  redis.call('HSET', KEYS[1], 'parked', 1, 'status', 'queued')  -- no worker runs it any more
  redis.call('HDEL', KEYS[1], 'owner')
end
return 1
