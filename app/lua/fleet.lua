--!include names
-- KEYS: set of queues; that of trainings, which wait for each other, is left out. Returns seconds now, each queue with its
-- length, its jobs that workers hold and its open values, creation of the oldest of their next jobs, parked jobs, open jobs,
-- whether new jobs are stopped, load, drawn, busy, took, first rows, totals, trained.
local queues, since, parked = {}, false, 0
for _, queue in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if queue ~= keys.RQ_QUEUE .. keys.TRAIN_QUEUE then
    local name = string.sub(queue, #keys.RQ_QUEUE + 1)
    queues[#queues + 1] = {
      name, redis.call('LLEN', queue), redis.call('ZCARD', keys.RQ_STARTED .. name),
      redis.call('HGET', keys.QUEUE_WORK, queue) or '0'}
    parked = parked + redis.call('ZCARD', keys.PARKED .. name)
    local head = redis.call('LINDEX', queue, 0)
    local at = head and redis.pcall('HGET', keys.JOB .. head, 'created_at')
    at = type(at) == 'string' and tonumber(at)
    if at and (not since or at < since) then since = at end
  end
end
since = since and string.format('%.6f', since)
return {redis.call('TIME')[1], queues, since, parked, redis.call('ZCARD', keys.OPEN),
        redis.call('EXISTS', keys.CLOSED),
        redis.call('HMGET', keys.LOAD, 'work', 'accepted', 'room', 'written'), redis.call('HGETALL', keys.DRAWN),
        redis.call('HGETALL', keys.BUSY), redis.call('HGETALL', keys.TOOK),
        redis.call('HGETALL', keys.FIRST_ROWS), redis.call('HGETALL', keys.TOTALS),
        redis.call('HGETALL', keys.TRAINED)}
