--!include clock
-- Take a lease from now on. KEYS: started registry. ARGV: lease in seconds, member.
redis.call('ZADD', KEYS[1], now() + ARGV[1], ARGV[2])
