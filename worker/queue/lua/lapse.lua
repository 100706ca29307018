--!include clock
-- KEYS: started registry. ARGV: member, ... Let what is still held lapse now, and not earlier: a pass of the recovery
-- that is under way removes whatever lapsed before it began, also what it has not seen.
local ends = now()
for i = 1, #ARGV do redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[i]) end
