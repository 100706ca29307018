--!include ending
-- ARGV: owner token ('' = whoever owns it), status, error JSON or '', result_ttl, tombstone_ttl,
--       and where there is one: result JSON, then pairs of a field of keys.image and its bytes.
-- Returns 'ended' if this call ended the job, 'not-ours' if it had ended already, is unknown, or belongs to someone else,
-- or 'behind' if it shall succeed and lacks rows, because the server came back with an older state.
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then return 'not-ours' end
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 'not-ours' end
if ARGV[2] == 'succeeded' then
  local last, total = unpack(redis.call('HMGET', KEYS[1], 'last_seq', 'rows_total'))
  if tonumber(last) ~= tonumber(total) or not stream_is_whole() then return 'behind' end
end
settle(ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6])
for i = 7, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
if #ARGV > 6 then redis.call('EXPIRE', KEYS[3], ARGV[4]) end
return 'ended'
