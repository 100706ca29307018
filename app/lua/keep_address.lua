--!include addresses clock
-- Keep a picture, in place of those that were not used for longest. ARGV: a name of keys.ADDRESSES, the file, most bytes of
-- all pictures.
local name, more, most = ARGV[1], counted(#ARGV[2]), tonumber(ARGV[3])
if more > most or redis.call('HEXISTS', keys.ADDRESSES, name) == 1 then return end
while tonumber(redis.call('GET', keys.ADDRESSES_BYTES) or 0) + more > most do
  forget(redis.call('ZRANGE', keys.ADDRESSES_USED, 0, 0)[1])
end
redis.call('HSET', keys.ADDRESSES, name, ARGV[2])
redis.call('ZADD', keys.ADDRESSES_USED, now(), name)
redis.call('INCRBY', keys.ADDRESSES_BYTES, more)
for _, key in ipairs({keys.ADDRESSES, keys.ADDRESSES_USED, keys.ADDRESSES_BYTES}) do
  redis.call('EXPIRE', key, keys.ADDRESS_TTL_S)
end
