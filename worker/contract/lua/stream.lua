-- Return true if hash and stream agree about the job's rows, which are its checkpoint. They disagree if one of the two was
-- deleted, by an eviction policy or by an operator. A worker of an earlier version stores no number of entries: it writes
-- one entry for each row.
local function stream_is_whole()
  local last, entries = unpack(redis.call('HMGET', KEYS[1], 'last_seq', 'entries'))
  return redis.call('XLEN', KEYS[2]) == tonumber(entries or last or 0)
end

-- Return the number of the newest entry, which is the number of its last row; 0 if there is none.
local function newest_entry()
  local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  return newest and tonumber(string.match(newest[1], '^%d+')) or 0
end
