-- RQ's record of a job that has ended goes. It stays where the job is open after all, because the server came back with an
-- older state: the recovery gives such a job back. KEYS: job, RQ's job.
local status = redis.pcall('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then redis.call('DEL', KEYS[2]) end
