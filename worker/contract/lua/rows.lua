--!include clock books stream
-- Write rows: the new ones as one entry, with their statistics and lifetime.

-- Return the text without its first `count` lines.
local function without_lines(text, count)
  local at = 1
  for _ = 1, count do at = string.find(text, '\n', at, true) + 1 end
  return string.sub(text, at)
end

-- Append those of `count` rows that are new. first: sequence number of the first row. rows: one on each line.
-- Returns 'ok', 'canceling' (stop, then settle), 'lost' (another worker owns the job, or it has ended), or 'behind': earlier
-- rows, which were confirmed once, are missing, because the server came back with an older state.
local function add_rows(owner, first, count, rows)
  local owned_by, canceling, last = unpack(redis.call('HMGET', KEYS[1], 'owner', 'cancel_requested', 'last_seq'))
  if owned_by ~= owner then return 'lost' end
  if canceling then return 'canceling' end
  last = tonumber(last or 0)
  if first > last + 1 or not stream_is_whole() then return 'behind' end
  local added = first + count - 1 - last
  if added > 0 then
    local type = added == 1 and 'row' or 'rows'
    redis.call('XADD', KEYS[2], (last + added) .. '-0', 'type', type, 'data', without_lines(rows, last + 1 - first))
    redis.call('HSET', KEYS[1], 'last_seq', last + added, 'entries', redis.call('XLEN', KEYS[2]))
    local at = tonumber(now())
    book_rows(KEYS[1], redis.call('HINCRBY', KEYS[1], 'rows_done', added), added, at)
    if last == 0 then book_first_row(KEYS[1], at) end
    redis.call('EXPIRE', KEYS[2], keys.ACTIVE_TTL_S)
  end
  return 'ok'
end
