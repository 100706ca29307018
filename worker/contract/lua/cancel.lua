--!include ending
-- Cancel a job: a waiting one ends at once, and the worker of a running one is informed.
-- ARGV: an identifier of this call.
-- Returns 'missing', 'settled' (it had ended before), 'canceled' (it was waiting), or 'canceling' (it is running).
-- The identifier distinguishes a repetition after a lost reply from a call that comes after the job's end.
local status, by = unpack(redis.call('HMGET', KEYS[1], 'status', 'cancel_requested'))
if not status then return 'missing' end
if status == 'queued' then
  redis.call('HSET', KEYS[1], 'cancel_requested', ARGV[1])
  settle('canceled', '')
  return 'canceled'
end
if status == 'canceled' and by == ARGV[1] then return 'canceled' end
if status ~= 'running' then return 'settled' end
redis.call('HSET', KEYS[1], 'cancel_requested', ARGV[1])
redis.call('PUBLISH', keys.CANCEL_CHANNEL, string.sub(KEYS[1], #keys.JOB + 1))
return 'canceling'
