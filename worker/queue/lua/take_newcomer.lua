--!include names
-- Move one of the next sixteen jobs to the intermediate list: the first whose owner has no job on this worker. It loses its
-- turn; the turns of the jobs before it do not change.
-- KEYS: queue, intermediate list. ARGV: a JSON object whose fields are the owners of this worker's jobs. Returns the job's
-- id, or nil if there is none.
local here = cjson.decode(ARGV[1])
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, 15)) do
  local ticket = redis.pcall('HGET', keys.JOB .. id, 'ticket')
  local owner = type(ticket) == 'string' and string.match(ticket, '^%d+:[^:]+:(.*)$')
  if owner and not here[owner] then
    redis.call('LREM', KEYS[1], 1, id)
    redis.call('RPUSH', KEYS[2], id)
    redis.call('HDEL', keys.JOB .. id, 'turn')
    return id
  end
end
