--!include names
-- Report the progress of a running job.
-- ARGV: owner token; the part of the work that is done, 0 to 1 (the stored value never decreases, even if the job is begun
-- again); and, if there is one, an estimate (keys.estimate) and a grid (keys.image), each empty otherwise.
-- Returns 'ok', 'canceling' (stop, then settle), or 'lost' (someone else owns the job now, or it has ended).
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 'lost' end
if redis.call('HEXISTS', KEYS[1], 'cancel_requested') == 1 then return 'canceling' end
if tonumber(ARGV[2]) > tonumber(redis.call('HGET', KEYS[1], 'share') or 0) then
  redis.call('HSET', KEYS[1], 'share', ARGV[2])
end
if ARGV[3] and ARGV[3] ~= '' then
  local estimate = keys.ESTIMATE .. string.sub(KEYS[1], #keys.JOB + 1)
  redis.call('XADD', estimate, 'MAXLEN', 1, '*', 'data', ARGV[3])
  redis.call('EXPIRE', estimate, keys.ESTIMATE_TTL_S)
end
if ARGV[4] and ARGV[4] ~= '' then
  redis.call('HSET', KEYS[3], 'grid', ARGV[4])
  redis.call('EXPIRE', KEYS[3], keys.ACTIVE_TTL_S)
end
return 'ok'
