--!include turns
-- Ids move from the queue to the intermediate list, and what a worker wants to see of them comes with them: one round
-- trip, whatever their number.
-- KEYS: queue, intermediate list, leases. ARGV: how many to move at most, then ids that are in the intermediate list.
-- Returns for each, those first that were there: id, RQ's record (fields and values in turn; nil when it is none), status
-- and description of the job, 1 when it is under way, its ticket. Of two entries of one job the second finds it under way.
local ids = {}
for i = 2, #ARGV do ids[#ids + 1] = ARGV[i] end
for _ = 1, tonumber(ARGV[1]) do
  local id = redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
  if not id then break end
  ids[#ids + 1] = id
end

local under_way = {}
for _, lease in ipairs(#ids > 0 and redis.call('ZRANGE', KEYS[3], 0, -1) or {}) do
  under_way[string.match(lease, '^[^:]*')] = 1
end

local taken = {}
for _, id in ipairs(ids) do
  local entry = redis.pcall('HGETALL', keys.RQ_JOB .. id)
  local job = redis.pcall('HMGET', keys.JOB .. id, 'status', 'spec', 'ticket')
  if job.err then job = {} end
  taken[#taken + 1] = {id, not entry.err and entry, job[1] or false, job[2] or false, under_way[id] or 0, job[3] or false}
  pass_turn(KEYS[1], id)
  under_way[id] = 1
end
return taken
