"""The life of a job as six atomic scripts (Lua, Redis 7 and Valkey); worker.contract.submission has the gate before it.

    accept -> queued --claim--> running --append rows--> ... --settle--> succeeded | failed | canceled
                 \\------------------ cancel ------------------------------------------/

They hold the promises: a job ends in exactly one terminal event, whatever dies; only the owner of the newest claim can
write; a command repeated because its reply was lost changes nothing; times come from one clock, Redis's own.
Every script takes KEYS = job, events, image, tombstone of the same job, in this order (`of(job_id)`).
"""

import hashlib

from worker.contract import keys
from worker.contract.books import BOOKS


def of(job_id: str) -> list[str]:
    """The KEYS of every script below."""
    return [keys.job(job_id), keys.events(job_id), keys.image(job_id), keys.tombstone(job_id)]


NOW = """
local function now()
  local t = redis.call('TIME')
  return string.format('%d.%06d', t[1], t[2])
end
"""

_SETTLE = (
    NOW
    + BOOKS
    + """
local terminal = {succeeded = 'done', failed = 'error', canceled = 'canceled'}
local function settle(status, error, result_ttl, tombstone_ttl, result)
  local at = now()
  local seq = tonumber(redis.call('HGET', KEYS[1], 'last_seq') or 0) + 1
  redis.call('HSET', KEYS[1], 'status', status, 'finished_at', at, 'error', error, 'last_seq', seq,
             'expires_at', string.format('%.6f', tonumber(at) + result_ttl))
  if result then redis.call('HSET', KEYS[1], 'result', result) end
  redis.call('HDEL', KEYS[1], 'owner')
  close_books(KEYS[1], status, tonumber(at))
  local data = error ~= '' and error or result or '{}'
  redis.call('XADD', KEYS[2], seq .. '-0', 'type', terminal[status], 'data', data)
  redis.call('SET', KEYS[4], status, 'EX', result_ttl + tombstone_ttl)
  for i = 1, 3 do redis.call('EXPIRE', KEYS[i], result_ttl) end
end
"""
)

CREATE = (
    NOW
    + """
local function create(spec, rows_total, ttl, pixels, keep)
  local at = now()
  redis.call('HSET', KEYS[1], 'spec', spec, 'status', 'queued', 'created_at', at, 'rows_done', 0,
             'rows_total', rows_total, 'last_seq', 0, 'attempts', 0)
  redis.call('EXPIRE', KEYS[1], ttl)
  if pixels then
    redis.call('HSET', KEYS[3], 'pixels', pixels, 'keep', keep)
    redis.call('EXPIRE', KEYS[3], ttl)
  end
  return at
end
"""
)

ACCEPT = (
    CREATE
    + """
-- The bare act, without a gate, a queue entry or books: for tests of what follows.
-- ARGV: spec JSON, rows_total, active_ttl, [pixels, keep]. Returns 1, or 0 if the id is taken.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
create(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return 1
"""
)

CLAIM = (
    _SETTLE
    + """
-- ARGV: owner token, result_ttl, tombstone_ttl, and where it is known: with which arithmetic the owner draws.
-- Returns {'claimed', last_seq, attempts}, or {'settled'} when there is nothing left to do, or {'missing'}.
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return {'missing'} end
if status ~= 'queued' and status ~= 'running' then return {'settled'} end
if redis.call('HEXISTS', KEYS[1], 'cancel_requested') == 1 then
  settle('canceled', '', tonumber(ARGV[2]), tonumber(ARGV[3]))
  return {'settled'}
end
redis.call('HSET', KEYS[1], 'status', 'running', 'owner', ARGV[1])
redis.call('HSETNX', KEYS[1], 'started_at', now())
redis.call('HDEL', KEYS[1], 'parked')
if ARGV[4] and ARGV[4] ~= '' and redis.call('HSETNX', KEYS[1], 'numerics', ARGV[4]) == 0 then
  local before = redis.call('HGET', KEYS[1], 'numerics')
  if not string.find(', ' .. before .. ', ', ', ' .. ARGV[4] .. ', ', 1, true) then
    redis.call('HSET', KEYS[1], 'numerics', before .. ', ' .. ARGV[4])
  end
end
local attempts = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
return {'claimed', tonumber(redis.call('HGET', KEYS[1], 'last_seq') or 0), attempts}
"""
)

APPEND = (
    NOW
    + BOOKS
    + """
-- ARGV: owner token, active_ttl, sequence number of the first row, row JSON, row JSON, ...
-- Returns 'ok', 'canceling' (stop, then settle), or 'lost' (someone else owns the job now, or it has ended).
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 'lost' end
if redis.call('HEXISTS', KEYS[1], 'cancel_requested') == 1 then return 'canceling' end
local last = tonumber(redis.call('HGET', KEYS[1], 'last_seq') or 0)
local added = 0
for i = 4, #ARGV do
  local seq = tonumber(ARGV[3]) + i - 4
  if seq > last then
    redis.call('XADD', KEYS[2], seq .. '-0', 'type', 'row', 'data', ARGV[i])
    added = added + 1
  end
end
if added > 0 then
  redis.call('HSET', KEYS[1], 'last_seq', last + added)
  book_rows(KEYS[1], redis.call('HINCRBY', KEYS[1], 'rows_done', added), added, tonumber(now()))
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
return 'ok'
"""
)

APPEND_DIGEST = hashlib.sha1(APPEND.encode(), usedforsecurity=False).hexdigest()
"""By which the server knows it, once it has been loaded."""

SETTLE = (
    _SETTLE
    + """
-- ARGV: owner token ('' = whoever owns it), status, error JSON or '', result_ttl, tombstone_ttl,
--       and where there is one: result JSON; of a score also bits, heat (as in keys.image).
-- Returns 1 if this call ended the job, 0 if it had ended already, is unknown, or belongs to someone else.
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then return 0 end
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
if ARGV[7] then redis.call('HSET', KEYS[3], 'bits', ARGV[7], 'heat', ARGV[8]) end
settle(ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6])
return 1
"""
)

CANCEL = (
    _SETTLE
    + """
-- ARGV: channel, job id, result_ttl, tombstone_ttl.
-- Returns 'missing', 'settled' (it had ended before), 'canceled' (it was waiting), or 'canceling' (its worker is told).
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return 'missing' end
if status == 'queued' then
  settle('canceled', '', tonumber(ARGV[3]), tonumber(ARGV[4]))
  return 'canceled'
end
if status ~= 'running' then return 'settled' end
redis.call('HSET', KEYS[1], 'cancel_requested', 1)
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 'canceling'
"""
)

RELEASE = """
-- ARGV: owner token. The owner hands the job back, unfinished: it waits again. Returns 1, or 0 if not its own.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'owner')
redis.call('HSET', KEYS[1], 'status', 'queued')
return 1
"""
