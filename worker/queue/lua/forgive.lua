-- Called when a worker died with this job. The death costs the job a retry only if nothing was drawn since the death before:
-- otherwise the retry that RQ is about to subtract is added first.
-- KEYS: job, RQ's job. May be repeated: progress is compared with that of the last call.
local last, share, before = unpack(redis.call('HMGET', KEYS[1], 'last_seq', 'share', 'drawn_at_death'))
if not last or redis.call('HEXISTS', KEYS[2], 'retries_left') == 0 then return end
local rows, part = string.match(before or '0:0', '^(.*):(.*)$')
if tonumber(last) <= tonumber(rows) and tonumber(share or 0) <= tonumber(part) then return end
redis.call('HSET', KEYS[1], 'drawn_at_death', last .. ':' .. (share or 0))
redis.call('HINCRBY', KEYS[2], 'retries_left', 1)
