-- Remove workers whose records have expired from the sets of workers. As a script, so that none is removed that announces
-- itself meanwhile.
-- KEYS: set of announced names, RQ's sets of records. ARGV: prefix of the names' announcements.
local function forget(set, prefix)
  for _, name in ipairs(redis.call('SMEMBERS', set)) do
    if redis.call('EXISTS', prefix .. name) == 0 then redis.call('SREM', set, name) end
  end
end
forget(KEYS[1], ARGV[1])
for i = 2, #KEYS do forget(KEYS[i], '') end
