-- Seconds since 1970 by Redis's own clock, as text with six decimals.
local function now()
  local t = redis.call('TIME')
  return string.format('%d.%06d', t[1], t[2])
end
