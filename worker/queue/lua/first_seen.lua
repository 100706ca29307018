--!include clock
-- Shared by sweeps: a hash stores when each id was first seen. It expires an hour after the last sweep.
local at = tonumber(now())

-- Return true if the id was first seen at least `age_s` seconds ago.
local function is_older(hash, id, age_s)
  return at - tonumber(redis.call('HGET', hash, id) or at) >= tonumber(age_s)
end

-- Keep the times of these ids, and delete all others.
local function keep_seen(hash, ids)
  local times = {}
  for _, id in ipairs(ids) do times[id] = tonumber(redis.call('HGET', hash, id) or at) end
  redis.call('DEL', hash)
  for id, time in pairs(times) do redis.call('HSET', hash, id, string.format('%.6f', time)) end
  redis.call('EXPIRE', hash, 3600)
end
