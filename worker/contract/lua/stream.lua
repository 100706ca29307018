-- A job's rows are its checkpoint, so its hash and its stream must say the same of them. They do, but for a server that
-- dropped one of the two: under a policy that evicts, or by somebody's hand. A worker of an earlier version notes no number
-- of entries: it writes one for each row.
local function stream_is_whole()
  local last, entries = unpack(redis.call('HMGET', KEYS[1], 'last_seq', 'entries'))
  return redis.call('XLEN', KEYS[2]) == tonumber(entries or last or 0)
end

-- The number of the newest entry, which is that of its last row; 0 = there is none.
local function newest_entry()
  local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  return newest and tonumber(string.match(newest[1], '^%d+')) or 0
end
