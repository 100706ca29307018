--!include ending
-- ARGV: owner token ('' = whoever owns it), status, error JSON or '', result_ttl, tombstone_ttl,
--       and where there is one: result JSON, then pairs of a field of keys.image and its bytes.
-- Returns 1 if this call ended the job, 0 if it had ended already, is unknown, or belongs to someone else.
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then return 0 end
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
for i = 7, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
settle(ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6])
return 1
