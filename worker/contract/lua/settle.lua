--!include ending
-- End a job with this status.
-- ARGV: owner token ('' = any owner), status, error JSON or ''; then, if there is a result, its JSON and pairs of a field
--       of keys.image and its bytes.
-- Returns 'ended' if this call ended the job, 'not-ours' if it had ended before, is unknown, or has another owner, or
-- 'behind' if the status is succeeded but rows are missing, because the server came back with an older state.
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then return 'not-ours' end
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 'not-ours' end
if ARGV[2] == 'succeeded' and not is_whole() then return 'behind' end
settle(ARGV[2], ARGV[3], ARGV[4], 5)
return 'ended'
