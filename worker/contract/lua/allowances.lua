--!include names
-- What a client may hand in: `terms` are its allowances.

-- How many jobs it may hand in at this time; its bucket is refilled with time.
local function tokens_of(terms, bucket, at)
  local tokens, since = unpack(redis.call('HMGET', bucket, 'tokens', 'at'))
  if not tokens then return terms.burst end
  return math.min(terms.burst, tonumber(tokens) + math.max(0, at - tonumber(since)) * terms.rate)
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
