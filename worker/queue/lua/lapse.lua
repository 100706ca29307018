--!include clock
-- Let the leases that are still held expire now. KEYS: started registry. ARGV: member, ...
-- Not earlier than now: a running pass of the recovery removes all leases that expired before it began, also those that it
-- has not seen.
local ends = now()
for i = 1, #ARGV do redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[i]) end
