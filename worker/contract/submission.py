"""The gate before the queue: from a wish to an accepted, queued, booked job, or to the reason why not; one script.

All of it happens or none: a client that never saw the answer may ask again with the same id or `Idempotency-Key`.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from worker.contract import keys
from worker.contract.books import BOOKS
from worker.contract.jobs import JobSpec
from worker.contract.scripts import CREATE


class Gate(BaseModel):
    """What a wish is held against. Jobs are counted; work is counted in values, as in `JobSpec.work`."""

    model_config = ConfigDict(frozen=True)
    client: str = Field(min_length=1)
    """Whose allowance it is."""
    owner: str = Field(min_length=1)
    """Who may list and see the job."""
    rate: float = Field(gt=0)
    """Jobs a second that the client may hand in, on average."""
    burst: int = Field(ge=1)
    """How many at once."""
    client_jobs: int = Field(ge=1)
    """How many of its jobs may be open."""
    queue: str
    """The Redis list in which it will wait."""
    queue_jobs: int = Field(ge=1)
    queue_work: int = Field(ge=1)
    idempotency: str = ""
    """Digest of the client's `Idempotency-Key`; empty without one."""
    body: str = ""
    """Digest of what it asks for."""


class Verdict(StrEnum):
    """The first word of the answer, and what follows it."""

    ACCEPTED = "accepted"
    """created_at, length of the queue, values accepted before it. Also when this id was accepted before."""
    AGAIN = "again"
    """Id of the job that this `Idempotency-Key` and body stand for."""
    CONFLICT = "conflict"
    """The `Idempotency-Key` stands for another body."""
    TOO_FAST = "too-fast"
    """Seconds until the client may hand in one more."""
    TOO_MANY = "too-many"
    """How many jobs of the client are open."""
    FULL = "full"
    """The queue has its number of jobs, or of values."""


SUBMIT = (
    CREATE
    + BOOKS
    + f"""
-- KEYS: as all scripts.
-- ARGV: gate JSON, facts JSON, spec JSON, pixels or '', keep, and a JSON list of the commands that queue the job.
local gate, facts = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
local at = tonumber(now())

local function accepted_before()
  local created, ahead = unpack(redis.call('HMGET', KEYS[1], 'created_at', 'ahead'))
  return created and {{'accepted', created, redis.call('LLEN', gate.queue), ahead}}
end

local function known_key()
  if gate.idempotency == '' then return nil end
  local job, body = unpack(redis.call('HMGET', facts.idempotency_key, 'job', 'body'))
  if not job then return nil end
  return body == gate.body and {{'again', job}} or {{'conflict'}}
end

local function allowance()
  local tokens, since = unpack(redis.call('HMGET', facts.allowance_key, 'tokens', 'at'))
  if not tokens then return gate.burst end
  return math.min(gate.burst, tonumber(tokens) + math.max(0, at - tonumber(since)) * gate.rate)
end

local function refusal(tokens)
  if tokens < 1 then return {{'too-fast', string.format('%.3f', (1 - tokens) / gate.rate)}} end
  local open = tonumber(redis.call('HGET', '{keys.LOAD}', 'of:' .. gate.client) or 0)
  if open >= gate.client_jobs then return {{'too-many', open}} end
  local work = tonumber(redis.call('HGET', '{keys.LOAD}', 'work') or 0)
  local waiting = redis.call('LLEN', gate.queue)
  if waiting >= gate.queue_jobs or (work > 0 and work + facts.work > gate.queue_work) then return {{'full'}} end
  return nil
end

local function prune()
  local limit = string.format('%.6f', at - {keys.ACTIVE_TTL_S})
  for _, ticket in ipairs(redis.call('ZRANGEBYSCORE', '{keys.OPEN}', '-inf', limit, 'LIMIT', 0, 10)) do
    settle_ticket(ticket, tonumber(string.match(ticket, '^%d+')))
  end
  redis.call('ZREMRANGEBYSCORE', facts.listed_key, '-inf', string.format('%.6f', at - facts.listed_ttl))
end

local function open_books(created)
  if redis.call('EXISTS', '{keys.OPEN}') == 0 then begin_busy(at) end
  local ticket = string.format('%d', facts.work) .. ':' .. facts.id .. ':' .. gate.client
  redis.call('ZADD', '{keys.OPEN}', created, ticket)
  redis.call('HINCRBY', '{keys.LOAD}', 'of:' .. gate.client, 1)
  local open = redis.call('HINCRBY', '{keys.LOAD}', 'work', facts.work)
  local accepted = redis.call('HINCRBY', '{keys.LOAD}', 'accepted', facts.work)
  local ahead = string.format('%d', accepted - (facts.high and open or facts.work))
  redis.call('EXPIRE', '{keys.OPEN}', {keys.ACTIVE_TTL_S})
  redis.call('EXPIRE', '{keys.LOAD}', {keys.ACTIVE_TTL_S})
  redis.call('HSET', KEYS[1], 'client', gate.owner, 'ticket', ticket, 'kind', facts.kind, 'model', facts.model,
             'work', facts.work, 'ahead', ahead, 'queue', gate.queue)
  redis.call('ZADD', facts.listed_key, created, facts.id)
  redis.call('EXPIRE', facts.listed_key, facts.listed_ttl)
  return ahead
end

local function remember_key()
  if gate.idempotency == '' then return end
  redis.call('HSET', facts.idempotency_key, 'job', facts.id, 'body', gate.body)
  redis.call('EXPIRE', facts.idempotency_key, {keys.IDEMPOTENCY_TTL_S})
end

local function spend(tokens)
  redis.call('HSET', facts.allowance_key, 'tokens', string.format('%.6f', tokens - 1), 'at', string.format('%.6f', at))
  redis.call('EXPIRE', facts.allowance_key, math.ceil(gate.burst / gate.rate) + 1)
end

local function enqueue(commands)
  for _, words in ipairs(cjson.decode(commands)) do redis.call(unpack(words)) end
end

local answer = accepted_before() or known_key()
if answer then return answer end
prune()
local tokens = allowance()
answer = refusal(tokens)
if answer then return answer end
spend(tokens)
local created = create(ARGV[3], facts.rows_total, {keys.ACTIVE_TTL_S}, ARGV[4] ~= '' and ARGV[4] or nil, ARGV[5])
local ahead = open_books(created)
remember_key()
enqueue(ARGV[6])
return {{'accepted', created, redis.call('LLEN', gate.queue), ahead}}
"""
)


def arguments(
    gate: Gate, spec: JobSpec, pixels: bytes | None, keep: bytes, commands: str, high: bool
) -> list[str | bytes]:
    """ARGV of SUBMIT. `commands`: a JSON list of the Redis commands that queue the job; `high`: they put it first."""
    facts = _Facts(
        id=spec.id,
        kind=spec.kind,
        model=spec.model,
        work=spec.work,
        rows_total=spec.rows_total,
        high=high,
        listed_key=keys.listed(gate.owner),
        allowance_key=keys.allowance(gate.client),
        idempotency_key=keys.idempotency(gate.client, gate.idempotency),
    )
    return [gate.model_dump_json(), facts.model_dump_json(), spec.entry(), pixels or b"", keep, commands]


class _Facts(BaseModel):
    """What the script needs to know of the job beside its text."""

    id: str
    kind: str
    model: str
    work: int
    rows_total: int
    high: bool
    listed_key: str
    allowance_key: str
    idempotency_key: str
    listed_ttl: int = keys.ACTIVE_TTL_S + keys.RESULT_TTL_S
