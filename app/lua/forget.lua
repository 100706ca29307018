--!include names memory
-- A job that has ended is forgotten; its tombstone stays. KEYS: job, events, image, packed entries.
-- Returns 0, and leaves it, where it has not: Redis may have come back with an older state since that was looked at.
local status, client = unpack(redis.call('HMGET', KEYS[1], 'status', 'client'))
if status and not event_of[status] then return 0 end
if client then redis.call('ZREM', keys.LISTED .. client, string.sub(KEYS[1], #keys.JOB + 1)) end
redis.call('ZREM', keys.UNPACKED, string.sub(KEYS[1], #keys.JOB + 1))
hold_bytes(KEYS[1], 0, 0, 0)
redis.call('DEL', unpack(KEYS))
return 1
