--!include creation books allowances fairness memory
-- Check a new job against the client's limits, accept it, put it into its queue and count it.
-- ARGV (`submission.arguments`): terms JSON, facts JSON, spec JSON, pixels or '', keep, a JSON list of the commands that
-- queue the job, and the file of a picture whose holes are filled or ''.
-- Returns the values of SubmissionAnswer.
local terms, facts = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
local at = tonumber(now())

-- Return the answer of an earlier run for the same id, whose reply was lost; else nil.
local function accepted_before()
  local created, ahead = unpack(redis.call('HMGET', KEYS[1], 'created_at', 'ahead'))
  return created and {'accepted', created, redis.call('LPOS', terms.queue, facts.id) or 0, ahead}
end

-- Return the answer for an Idempotency-Key that is already in use; else nil.
local function known_key()
  if terms.idempotency == '' then return nil end
  local job, body = unpack(redis.call('HMGET', facts.idempotency_key, 'job', 'body'))
  if not job then return nil end
  return body == terms.body and {'again', job} or {'conflict'}
end

-- Return the answer that refuses the job for lack of memory, or nil. Bytes that open jobs will still write, and bytes that
-- came with jobs since the memory was measured, are not free.
local function beyond_memory()
  local room, written = unpack(redis.call('HMGET', keys.LOAD, 'room', 'written'))
  local since = math.max(tonumber(written or 0) - terms.written, 0)
  local free = terms.memory - tonumber(room or 0) - since
  local more, held = facts.room + facts.input, bytes_held(terms.client, at)
  if more > free then return {'no-memory'} end
  if not may_hold(held, more, free) then return {'over-share', held} end
  return nil
end

-- Return the answer that refuses the job, or nil.
local function refusal(tokens)
  local beyond = beyond_allowance(terms, tokens)
  if beyond then return beyond end
  local work = tonumber(redis.call('HGET', keys.LOAD, 'work') or 0)
  local no_memory = terms.memory and beyond_memory()
  if no_memory then return no_memory end
  local waiting = redis.call('LLEN', terms.queue)
  if waiting >= terms.queue_jobs or (work > 0 and work + facts.work > terms.queue_work) then return {'full'} end
  return nil
end

-- Delete a few of the open jobs that are too old to end, and expired entries of this client. Its list is in the order of
-- acceptance, and jobs expire in another: a few random ones are looked at, which keeps at least three of four alive.
local function prune()
  local limit = string.format('%.6f', at - keys.ACTIVE_TTL_S)
  for _, ticket in ipairs(redis.call('ZRANGEBYSCORE', keys.OPEN, '-inf', limit, 'LIMIT', 0, 10)) do
    settle_ticket(ticket, tonumber(string.match(ticket, '^%d+')))
  end
  for _, id in ipairs(redis.call('ZRANDMEMBER', facts.listed_key, 4)) do
    if redis.call('EXISTS', keys.JOB .. id) == 0 then redis.call('ZREM', facts.listed_key, id) end
  end
  forget_spans_over(terms.client, at)
end

-- Return the job's turn: the next one of its line, so that owners alternate. A client without open jobs starts from the
-- current turn, whatever it has canceled. Lines whose newest turn has passed are deleted.
local function take_turn()
  local turns = keys.TURNS .. string.sub(terms.queue, #keys.RQ_QUEUE + 1)
  local over = tonumber(redis.call('ZSCORE', turns, 'now') or 0)
  local newest = open_jobs(terms) > 0 and redis.call('ZSCORE', turns, facts.line) or over
  local turn = math.max(over, tonumber(newest)) + facts.turn
  redis.call('ZADD', turns, turn, facts.line)
  redis.call('ZREMRANGEBYSCORE', turns, '-inf', '(' .. over)
  redis.call('EXPIRE', turns, keys.ACTIVE_TTL_S)
  return turn
end

-- Return the turn of the job at this index of the queue, or of the nearest job before it that has one: returned jobs, which
-- go first, have none, nor have jobs that an API of an earlier version accepted.
local function turn_at(place)
  for i = place, 0, -1 do
    local turn = redis.pcall('HGET', keys.JOB .. redis.call('LINDEX', terms.queue, i), 'turn')
    turn = type(turn) == 'string' and tonumber(turn)
    if turn then return turn end
  end
  return 0
end

-- Return the index in the queue at which a job with this turn belongs.
local function place_of(turn)
  local low, high = 0, redis.call('LLEN', terms.queue)
  if turn_at(high - 1) <= turn then return high end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if turn_at(middle) > turn then high = middle else low = middle + 1 end
  end
  return low
end

-- Append the job with RQ's own commands, then move it to its place. Returns how many jobs wait before it and behind it.
local function enqueue(commands, turn)
  local before, waiting = place_of(turn), redis.call('LLEN', terms.queue)
  for _, words in ipairs(cjson.decode(commands)) do redis.call(unpack(words)) end
  if before < waiting then
    local next_one = redis.call('LINDEX', terms.queue, before)
    redis.call('LREM', terms.queue, -1, facts.id)
    redis.call('LINSERT', terms.queue, 'BEFORE', next_one, facts.id)
  end
  return before, waiting - before
end

-- Count the job as open. Returns its `ahead`, for which each job behind it in the queue counts as the mean of all open ones.
local function open_books(created, turn, behind)
  local others = redis.call('ZCARD', keys.OPEN)
  local ticket = string.format('%d', facts.work) .. ':' .. facts.id .. ':' .. terms.client
  redis.call('ZADD', keys.OPEN, created, ticket)
  redis.call('HINCRBY', keys.LOAD, 'of:' .. terms.client, 1)
  local open = count_work(facts.work, terms.queue, facts.images)
  if open == facts.work then begin_busy(at) end  -- other open jobs, such as trainings, have nothing to draw
  redis.call('HINCRBY', keys.LOAD, 'room', facts.room)
  redis.call('HSET', keys.ROOM, facts.id, facts.room)
  redis.call('HINCRBY', keys.LOAD, 'written', facts.input)
  local accepted = redis.call('HINCRBY', keys.LOAD, 'accepted', facts.work)
  local after_it = math.floor((open - facts.work) * behind / math.max(others, behind, 1))
  local ahead = string.format('%d', accepted - facts.work - after_it)
  redis.call('EXPIRE', keys.OPEN, keys.ACTIVE_TTL_S)
  redis.call('EXPIRE', keys.LOAD, keys.ACTIVE_TTL_S)
  redis.call('EXPIRE', keys.ROOM, keys.ACTIVE_TTL_S)
  redis.call('EXPIRE', keys.QUEUE_WORK, keys.ACTIVE_TTL_S)
  redis.call('HSET', KEYS[1], 'client', terms.owner, 'ticket', ticket, 'kind', facts.kind, 'model', facts.model,
             'work', facts.work, 'rows_room', facts.rows_room, 'images', facts.images, 'ahead', ahead, 'queue', terms.queue, 'turn', turn)
  hold_bytes(KEYS[1], facts.room + facts.input, at + keys.ACTIVE_TTL_S, at)
  if terms.retention ~= keys.RESULT_TTL_S then redis.call('HSET', KEYS[1], 'retention', terms.retention) end
  redis.call('ZADD', facts.listed_key, created, facts.id)
  outlive(facts.listed_key, keys.ACTIVE_TTL_S + terms.retention)
  return ahead
end

-- Store which job the client's Idempotency-Key stands for.
local function remember_key()
  if terms.idempotency == '' then return end
  redis.call('HSET', facts.idempotency_key, 'job', facts.id, 'body', terms.body)
  redis.call('EXPIRE', facts.idempotency_key, keys.IDEMPOTENCY_TTL_S)
  charge(terms.client, keys.IDEMPOTENCY_BYTES, at + keys.IDEMPOTENCY_TTL_S, at)
end

-- Store the webhook, and have it checked in case a worker of an earlier version ends the job.
local function remember_webhook(created)
  if terms.webhook == '' then return end
  redis.call('HSET', KEYS[1], 'webhook', terms.webhook)
  redis.call('ZADD', keys.WEBHOOKS, string.format('%.6f', tonumber(created) + keys.WEBHOOK_LOOK_S), facts.id)
  outlive(keys.WEBHOOKS, keys.ACTIVE_TTL_S + terms.retention)
end

-- Have an API end the job if no worker comes in time (keys.ASLEEP).
local function remember_limit(created)
  if terms.asleep_s == 0 then return end
  redis.call('ZADD', keys.ASLEEP, string.format('%.6f', tonumber(created) + terms.asleep_s), facts.id)
  redis.call('EXPIRE', keys.ASLEEP, keys.ACTIVE_TTL_S)
end

local answer = accepted_before() or known_key()
if answer then return answer end
local tokens = tokens_of(terms, facts.allowance_key, at)
answer = refusal(tokens)
if answer then return answer end
spend(terms, facts.allowance_key, tokens, at)  -- the first write: a full server refuses it, but would accept it after writes that free memory
prune()
local created = create(ARGV[3], facts.rows_total, keys.ACTIVE_TTL_S, ARGV[4] ~= '' and ARGV[4] or nil, ARGV[5], ARGV[7])
local turn = take_turn()
local before, behind = enqueue(ARGV[6], turn)
local ahead = open_books(created, turn, behind)
if facts.work > 0 then redis.call('PUBLISH', keys.WORK_CHANNEL, facts.id) end
remember_key()
remember_webhook(created)
remember_limit(created)
return {'accepted', created, before, ahead, string.format('%.6f', tokens - 1), open_jobs(terms)}
