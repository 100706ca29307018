--!include names clock
-- What is to be sent now. Each is due again after a while that grows with the tries, so that it is sent again should whoever
-- took it die. ARGV: how many at most, a JSON list of the seconds until the next try (the last is repeated), a JSON object
-- of how many calls of each host and each receiver (a host with a path) are under way, and how many of a host
-- may be; half of them of one receiver, so that one that stalls does not delay others of its host.
-- Returns a list of job id, address and number of this try. What is for a busy host is left, and due again in a moment; up
-- to LOOKED_AT ids are looked at, so that a long line for such a host does not keep the others waiting.
local LOOKED_AT = 1000
local at, delays, due = tonumber(now()), cjson.decode(ARGV[2]), {}
local calls, most = cjson.decode(ARGV[3]), tonumber(ARGV[4])

local function is_busy(url)
  -- https://a:443 is the same host as https://a.
  local host = string.gsub(string.lower(string.match(url, '^%a+://([^/?#]*)') or ''), ':443$', '')
  local receiver = host .. string.match(url, '^%a+://[^/?#]*([^?#]*)')
  local of_host, of_receiver = calls[host] or 0, calls[receiver] or 0
  if of_host >= most or of_receiver >= most / 2 then return true end
  calls[host], calls[receiver] = of_host + 1, of_receiver + 1
  return false
end

local function look_again(id, in_s) redis.call('ZADD', keys.WEBHOOKS, string.format('%.6f', at + in_s), id) end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', keys.WEBHOOKS, '-inf', at, 'LIMIT', 0, LOOKED_AT)) do
  if #due == tonumber(ARGV[1]) then break end
  local found = redis.pcall('HMGET', keys.JOB .. id, 'webhook', 'status')
  local url, status = unpack(found.err and {} or found)
  if not url then
    redis.call('ZREM', keys.WEBHOOKS, id)  -- deleted, or no longer kept
  elseif not event_of[status] then
    look_again(id, keys.WEBHOOK_LOOK_S)
  elseif is_busy(url) then
    look_again(id, 0.1)
  else
    local try = redis.call('HINCRBY', keys.JOB .. id, 'webhook_tries', 1)
    look_again(id, delays[math.min(try, #delays)])
    due[#due + 1] = {id, url, try}
  end
end
return due
