--!include names
-- The books: how much is open, how fast it is drawn, how jobs ended. Part of the scripts that change a job.
--
-- Work is counted in values: one colour of one pixel. Room is counted in bytes: what open jobs will still write. A job
-- without a ticket (one that no API has accepted) is not booked. What a job that nobody ever ended left in the books goes
-- when its ticket is as old as the job could get.
-- `at` is seconds since 1970 by Redis's clock.

-- There is work from now on.
local function begin_busy(at)
  redis.call('HSET', keys.LOAD, 'busy_since', string.format('%.6f', at))
end

-- So much was finished now, since the last time or since there is work; a longer wait, such as one for a worker, counts
-- as one span.
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

-- The part of the work, or of the room, that so many rows are.
local function share(work, rows, rows_total)
  if rows_total == 0 then return 0 end
  return math.floor(work * rows / rows_total)
end

-- Room is given back, as far as the job has some: so many bytes of it, or all that is left.
local function give_room_back(id, bytes)
  local left = tonumber(redis.call('HGET', keys.ROOM, id) or 0)
  local given = math.min(bytes or left, left)
  if given == 0 then return end
  redis.call('HINCRBY', keys.LOAD, 'room', 0 - given)
  if given < left then redis.call('HINCRBY', keys.ROOM, id, 0 - given) else redis.call('HDEL', keys.ROOM, id) end
end

-- More of it is reserved.
local function take_room(id, bytes)
  redis.call('HINCRBY', keys.LOAD, 'room', bytes)
  redis.call('HINCRBY', keys.ROOM, id, bytes)
end

-- The job is no longer open; `left`: what it still lacked.
local function settle_ticket(ticket, left)
  if redis.call('ZREM', keys.OPEN, ticket) == 0 then return end
  local id, client = string.match(ticket, '^%d+:([^:]+):(.*)$')
  local field = 'of:' .. client
  give_room_back(id)
  if redis.call('HINCRBY', keys.LOAD, field, -1) <= 0 then redis.call('HDEL', keys.LOAD, field) end
  local is_idle = redis.call('EXISTS', keys.OPEN) == 0
  if redis.call('HINCRBY', keys.LOAD, 'work', 0 - left) < 0 or is_idle then redis.call('HSET', keys.LOAD, 'work', 0) end
  if is_idle then
    redis.call('HSET', keys.LOAD, 'room', 0)
    redis.call('DEL', keys.ROOM)
  end
end

-- Behind an append.
local function book_rows(job, rows_done, added, at)
  local work, rows_total, room = unpack(redis.call('HMGET', job, 'work', 'rows_total', 'rows_room'))
  if not work then return end
  work, rows_total = tonumber(work), tonumber(rows_total)
  give_room_back(string.sub(job, #keys.JOB + 1), share(tonumber(room or 0), added, rows_total))
  local done = share(work, rows_done, rows_total) - share(work, rows_done - added, rows_total)
  redis.call('HINCRBY', keys.LOAD, 'work', 0 - done)
  drawn(done, at)
end

-- Behind a job's first rows.
local function book_first_row(job, at)
  local waited = math.max(at - tonumber(redis.call('HGET', job, 'created_at')), 0)
  local power = math.max(math.ceil(math.log(waited) / math.log(2)), keys.FIRST_ROW_LEAST)
  redis.call('HINCRBY', keys.FIRST_ROWS, string.format('%d', power), 1)
  redis.call('HINCRBYFLOAT', keys.FIRST_ROWS, 'sum', string.format('%.3f', waited))
  redis.call('EXPIRE', keys.FIRST_ROWS, keys.ACTIVE_TTL_S)
end

-- Before rows are forgotten that have to be drawn again.
local function unbook_rows(job)
  local work, rows, rows_total, room = unpack(redis.call('HMGET', job, 'work', 'rows_done', 'rows_total', 'rows_room'))
  if not work then return end
  rows, rows_total = tonumber(rows), tonumber(rows_total)
  redis.call('HINCRBY', keys.LOAD, 'work', share(tonumber(work), rows, rows_total))
  take_room(string.sub(job, #keys.JOB + 1), share(tonumber(room or 0), rows, rows_total))
end

-- Behind the last change of status. Only drawing tells how long a model takes: a job without rows is not counted there.
local function close_books(job, status, at)
  local ticket, work, rows, rows_total, kind, model, started = unpack(redis.call(
    'HMGET', job, 'ticket', 'work', 'rows_done', 'rows_total', 'kind', 'model', 'started_at'))
  if not ticket then return end
  work, rows_total = tonumber(work), tonumber(rows_total)
  local left = work - share(work, tonumber(rows), rows_total)
  settle_ticket(ticket, left)
  redis.call('HINCRBY', keys.TOTALS, kind .. ':' .. status, 1)
  redis.call('EXPIRE', keys.TOTALS, keys.ACTIVE_TTL_S)
  if status ~= 'succeeded' then return end
  if left > 0 then drawn(left, at) end
  if rows_total == 0 or not started then return end
  local took = at - tonumber(started)
  local before = tonumber(redis.call('HGET', keys.TOOK, model) or took)
  redis.call('HSET', keys.TOOK, model, string.format('%.3f', before + 0.2 * (took - before)))
  redis.call('EXPIRE', keys.TOOK, keys.ACTIVE_TTL_S)
end
