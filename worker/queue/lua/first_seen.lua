--!include clock
-- What two sweeps share: when each id was first seen is kept in a hash, which lives as long as somebody sweeps.
local at = tonumber(now())

-- Was the id seen this long ago for the first time?
local function is_older(hash, id, age_s)
  return at - tonumber(redis.call('HGET', hash, id) or at) >= tonumber(age_s)
end

-- Keep the times of these ids, and forget all others.
local function keep_seen(hash, ids)
  local times = {}
  for _, id in ipairs(ids) do times[id] = tonumber(redis.call('HGET', hash, id) or at) end
  redis.call('DEL', hash)
  for id, time in pairs(times) do redis.call('HSET', hash, id, string.format('%.6f', time)) end
  redis.call('EXPIRE', hash, 3600)
end
