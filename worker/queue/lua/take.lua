--!include turns
-- Move ids from the queue to the intermediate list and return what a worker needs to know about them, in one round trip.
-- KEYS: queue, intermediate list, leases. ARGV: most ids to move, then ids that are in the intermediate list already.
-- Returns for each id, beginning with those in ARGV: id, RQ's record (fields and values alternate; nil if the key is no hash),
-- status and description of the job, 1 if it is running (else 0), its ticket. If one job has two entries, the second one
-- counts as running. There is no description of a job whose cancellation was requested: the claim ends it, so any worker
-- may take it, also one that could not do it.
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
  local job = redis.pcall('HMGET', keys.JOB .. id, 'status', 'spec', 'ticket', 'cancel_requested')
  if job.err then job = {} end
  local spec = not job[4] and job[2] or false
  taken[#taken + 1] = {id, not entry.err and entry, job[1] or false, spec, under_way[id] or 0, job[3] or false}
  pass_turn(KEYS[1], id)
  under_way[id] = 1
end
return taken
