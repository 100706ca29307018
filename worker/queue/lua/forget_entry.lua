-- Delete RQ's record of an ended job. KEYS: job, RQ's job.
-- The record stays if the job is open after all, because the server came back with an older state: the recovery returns such
-- a job to the queue.
local status = redis.pcall('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then redis.call('DEL', KEYS[2]) end
