"""Packs entries and pictures of jobs that ended a while ago, in any API: each takes what is due, and looks at it again
in a minute should it not be done by then. Both are replaced in one script, entries only while they are what was read.
"""

import asyncio

import structlog
from anyio.to_thread import run_sync

from app.packed import UnpackableError, packed
from app.packed_pictures import packed_pictures
from app.redis_connections import STORE_TROUBLE
from app.store import Store

_AT_ONCE = 16
_LOOK_S = 1.0
_PAUSE_S = 0.005
"""Pause between two jobs: whoever waits for this process goes first."""
_AFTER_A_BUG_S = 10.0
_log = structlog.get_logger("pixelrnn.api")


class EntryPacking:
    """after_s: how long a job's entries stay as they are once it has ended; 0 = for ever."""

    def __init__(self, store: Store, after_s: float) -> None:
        self._store = store
        self._after_s = after_s

    async def run(self) -> None:
        """Pack what is due, until canceled."""
        while self._after_s:
            try:
                due = await self._store.due_for_packing(_AT_ONCE, self._after_s)
                for job_id in due:
                    await self._pack(job_id)
                    await asyncio.sleep(_PAUSE_S)
                if len(due) < _AT_ONCE:
                    await asyncio.sleep(_LOOK_S)
            except STORE_TROUBLE:  # every request tells of it
                await asyncio.sleep(_LOOK_S)
            except Exception as error:  # nobody waits for this
                _log.error("packing failed", exc_info=error)
                await asyncio.sleep(_AFTER_A_BUG_S)

    async def _pack(self, job_id: str) -> None:
        entries = await self._store.entries(job_id)
        try:
            value = packed(entries) if entries else b""
        except (UnpackableError, ValueError) as error:
            _log.warning("entries_not_packed", job_id=job_id, reason=str(error)[:200])
            value = b""
        pictures = await run_sync(
            packed_pictures, await self._store.pictures(job_id)
        )  # some are of two megabytes
        await self._store.pack(
            job_id, entries[-1].seq if entries else 0, value, pictures
        )
