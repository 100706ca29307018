--!include names clock books stream memory
-- End a job: write its last event, record, pictures, statistics, lifetimes and webhook in one step. The event is written
-- first: if the server refuses it (out of memory), nothing else is written.
-- pictures: index in ARGV from which pairs of a field of keys.image and its bytes follow; nil if there are none.
local function settle(status, error, result, pictures)
  local at = now()
  local last, retention, webhook, client = unpack(redis.call('HMGET', KEYS[1], 'last_seq', 'retention', 'webhook', 'client'))
  local result_ttl = tonumber(retention or keys.RESULT_TTL_S)
  local seq = math.max(tonumber(last or 0), newest_entry()) + 1
  local data = error ~= '' and error or result or '{}'
  redis.call('XADD', KEYS[2], seq .. '-0', 'type', event_of[status], 'data', data)
  redis.call('HSET', KEYS[1], 'status', status, 'finished_at', at, 'error', error, 'last_seq', seq,
             'entries', redis.call('XLEN', KEYS[2]), 'expires_at', string.format('%.6f', tonumber(at) + result_ttl))
  if result then redis.call('HSET', KEYS[1], 'result', result) end
  redis.call('HDEL', KEYS[1], 'owner')
  redis.call('DEL', keys.ESTIMATE .. string.sub(KEYS[1], #keys.JOB + 1))
  if webhook then
    redis.call('ZADD', keys.WEBHOOKS, at, string.sub(KEYS[1], #keys.JOB + 1))
  end
  redis.call('ZADD', keys.UNPACKED, at, string.sub(KEYS[1], #keys.JOB + 1))
  redis.call('ZREMRANGEBYSCORE', keys.UNPACKED, '-inf', string.format('%.6f', tonumber(at) - keys.RESULT_TTL_S))
  redis.call('EXPIRE', keys.UNPACKED, keys.RESULT_TTL_S)
  close_books(KEYS[1], status, tonumber(at))
  bury(KEYS[1], KEYS[4], client and keys.WAS_OF .. client or status, result_ttl + keys.TOMBSTONE_TTL_S, tonumber(at))
  if pictures then
    for i = pictures, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
  end
  for i = 1, 3 do redis.call('EXPIRE', KEYS[i], result_ttl) end
  hold_what_is_kept(KEYS[1], {KEYS[1], KEYS[2], KEYS[3]}, tonumber(at) + result_ttl, tonumber(at))
end

-- Return true if the job has all of its rows.
local function is_whole()
  local last, total = unpack(redis.call('HMGET', KEYS[1], 'last_seq', 'rows_total'))
  return tonumber(last) == tonumber(total) and stream_is_whole()
end
