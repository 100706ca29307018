--!include names clock
-- Jobs whose entries are to be packed now. Each is due again in a minute, should whoever took it die. ARGV: how many at
-- most, seconds that must have passed since a job's end. Returns their ids.
local at, after = tonumber(now()), tonumber(ARGV[2])
local due = redis.call('ZRANGEBYSCORE', keys.UNPACKED, '-inf', string.format('%.6f', at - after), 'LIMIT', 0, ARGV[1])
for _, id in ipairs(due) do
  redis.call('ZREM', keys.UNPACKED, id)  -- takes no memory: a full server refuses what does, unless something was written before
  redis.call('ZADD', keys.UNPACKED, string.format('%.6f', at - after + 60), id)
end
return due
