-- Remove a second entry of a running job.
-- KEYS: intermediate list, RQ's job. ARGV: job id.
-- RQ's status is set to started again, because the recovery ignores jobs with another status. The record of a job that has
-- ended meanwhile is not created again.
redis.call('LREM', KEYS[1], 1, ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HSET', KEYS[2], 'status', 'started') end
