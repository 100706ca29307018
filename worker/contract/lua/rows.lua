--!include clock books stream
-- How rows are written: those that are new, their books, and how long they stay. `first`: the sequence number of the row
-- ARGV[from]; the last is ARGV[to]. Returns 'ok', 'canceling' (stop, then settle), 'lost' (someone else owns the job
-- now, or it has ended), or 'behind': rows before these, which were confirmed once, are not there any more, because the
-- server came back with an older state.
local function add_rows(owner, active_ttl, first, from, to)
  if redis.call('HGET', KEYS[1], 'owner') ~= owner then return 'lost' end
  if redis.call('HEXISTS', KEYS[1], 'cancel_requested') == 1 then return 'canceling' end
  local last = tonumber(redis.call('HGET', KEYS[1], 'last_seq') or 0)
  if first > last + 1 or not stream_is_whole() then return 'behind' end
  local added = 0
  for i = from, to do
    local seq = first + i - from
    if seq > last then
      redis.call('XADD', KEYS[2], seq .. '-0', 'type', 'row', 'data', ARGV[i])
      added = added + 1
    end
  end
  if added > 0 then
    redis.call('HSET', KEYS[1], 'last_seq', last + added)
    book_rows(KEYS[1], redis.call('HINCRBY', KEYS[1], 'rows_done', added), added, tonumber(now()))
    redis.call('EXPIRE', KEYS[2], active_ttl)
  end
  return 'ok'
end
