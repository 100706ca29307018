"""A job in Redis without the checks, the queue entry and the books that come with it: for tests of what follows."""

from worker.contract.loader import expand

ACCEPT = expand(
    """--!include creation
-- KEYS: as worker.contract.scripts. ARGV: spec JSON, rows_total, active_ttl, [pixels, keep].
-- Returns 1, or 0 if the id is taken.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
create(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return 1
"""
)
