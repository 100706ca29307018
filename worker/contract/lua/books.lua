--!include names
-- Statistics ("books"): how much work is open, how fast it is drawn, how jobs end. The scripts that change a job include
-- this file.
--
-- Work is counted in values: one colour of one pixel. Room is counted in bytes that open jobs will still write. A job
-- without a ticket (one that no API has accepted) is not counted. A job that never ends is removed from the statistics
-- once its ticket is older than any job can be (`prune` in submit.lua).
-- `at` is seconds since 1970 by Redis's clock.

-- Note that there is work from now on.
local function begin_busy(at)
  redis.call('HSET', keys.LOAD, 'busy_since', string.format('%.6f', at))
end

-- Count `work` values as finished now, since the last call or since there is work. A longer time, such as a wait for
-- a worker, counts as one span.
local function drawn(work, at)
  local span = math.floor(at / keys.DRAWN_SPAN_S)
  local since = tonumber(redis.call('HGET', keys.LOAD, 'busy_since') or at)
  local busy = math.min(math.max(at - since, 0), keys.DRAWN_SPAN_S)
  redis.call('HINCRBYFLOAT', keys.BUSY, span, string.format('%.6f', busy))
  begin_busy(at)
  if redis.call('HINCRBY', keys.DRAWN, span, work) == work then
    for _, old in ipairs(redis.call('HKEYS', keys.DRAWN)) do
      if tonumber(old) < span - (keys.DRAWN_SPANS + 1) then
        redis.call('HDEL', keys.DRAWN, old)
        redis.call('HDEL', keys.BUSY, old)
      end
    end
    redis.call('EXPIRE', keys.DRAWN, keys.ACTIVE_TTL_S)
    redis.call('EXPIRE', keys.BUSY, keys.ACTIVE_TTL_S)
  end
end

-- Return the part of a job's work, or room, that belongs to `rows` of its rows.
local function share(work, rows, rows_total)
  if rows_total == 0 then return 0 end
  return math.floor(work * rows / rows_total)
end

-- Free `bytes` of the room that is reserved for a job, or all of it; never more than it has.
local function give_room_back(id, bytes)
  local left = tonumber(redis.call('HGET', keys.ROOM, id) or 0)
  local given = math.min(bytes or left, left)
  if given == 0 then return end
  redis.call('HINCRBY', keys.LOAD, 'room', 0 - given)
  if given < left then redis.call('HINCRBY', keys.ROOM, id, 0 - given) else redis.call('HDEL', keys.ROOM, id) end
end

-- Reserve more room for a job.
local function take_room(id, bytes)
  redis.call('HINCRBY', keys.LOAD, 'room', bytes)
  redis.call('HINCRBY', keys.ROOM, id, bytes)
end

-- Add to the values that open jobs still have to draw. queue: the job's, or nil for one that is counted for no queue:
-- an API of 0.4.0 has accepted it (it has no `images`). Returns the values of all queues.
local function count_work(values, queue, images)
  if queue and images then redis.call('HINCRBY', keys.QUEUE_WORK, queue, values) end
  return redis.call('HINCRBY', keys.LOAD, 'work', values)
end

-- Remove an open job from the statistics. left: its work that was not done. queue, images: as for `count_work`.
local function settle_ticket(ticket, left, queue, images)
  if redis.call('ZREM', keys.OPEN, ticket) == 0 then return end
  local id, client = string.match(ticket, '^%d+:([^:]+):(.*)$')
  local field = 'of:' .. client
  give_room_back(id)
  if redis.call('HINCRBY', keys.LOAD, field, -1) <= 0 then redis.call('HDEL', keys.LOAD, field) end
  local is_idle = redis.call('EXISTS', keys.OPEN) == 0
  if count_work(0 - left, queue, images) < 0 or is_idle then redis.call('HSET', keys.LOAD, 'work', 0) end
  if is_idle then
    redis.call('HSET', keys.LOAD, 'room', 0)
    redis.call('DEL', keys.ROOM, keys.QUEUE_WORK)
  end
end

-- Count rows that were appended.
local function book_rows(job, rows_done, added, at)
  local work, rows_total, room, queue, images = unpack(redis.call(
    'HMGET', job, 'work', 'rows_total', 'rows_room', 'queue', 'images'))
  if not work then return end
  work, rows_total = tonumber(work), tonumber(rows_total)
  give_room_back(string.sub(job, #keys.JOB + 1), share(tonumber(room or 0), added, rows_total))
  local done = share(work, rows_done, rows_total) - share(work, rows_done - added, rows_total)
  count_work(0 - done, queue, images)
  drawn(done, at)
end

-- Count the time from the job's acceptance to its first rows.
local function book_first_row(job, at)
  local waited = math.max(at - tonumber(redis.call('HGET', job, 'created_at')), 0)
  local power = math.max(math.ceil(math.log(waited) / math.log(2)), keys.FIRST_ROW_LEAST)
  redis.call('HINCRBY', keys.FIRST_ROWS, string.format('%d', power), 1)
  redis.call('HINCRBYFLOAT', keys.FIRST_ROWS, 'sum', string.format('%.3f', waited))
  redis.call('EXPIRE', keys.FIRST_ROWS, keys.ACTIVE_TTL_S)
end

-- Take back the counts of rows that are about to be deleted and drawn again.
local function unbook_rows(job)
  local work, rows, rows_total, room, queue, images = unpack(redis.call(
    'HMGET', job, 'work', 'rows_done', 'rows_total', 'rows_room', 'queue', 'images'))
  if not work then return end
  rows, rows_total = tonumber(rows), tonumber(rows_total)
  count_work(share(tonumber(work), rows, rows_total), queue, images)
  take_room(string.sub(job, #keys.JOB + 1), share(tonumber(room or 0), rows, rows_total))
end

-- Count for its owner what an ended job has used. A job that an API of 0.4.0 accepted has no `images`.
local function book_usage(job, status, values, seconds, at)
  local owner, images = unpack(redis.call('HMGET', job, 'client', 'images'))
  if not owner then return end
  local day = keys.USAGE .. string.format('%d', math.floor(at / 86400))
  if status ~= 'succeeded' then images = 0 end
  redis.call('HINCRBY', day, 'images:' .. owner, images or 0)
  redis.call('HINCRBY', day, 'values:' .. owner, values)
  redis.call('HINCRBYFLOAT', day, 'seconds:' .. owner, string.format('%.3f', math.max(seconds, 0)))
  redis.call('EXPIRE', day, keys.USAGE_TTL_S)
end

-- Count a job that has just ended. Only jobs with rows count for the time that a model takes.
local function close_books(job, status, at)
  local ticket, work, rows, rows_total, kind, model, started, queue, images = unpack(redis.call(
    'HMGET', job, 'ticket', 'work', 'rows_done', 'rows_total', 'kind', 'model', 'started_at', 'queue', 'images'))
  if not ticket then return end
  work, rows_total = tonumber(work), tonumber(rows_total)
  local left = work - share(work, tonumber(rows), rows_total)
  settle_ticket(ticket, left, queue, images)
  redis.call('HINCRBY', keys.TOTALS, kind .. ':' .. status, 1)
  redis.call('EXPIRE', keys.TOTALS, keys.ACTIVE_TTL_S)
  if started then
    book_usage(job, status, status == 'succeeded' and work or work - left, at - tonumber(started), at)
  end
  if status ~= 'succeeded' then return end
  if left > 0 then drawn(left, at) end
  if rows_total == 0 or not started then return end
  local took = at - tonumber(started)
  local before = tonumber(redis.call('HGET', keys.TOOK, model) or took)
  redis.call('HSET', keys.TOOK, model, string.format('%.3f', before + 0.2 * (took - before)))
  redis.call('EXPIRE', keys.TOOK, keys.ACTIVE_TTL_S)
end
