-- A job's rows are its checkpoint, so its hash and its stream must say the same of them. They do, but for a server that
-- dropped one of the two: under a policy that evicts, or by somebody's hand.
local function stream_is_whole()
  return redis.call('XLEN', KEYS[2]) == tonumber(redis.call('HGET', KEYS[1], 'last_seq') or 0)
end

-- The number of the newest entry; 0 = there is none.
local function newest_entry()
  local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  return newest and tonumber(string.match(newest[1], '^%d+')) or 0
end
