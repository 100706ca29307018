"""Two looks over the whole queue, in Lua: ids that were taken and never begun, and open jobs that nobody has."""

from worker.contract import keys

SWEEP_INTERMEDIATE = """
-- KEYS: intermediate list, queue, hash of when each id was first seen. ARGV: age in seconds, prefix of RQ's job keys.
-- Returns the ids that were dropped because RQ has no record of them; the others that are too old go back to the queue.
local t = redis.call('TIME')
local now = t[1] + t[2] / 1e6
local seen, dropped = {}, {}
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local first = tonumber(redis.call('HGET', KEYS[3], id) or now)
  if now - first < tonumber(ARGV[1]) then
    seen[id] = first
  elseif redis.call('EXISTS', ARGV[2] .. id) == 1 then
    if redis.call('LREM', KEYS[1], 1, id) == 1 then redis.call('LPUSH', KEYS[2], id) end
  else
    redis.call('LREM', KEYS[1], 0, id)
    dropped[#dropped + 1] = id
  end
end
redis.call('DEL', KEYS[3])
for id, first in pairs(seen) do redis.call('HSET', KEYS[3], id, string.format('%.6f', first)) end
redis.call('EXPIRE', KEYS[3], 3600)
return dropped
"""

SWEEP_STRAYS = f"""
-- KEYS: queue, intermediate list, started registry, hash of when each stray was first seen, parked set.
-- ARGV: age in seconds, prefix of RQ's job keys. A stray is an open job of this queue that is in none of these places.
-- Returns the ids that went back to the queue because they are too old, and those that RQ has no record of.
local t = redis.call('TIME')
local now = t[1] + t[2] / 1e6
local held, seen, returned, gone = {{}}, {{}}, {{}}, {{}}
for _, list in ipairs({{KEYS[1], KEYS[2]}}) do
  for _, id in ipairs(redis.call('LRANGE', list, 0, -1)) do held[id] = true end
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[5], 0, -1)) do held[id] = true end
for _, member in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do held[string.match(member, '^[^:]*')] = true end
for _, ticket in ipairs(redis.call('ZRANGE', '{keys.OPEN}', 0, -1)) do
  local id = string.match(ticket, '^%d+:([^:]+):')
  if not held[id] and redis.call('HGET', '{keys.job("")}' .. id, 'queue') == KEYS[1] then
    local first = tonumber(redis.call('HGET', KEYS[4], id) or now)
    if now - first < tonumber(ARGV[1]) then
      seen[id] = first
    elseif redis.call('EXISTS', ARGV[2] .. id) == 1 then
      redis.call('HSET', ARGV[2] .. id, 'status', 'queued')
      redis.call('LPUSH', KEYS[1], id)
      returned[#returned + 1] = id
    else
      gone[#gone + 1] = id
    end
  end
end
redis.call('DEL', KEYS[4])
for id, first in pairs(seen) do redis.call('HSET', KEYS[4], id, string.format('%.6f', first)) end
redis.call('EXPIRE', KEYS[4], 3600)
return {{returned, gone}}
"""
