--!include clock
-- KEYS: started registry. ARGV: lease in seconds, member, ... Prolong what is still held; a lost lease stays lost.
local ends = now() + ARGV[1]
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[i]) end
