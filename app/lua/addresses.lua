--!include names
-- Return the bytes that are counted for a kept picture. The server allocates in size classes.
local function counted(file_bytes) return math.ceil(file_bytes * 5 / 4) + keys.ADDRESS_BYTES end

-- Delete a kept picture.
local function forget(name)
  redis.call('DECRBY', keys.ADDRESSES_BYTES, counted(redis.call('HSTRLEN', keys.ADDRESSES, name)))
  redis.call('HDEL', keys.ADDRESSES, name)
  redis.call('ZREM', keys.ADDRESSES_USED, name)
end
