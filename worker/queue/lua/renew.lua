--!include clock
-- Renew the leases that are still held; a lost lease stays lost. KEYS: started registry. ARGV: lease in seconds, member, ...
local ends = now() + ARGV[1]
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[i]) end
