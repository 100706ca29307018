--!include names
-- How many jobs a client may submit. `terms` is its SubmissionTerms.

-- Return how many jobs the client may submit now: the tokens of its bucket, which is refilled with time. If the
-- clock has been set back, the bucket counts as full: otherwise the client would wait until the clock is back where
-- it was.
local function tokens_of(terms, bucket, at)
  local tokens, since = unpack(redis.call('HMGET', bucket, 'tokens', 'at'))
  if not tokens or at < tonumber(since) then return terms.burst end
  return math.min(terms.burst, tonumber(tokens) + (at - tonumber(since)) * terms.rate)
end

-- Take one token from the bucket.
local function spend(terms, bucket, tokens, at)
  local left = string.format('%.6f', math.max(0, tokens - 1))
  redis.call('HSET', bucket, 'tokens', left, 'at', string.format('%.6f', at))
  redis.call('EXPIRE', bucket, math.ceil(terms.burst / terms.rate) + 1)
end

-- Return the number of the client's open jobs.
local function open_jobs(terms) return tonumber(redis.call('HGET', keys.LOAD, 'of:' .. terms.client) or 0) end

-- Return the answer that refuses one more job, or nil if the client may submit it.
local function beyond_allowance(terms, tokens)
  local open = open_jobs(terms)
  if tokens < 1 then
    return {'too-fast', string.format('%.3f', (1 - tokens) / terms.rate), string.format('%.6f', tokens), open}
  end
  if open >= terms.client_jobs then return {'too-many', open, string.format('%.6f', tokens)} end
  return nil
end
