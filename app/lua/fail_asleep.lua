--!include ending
-- Fail a job for which no worker has come in time, unless it was begun, has ended, or is not in keys.ASLEEP any more:
-- another API has seen a worker for it.
-- KEYS: as for the scripts of the contract. ARGV: job id, error JSON.
if not redis.call('ZSCORE', keys.ASLEEP, ARGV[1]) then return end
local status, attempts = unpack(redis.call('HMGET', KEYS[1], 'status', 'attempts'))
if status == 'queued' and tonumber(attempts) == 0 then settle('failed', ARGV[2]) end
