--!include names
-- The first job of an owner of whom the worker has none, among the sixteen that come next, moves to the intermediate list.
-- Its turn is over, and those of the jobs before it are still to come.
-- KEYS: queue, intermediate list. ARGV: a JSON object of the owners of whom it has some. Returns the job's id, or nil.
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
