--!include names first_seen
-- Open jobs of this queue that nobody has: in none of the places where an open job is.
-- KEYS: queue, intermediate list, started registry, parked set, hash of when each stray was first seen.
-- ARGV: age in seconds.
-- Returns the ids that went back to the queue because they are too old, and those that RQ has no record of.
local held, young, returned, gone = {}, {}, {}, {}
for _, list in ipairs({KEYS[1], KEYS[2]}) do
  for _, id in ipairs(redis.call('LRANGE', list, 0, -1)) do held[id] = true end
end
for _, member in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do held[string.match(member, '^[^:]*')] = true end
for _, id in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do held[id] = true end
for _, ticket in ipairs(redis.call('ZRANGE', keys.OPEN, 0, -1)) do
  local id = string.match(ticket, '^%d+:([^:]+):')
  if not held[id] and redis.call('HGET', keys.JOB .. id, 'queue') == KEYS[1] then
    if not is_older(KEYS[5], id, ARGV[1]) then
      young[#young + 1] = id
    elseif redis.call('EXISTS', keys.RQ_JOB .. id) == 1 then
      redis.call('HSET', keys.RQ_JOB .. id, 'status', 'queued')
      redis.call('LPUSH', KEYS[1], id)
      returned[#returned + 1] = id
    else
      gone[#gone + 1] = id
    end
  end
end
keep_seen(KEYS[5], young)
return {returned, gone}
