"""Packs the entries and pictures of jobs that ended a while ago. Any API does so: each
takes jobs that are due, and a job that is not packed after a minute is taken again. A
script replaces both in one step, and the entries only if they are those that were read.
"""

import asyncio

import structlog
from anyio.to_thread import run_sync

from app.packed import UnpackableError, packed
from app.packed_pictures import packed_pictures
from app.redis_connections import STORE_TROUBLE
from app.store import Store

_AT_ONCE = 16
"""Most jobs that are taken at once."""
_LOOK_S = 1.0
_PAUSE_S = 0.005
"""Seconds between two jobs, so that requests go first."""
_AFTER_A_BUG_S = 10.0
_log = structlog.get_logger("pixelrnn.api")


class EntryPacking:
    """Packs jobs in the background."""

    def __init__(self, store: Store, after_s: float) -> None:
        """store: the jobs.
        after_s: seconds after a job's end; 0 packs none."""
        self._store = store
        self._after_s = after_s

    async def run(self) -> None:
        """Pack jobs that are due. Errors are logged. This never returns, unless
        `after_s` is 0; cancel it to end it."""
        while self._after_s:
            try:
                due = await self._store.due_for_packing(_AT_ONCE, self._after_s)
                for job_id in due:
                    await self._pack(job_id)
                    await asyncio.sleep(_PAUSE_S)
                if len(due) < _AT_ONCE:
                    await asyncio.sleep(_LOOK_S)
            except STORE_TROUBLE:  # every request reports it
                await asyncio.sleep(_LOOK_S)
            except Exception as error:  # an outermost handler: other jobs go on
                _log.error("packing failed", exc_info=error)
                await asyncio.sleep(_AFTER_A_BUG_S)

    async def _pack(self, job_id: str) -> None:
        entries = await self._store.entries(job_id)
        try:
            value = packed(entries) if entries else b""
        except (UnpackableError, ValueError) as error:
            _log.warning("entries_not_packed", job_id=job_id, reason=str(error)[:200])
            value = b""
        # In a thread, because some pictures have two megabytes.
        pictures = await run_sync(packed_pictures, await self._store.pictures(job_id))
        last = entries[-1].seq if entries else 0
        await self._store.pack(job_id, last, value, pictures)
