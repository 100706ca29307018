--!include names
-- What a client may hand in: `terms` are its allowances.

-- How many jobs it may hand in at this time; its bucket is refilled with time. If the clock has stepped back, the bucket
-- is full: otherwise the client would wait until the clock has come to where it was.
local function tokens_of(terms, bucket, at)
  local tokens, since = unpack(redis.call('HMGET', bucket, 'tokens', 'at'))
  if not tokens or at < tonumber(since) then return terms.burst end
  return math.min(terms.burst, tonumber(tokens) + (at - tonumber(since)) * terms.rate)
end

-- Count one request.
local function spend(terms, bucket, tokens, at)
  local left = string.format('%.6f', math.max(0, tokens - 1))
  redis.call('HSET', bucket, 'tokens', left, 'at', string.format('%.6f', at))
  redis.call('EXPIRE', bucket, math.ceil(terms.burst / terms.rate) + 1)
end

local function open_jobs(terms) return tonumber(redis.call('HGET', keys.LOAD, 'of:' .. terms.client) or 0) end

-- The refusal of one more job, if there is one.
local function beyond_allowance(terms, tokens)
  local open = open_jobs(terms)
  if tokens < 1 then
    return {'too-fast', string.format('%.3f', (1 - tokens) / terms.rate), string.format('%.6f', tokens), open}
  end
  if open >= terms.client_jobs then return {'too-many', open, string.format('%.6f', tokens)} end
  return nil
end
