--!include creation books allowances
-- KEYS: as all scripts.
-- ARGV: terms JSON, facts JSON, spec JSON, pixels or '', keep, and a JSON list of the commands that queue the job.
local terms, facts = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
local at = tonumber(now())

local function accepted_before()
  local created, ahead = unpack(redis.call('HMGET', KEYS[1], 'created_at', 'ahead'))
  return created and {'accepted', created, redis.call('LLEN', terms.queue), ahead}
end

local function known_key()
  if terms.idempotency == '' then return nil end
  local job, body = unpack(redis.call('HMGET', facts.idempotency_key, 'job', 'body'))
  if not job then return nil end
  return body == terms.body and {'again', job} or {'conflict'}
end

local function refusal(tokens)
  local beyond = beyond_allowance(terms, tokens)
  if beyond then return beyond end
  local work, room = unpack(redis.call('HMGET', keys.LOAD, 'work', 'room'))
  work, room = tonumber(work or 0), tonumber(room or 0)
  if terms.memory and room + facts.room > terms.memory then return {'no-memory'} end
  local waiting = redis.call('LLEN', terms.queue)
  if waiting >= terms.queue_jobs or (work > 0 and work + facts.work > terms.queue_work) then return {'full'} end
  return nil
end

local function prune()
  local limit = string.format('%.6f', at - keys.ACTIVE_TTL_S)
  for _, ticket in ipairs(redis.call('ZRANGEBYSCORE', keys.OPEN, '-inf', limit, 'LIMIT', 0, 10)) do
    settle_ticket(ticket, tonumber(string.match(ticket, '^%d+')))
  end
  redis.call('ZREMRANGEBYSCORE', facts.listed_key, '-inf', string.format('%.6f', at - facts.listed_ttl))
end

local function open_books(created)
  if redis.call('EXISTS', keys.OPEN) == 0 then begin_busy(at) end
  local ticket = string.format('%d', facts.work) .. ':' .. facts.id .. ':' .. terms.client
  redis.call('ZADD', keys.OPEN, created, ticket)
  redis.call('HINCRBY', keys.LOAD, 'of:' .. terms.client, 1)
  local open = redis.call('HINCRBY', keys.LOAD, 'work', facts.work)
  redis.call('HINCRBY', keys.LOAD, 'room', facts.room)
  redis.call('HSET', keys.ROOM, facts.id, facts.room)
  local accepted = redis.call('HINCRBY', keys.LOAD, 'accepted', facts.work)
  local ahead = string.format('%d', accepted - (facts.high and open or facts.work))
  redis.call('EXPIRE', keys.OPEN, keys.ACTIVE_TTL_S)
  redis.call('EXPIRE', keys.LOAD, keys.ACTIVE_TTL_S)
  redis.call('EXPIRE', keys.ROOM, keys.ACTIVE_TTL_S)
  redis.call('HSET', KEYS[1], 'client', terms.owner, 'ticket', ticket, 'kind', facts.kind, 'model', facts.model,
             'work', facts.work, 'rows_room', facts.rows_room, 'ahead', ahead, 'queue', terms.queue)
  if terms.retention ~= keys.RESULT_TTL_S then redis.call('HSET', KEYS[1], 'retention', terms.retention) end
  redis.call('ZADD', facts.listed_key, created, facts.id)
  redis.call('EXPIRE', facts.listed_key, facts.listed_ttl)
  return ahead
end

local function remember_key()
  if terms.idempotency == '' then return end
  redis.call('HSET', facts.idempotency_key, 'job', facts.id, 'body', terms.body)
  redis.call('EXPIRE', facts.idempotency_key, keys.IDEMPOTENCY_TTL_S)
end

local function remember_webhook(created)
  if terms.webhook == '' then return end
  redis.call('HSET', KEYS[1], 'webhook', terms.webhook)
  redis.call('ZADD', keys.WEBHOOKS, string.format('%.6f', tonumber(created) + keys.WEBHOOK_LOOK_S), facts.id)
  redis.call('EXPIRE', keys.WEBHOOKS, facts.listed_ttl)
end

local function spend(tokens)
  redis.call('HSET', facts.allowance_key, 'tokens', string.format('%.6f', tokens - 1), 'at', string.format('%.6f', at))
  redis.call('EXPIRE', facts.allowance_key, math.ceil(terms.burst / terms.rate) + 1)
end

local function enqueue(commands)
  for _, words in ipairs(cjson.decode(commands)) do redis.call(unpack(words)) end
end

local answer = accepted_before() or known_key()
if answer then return answer end
local tokens = tokens_of(terms, facts.allowance_key, at)
answer = refusal(tokens)
if answer then return answer end
spend(tokens)  -- the first write: a full server refuses it, and would not refuse it behind those that make room
prune()
local created = create(ARGV[3], facts.rows_total, keys.ACTIVE_TTL_S, ARGV[4] ~= '' and ARGV[4] or nil, ARGV[5])
local ahead = open_books(created)
remember_key()
remember_webhook(created)
enqueue(ARGV[6])
return {'accepted', created, redis.call('LLEN', terms.queue), ahead, string.format('%.6f', tokens - 1), open_jobs(terms)}
