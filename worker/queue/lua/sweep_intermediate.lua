--!include turns first_seen
-- Find ids that a worker took and never began.
-- KEYS: intermediate list, queue, hash of when each id was first seen. ARGV: age in seconds.
-- Older ids go back to the queue. Returns the ids that were removed because RQ has no record of them.
local young, dropped = {}, {}
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if not is_older(KEYS[3], id, ARGV[1]) then
    young[#young + 1] = id
  elseif redis.call('EXISTS', keys.RQ_JOB .. id) == 1 then
    if redis.call('LREM', KEYS[1], 1, id) == 1 then
      pass_turn(KEYS[2], id)
      redis.call('LPUSH', KEYS[2], id)
    end
  else
    redis.call('LREM', KEYS[1], 0, id)
    dropped[#dropped + 1] = id
  end
end
keep_seen(KEYS[3], young)
return dropped
