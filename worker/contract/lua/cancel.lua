--!include ending
-- ARGV: channel, job id, result_ttl, tombstone_ttl.
-- Returns 'missing', 'settled' (it had ended before), 'canceled' (it was waiting), or 'canceling' (its worker is told).
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return 'missing' end
if status == 'queued' then
  settle('canceled', '', tonumber(ARGV[3]), tonumber(ARGV[4]))
  return 'canceled'
end
if status ~= 'running' then return 'settled' end
redis.call('HSET', KEYS[1], 'cancel_requested', 1)
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 'canceling'
