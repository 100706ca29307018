--!include names
-- A job's end was told, or never will be. ARGV: the job's id, and how it ended (empty: the job is gone).
redis.call('ZREM', keys.WEBHOOKS, ARGV[1])
local job = keys.JOB .. ARGV[1]
if ARGV[2] ~= '' and redis.call('EXISTS', job) == 1 then  -- none is brought back to life by this
  redis.pcall('HSET', job, 'webhook_over', ARGV[2])  -- where the store is full, the job goes without it
end
