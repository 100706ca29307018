--!include names stream
-- A job's entries become one value, as long as it has ended and they are what was read. An empty value: they stay as they
-- are. KEYS: job, events, packed entries. ARGV: job id, number of the last entry that was read, value. May be repeated.
local status = redis.call('HGET', KEYS[1], 'status')
if status and event_of[status] and ARGV[3] ~= '' and newest_entry() == tonumber(ARGV[2]) and stream_is_whole() then
  redis.call('SET', KEYS[3], ARGV[3], 'PX', math.max(1, redis.call('PTTL', KEYS[1])))
  redis.call('DEL', KEYS[2])
end
redis.call('ZREM', keys.UNPACKED, ARGV[1])
