--!include ending
-- ARGV: channel, job id, result_ttl, tombstone_ttl, and a word of this call's own.
-- Returns 'missing', 'settled' (it had ended before), 'canceled' (it was waiting), or 'canceling' (its worker is told).
-- The call's word tells its second run, after a lost reply, from a call that comes when the job has ended.
local status, by = unpack(redis.call('HMGET', KEYS[1], 'status', 'cancel_requested'))
if not status then return 'missing' end
if status == 'queued' then
  redis.call('HSET', KEYS[1], 'cancel_requested', ARGV[5])
  settle('canceled', '', tonumber(ARGV[3]), tonumber(ARGV[4]))
  return 'canceled'
end
if status == 'canceled' and by == ARGV[5] then return 'canceled' end
if status ~= 'running' then return 'settled' end
redis.call('HSET', KEYS[1], 'cancel_requested', ARGV[5])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 'canceling'
