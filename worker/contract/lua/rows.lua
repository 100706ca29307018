--!include clock books stream
-- How rows are written: those that are new as one entry, their books, and how long they stay. `first`: the sequence number
-- of the first of so many rows, a line each. Returns 'ok', 'canceling' (stop, then settle), 'lost' (someone else owns the
-- job now, or it has ended), or 'behind': rows before these, which were confirmed once, are not there any more, because
-- the server came back with an older state.
local function without_lines(text, count)
  local at = 1
  for _ = 1, count do at = string.find(text, '\n', at, true) + 1 end
  return string.sub(text, at)
end

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
