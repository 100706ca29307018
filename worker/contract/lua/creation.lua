--!include clock
-- Write the record and the pictures of a new job. Returns the time.
local function create(spec, rows_total, ttl, pixels, keep, upload)
  local at = now()
  redis.call('HSET', KEYS[1], 'spec', spec, 'status', 'queued', 'created_at', at, 'rows_done', 0,
             'rows_total', rows_total, 'last_seq', 0, 'attempts', 0)
  redis.call('EXPIRE', KEYS[1], ttl)
  if pixels then
    redis.call('HSET', KEYS[3], 'pixels', pixels, 'keep', keep)
    if upload and upload ~= '' then redis.call('HSET', KEYS[3], 'upload', upload) end
    redis.call('EXPIRE', KEYS[3], ttl)
  end
  return at
end
