--!include clock
-- KEYS: started registry. ARGV: lease in seconds, member. Hold the lease from now on.
redis.call('ZADD', KEYS[1], now() + ARGV[1], ARGV[2])
