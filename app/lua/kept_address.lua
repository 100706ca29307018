--!include names clock
-- Note the use of a kept picture, if the last note is old. A full server refuses notes, but not the picture.
-- ARGV: a name of keys.ADDRESSES. Returns the file, or nothing.
local file, at = redis.call('HGET', keys.ADDRESSES, ARGV[1]), now()
local noted = file and redis.call('ZSCORE', keys.ADDRESSES_USED, ARGV[1])
if noted and tonumber(at) - tonumber(noted) > keys.ADDRESS_USE_S then
  redis.pcall('ZADD', keys.ADDRESSES_USED, at, ARGV[1])
  for _, key in ipairs({keys.ADDRESSES, keys.ADDRESSES_USED, keys.ADDRESSES_BYTES}) do
    redis.call('EXPIRE', key, keys.ADDRESS_TTL_S)
  end
end
return file
