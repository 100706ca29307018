--!include ending
-- ARGV: owner token, and where it is known: with which arithmetic the owner draws.
-- Returns {'claimed', last_seq, attempts}, or {'settled'} when there is nothing left to do, or {'missing'}.
-- A job whose rows are not all there any more is drawn from nothing: the bytes will be the same.
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
