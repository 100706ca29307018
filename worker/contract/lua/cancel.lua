--!include ending
-- Cancel a job: a waiting one ends at once, and so does a running one whose worker is gone; the worker of any other running
-- one is informed.
-- ARGV: an identifier of this call.
-- Returns 'missing', 'settled' (it had ended before), 'canceled' (it has ended now), or 'canceling' (its worker ends it).
-- The identifier distinguishes a repetition after a lost reply from a call that comes after the job's end.

-- Return true if a worker has a lease of the running job that has not expired. A job that an API of an earlier version
-- accepted does not name the queue of its leases, and counts as leased.
local function is_leased()
  local queue, owner = unpack(redis.call('HMGET', KEYS[1], 'queue', 'owner'))
  if not queue then return true end
  if not owner then return false end
  local leases = keys.RQ_STARTED .. string.sub(queue, #keys.RQ_QUEUE + 1)
  local ends = redis.call('ZSCORE', leases, string.sub(KEYS[1], #keys.JOB + 1) .. ':' .. owner)
  return ends and tonumber(ends) > tonumber(now())
end

local status, by = unpack(redis.call('HMGET', KEYS[1], 'status', 'cancel_requested'))
if not status then return 'missing' end
if status == 'canceled' and by == ARGV[1] then return 'canceled' end
if status ~= 'queued' and status ~= 'running' then return 'settled' end
local ends_now = status == 'queued' or not is_leased()
redis.call('HSET', KEYS[1], 'cancel_requested', ARGV[1])
if ends_now then
  settle('canceled', '')
  return 'canceled'
end
redis.call('PUBLISH', keys.CANCEL_CHANNEL, string.sub(KEYS[1], #keys.JOB + 1))
return 'canceling'
