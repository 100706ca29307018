--!include addresses
-- Delete the kept pictures of a model. ARGV: its name.
local prefix = ARGV[1] .. '@'
for _, name in ipairs(redis.call('ZRANGE', keys.ADDRESSES_USED, 0, -1)) do
  if string.sub(name, 1, #prefix) == prefix then forget(name) end
end
