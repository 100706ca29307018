--!include ending
-- Return an unfinished job: it waits again, or ends if its cancellation was requested.
-- ARGV: owner token, and 'uncounted' if the attempt shall not count, as after a failure of the worker's GPU.
-- Returns 1 if it waits, or 0 if it has ended, or the caller does not own it.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'owner')  -- the first write: a full server accepts it, and those after it
if redis.call('HEXISTS', KEYS[1], 'cancel_requested') == 1 then
  settle('canceled', '')
  return 0
end
redis.call('HSET', KEYS[1], 'status', 'queued')
if ARGV[2] == 'uncounted' then redis.call('HINCRBY', KEYS[1], 'attempts', -1) end
return 1
