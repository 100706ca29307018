--!include ending
-- Make the caller the owner of a job.
-- ARGV: owner token, and the arithmetic with which the owner draws, if it is known.
-- Returns {'claimed', last_seq, attempts}, {'settled'} if the job has ended, or {'missing'}.

-- Delete the rows of a job of which some are missing. It is drawn from the beginning, with the same bytes.
local function begin_anew()
  unbook_rows(KEYS[1])
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'last_seq', 0, 'entries', 0, 'rows_done', 0)
end

local status = redis.call('HGET', KEYS[1], 'status')
if not status then return {'missing'} end
if status ~= 'queued' and status ~= 'running' then return {'settled'} end
if redis.call('HEXISTS', KEYS[1], 'cancel_requested') == 1 then
  settle('canceled', '')
  return {'settled'}
end
if not stream_is_whole() then begin_anew() end
redis.call('HSET', KEYS[1], 'status', 'running', 'owner', ARGV[1])
redis.call('HSETNX', KEYS[1], 'started_at', now())
redis.call('HDEL', KEYS[1], 'parked', 'turn')
if ARGV[2] and ARGV[2] ~= '' and redis.call('HSETNX', KEYS[1], 'numerics', ARGV[2]) == 0 then
  local before = redis.call('HGET', KEYS[1], 'numerics')
  if not string.find(', ' .. before .. ', ', ', ' .. ARGV[2] .. ', ', 1, true) then
    redis.call('HSET', KEYS[1], 'numerics', before .. ', ' .. ARGV[2])
  end
end
local attempts = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
return {'claimed', tonumber(redis.call('HGET', KEYS[1], 'last_seq') or 0), attempts}
