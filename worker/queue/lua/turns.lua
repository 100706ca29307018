--!include names
-- Note that a job which leaves the head of its queue has had its turn (keys.turns). If it is returned, it goes first.
local function pass_turn(queue, id)
  local turn = redis.pcall('HGET', keys.JOB .. id, 'turn')
  if type(turn) ~= 'string' then return end
  redis.pcall('ZADD', keys.TURNS .. string.sub(queue, #keys.RQ_QUEUE + 1), 'GT', turn, 'now')
  redis.call('HDEL', keys.JOB .. id, 'turn')
end
