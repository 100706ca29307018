--!include names clock stream memory
-- A job that has ended takes less room: its entries become one value, as long as they are what was read, and its pictures
-- one. An empty value: they stay as they are. KEYS: job, events, packed entries, pictures. ARGV: job id, number of the last
-- entry that was read, entries, pictures and the field that they are kept in. May be repeated.
-- The first write takes no memory: a full server would refuse one that does, and refuses none behind another.
redis.call('ZREM', keys.UNPACKED, ARGV[1])
local status = redis.call('HGET', KEYS[1], 'status')
local has_ended = status and event_of[status]
if has_ended and ARGV[3] ~= '' and newest_entry() == tonumber(ARGV[2]) and stream_is_whole() then
  redis.call('SET', KEYS[3], ARGV[3], 'PX', math.max(1, redis.call('PTTL', KEYS[1])))
  redis.call('DEL', KEYS[2])
end
if has_ended and ARGV[4] ~= '' then
  for _, field in ipairs(redis.call('HKEYS', KEYS[4])) do
    redis.call('HSET', KEYS[4], ARGV[5], ARGV[4])
    if field ~= ARGV[5] then redis.call('HDEL', KEYS[4], field) end
  end
end
local expires_at = tonumber(redis.call('HGET', KEYS[1], 'expires_at') or 0)
if has_ended then hold_what_is_kept(KEYS[1], KEYS, expires_at, tonumber(now())) end
