--!include names clock books
-- How a job ends: its record, its last event, its books and its lifetime, all at once.
local function settle(status, error, result_ttl, tombstone_ttl, result)
  local at = now()
  local seq = tonumber(redis.call('HGET', KEYS[1], 'last_seq') or 0) + 1
  redis.call('HSET', KEYS[1], 'status', status, 'finished_at', at, 'error', error, 'last_seq', seq,
             'expires_at', string.format('%.6f', tonumber(at) + result_ttl))
  if result then redis.call('HSET', KEYS[1], 'result', result) end
  redis.call('HDEL', KEYS[1], 'owner')
  close_books(KEYS[1], status, tonumber(at))
  local data = error ~= '' and error or result or '{}'
  redis.call('XADD', KEYS[2], seq .. '-0', 'type', event_of[status], 'data', data)
  redis.call('SET', KEYS[4], status, 'EX', result_ttl + tombstone_ttl)
  for i = 1, 3 do redis.call('EXPIRE', KEYS[i], result_ttl) end
end
