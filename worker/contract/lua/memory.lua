--!include names
-- How much of the server's memory the jobs of each account take (keys.HELD): while a job is open, the bytes that are
-- reserved for it and that came with it; then the bytes that it really takes, until it expires. Bytes are counted by the
-- span of time in which they expire, so that expired jobs need not be searched for. What a job leaves behind is charged as
-- a constant.
-- `at` is seconds since 1970 by Redis's clock.

-- Return the key of a client's account. Trainings have an allowance of their own, but belong to the same account.
local function held_key(client)
  if string.sub(client, 1, #keys.TRAINS) == keys.TRAINS then client = string.sub(client, #keys.TRAINS + 1) end
  return keys.HELD .. client
end

-- Return the client in a ticket (keys.OPEN).
local function client_of(ticket) return string.match(ticket, '^%d+:[^:]+:(.*)$') end

-- Return the spans that have passed, whose bytes have expired, and the present span. It searches once in each span, and
-- returns none otherwise.
local function spans_over(name, at)
  local now = math.floor(at / keys.HELD_SPAN_S)
  if tonumber(redis.call('HGET', name, 'looked') or 0) >= now then return {}, now end
  local over = {}
  for _, span in ipairs(redis.call('HKEYS', name)) do
    if tonumber(span) and tonumber(span) < now then over[#over + 1] = span end
  end
  return over, now
end

-- Return the bytes that the jobs of a client's account take. It writes nothing.
local function bytes_held(client, at)
  local name = held_key(client)
  local bytes = tonumber(redis.call('HGET', name, 'bytes') or 0)
  for _, span in ipairs((spans_over(name, at))) do bytes = bytes - tonumber(redis.call('HGET', name, span)) end
  return math.max(bytes, 0)
end

-- Delete the spans that have passed.
local function forget_spans_over(client, at)
  local name = held_key(client)
  local over, now = spans_over(name, at)
  for _, span in ipairs(over) do
    redis.call('HINCRBY', name, 'bytes', 0 - tonumber(redis.call('HGET', name, span)))
    redis.call('HDEL', name, span)
  end
  redis.call('HSET', name, 'looked', now)
end

-- Let a key live for at least so many seconds from now.
local function outlive(name, seconds)
  if redis.call('TTL', name) < seconds then redis.call('EXPIRE', name, math.ceil(seconds)) end
end

-- Count `bytes` for a client until the time `until_s`. Returns their span.
local function charge(client, bytes, until_s, at)
  local name, span = held_key(client), string.format('%d', math.floor(until_s / keys.HELD_SPAN_S))
  redis.call('HINCRBY', name, span, bytes)
  redis.call('HINCRBY', name, 'bytes', bytes)
  outlive(name, until_s - at + keys.HELD_SPAN_S)
  return span
end

-- Count `bytes` for a job until the time `until_s`, in place of the bytes counted before. A job that an API of an earlier
-- version accepted has no ticket, or nothing was counted for it.
local function hold_bytes(job, bytes, until_s, at)
  local ticket, before = unpack(redis.call('HMGET', job, 'ticket', 'held'))
  if not ticket then return end
  local client = client_of(ticket)
  local name = held_key(client)
  if before then
    local old_bytes, old_span = string.match(before, '^(%d+):(%d+)$')
    if redis.call('HEXISTS', name, old_span) == 1 then
      if redis.call('HINCRBY', name, old_span, 0 - old_bytes) <= 0 then redis.call('HDEL', name, old_span) end
      if redis.call('HINCRBY', name, 'bytes', 0 - old_bytes) <= 0 then redis.call('DEL', name) end
    end
  end
  if bytes > 0 then
    redis.call('HSET', job, 'held', string.format('%d', bytes) .. ':' .. charge(client, bytes, until_s, at))
  end
end

-- Write the tombstone of a job that ends now, and charge it. Nothing takes that back, so it may be done for jobs that were
-- accepted by any earlier version.
local function bury(job, tombstone, text, ttl, at)
  redis.call('SET', tombstone, text, 'EX', ttl)
  local ticket = redis.call('HGET', job, 'ticket')
  if ticket then charge(client_of(ticket), keys.TOMBSTONE_BYTES, at + ttl, at) end
end

-- Count for an ended job the memory of its keys. If the server does not report that, the earlier count stays.
local function hold_what_is_kept(job, names, until_s, at)
  local bytes = 0
  for _, name in ipairs(names) do
    local found = redis.pcall('MEMORY', 'USAGE', name)
    if type(found) == 'table' then return end
    bytes = bytes + (found or 0)
  end
  hold_bytes(job, bytes, until_s, at)
end
