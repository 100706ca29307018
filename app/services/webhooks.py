"""Telling clients' servers that their jobs have ended: at least once, by any API of the service.

That there is something to tell is written by the scripts that accept and end a job (`keys.WEBHOOKS`). Each API looks
for what is due, and takes it: from then on it is due again after a while. So whoever dies or fails in between does not
matter: only an answer ends it, or the end of the job's results.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog

from app.errors import BadParameterError, ExpiredJobError, RefusedError, UnknownJobError
from app.redis_connections import STORE_TROUBLE
from app.schema.answers import Job, WebhookStatus
from app.services.jobs import Jobs
from app.store import DueWebhook, Store
from app.webhooks.addresses import Place, WebhookAddress
from app.webhooks.calls import WebhookCallError, WebhookCalls
from worker.contract.record import UnreadableError

DELAYS_S = (30, 120, 600, 1800, 3600, 7200, 14400)
"""Seconds until the second try, the third, and so on; the last is repeated while results are kept. The first is longer
than a call may take."""
_AT_ONCE = 16
_MOST_OF_HOST = 4
"""Calls to one host at a time, at most: a receiver that stalls must not hold up the others."""
_LOOK_S = 0.5
_AFTER_A_BUG_S = 10.0
_GONE = 410
_log = structlog.get_logger("pixelrnn.api")


class Webhooks:
    """calls: None where nobody may be called. `count` is told how each try went: delivered, failed, or given-up, where
    the receiver wants no more. public_url: the beginning of the addresses in a job that is told, whose receiver need
    not know where this server is."""

    def __init__(
        self,
        hosts: Collection[Place],
        calls: WebhookCalls | None,
        store: Store,
        jobs: Jobs,
        count: Callable[[str], None],
        public_url: str = "",
    ) -> None:
        self._public_url = public_url.rstrip("/")
        self._hosts = frozenset(hosts)
        self._calls = calls if hosts else None
        self._store = store
        self._jobs = jobs
        self._count = count

    def expected(self, text: str | None) -> str:
        """The address that a request gives as its webhook; empty if it gives none. Raises BadParameterError for one
        that would never be called."""
        if text is None:
            return ""
        if self._calls is None:
            said = "this server calls nobody; its operator can set PIXELRNN_WEBHOOK_HOSTS and PIXELRNN_WEBHOOK_SECRET"
            raise BadParameterError(f"webhook: {said}", field="webhook")
        try:
            address = WebhookAddress.of(text)
        except ValueError as error:
            raise BadParameterError(f"webhook: {error}", field="webhook") from None
        if address.place not in self._hosts:
            said = "expected a host and port that the operator of this server lists in PIXELRNN_WEBHOOK_HOSTS"
            raise BadParameterError(f"webhook: {said}", field="webhook")
        return text

    async def run(self) -> None:
        """Send what is due, until canceled; what is being sent then is due again soon."""
        if self._calls is None:
            return
        tries: dict[asyncio.Task[None], str] = {}
        try:
            while True:
                for one in await self._due(
                    _AT_ONCE - len(tries), Counter(tries.values())
                ):
                    tries[asyncio.create_task(self._try(one, self._calls))] = urlsplit(
                        one.url
                    ).netloc.lower()
                if tries:
                    patience = _LOOK_S if len(tries) < _AT_ONCE else None
                    await asyncio.wait(
                        tries, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                    )
                else:
                    await asyncio.sleep(_LOOK_S)
                tries = {one: host for one, host in tries.items() if not one.done()}
        finally:
            for one in tries:
                one.cancel()

    async def close(self) -> None:
        if self._calls is not None:
            await self._calls.close()

    async def _due(self, most: int, calls: Mapping[str, int]) -> list[DueWebhook]:
        """The webhooks that are due, as far as Redis can be asked. calls: those under way, by host."""
        try:
            return await self._store.due_webhooks(most, DELAYS_S, calls, _MOST_OF_HOST)
        except STORE_TROUBLE:  # every request tells of it
            return []
        except Exception as error:  # nobody waits for this either
            _log.error("webhooks failed", exc_info=error)
            await asyncio.sleep(_AFTER_A_BUG_S)
            return []

    async def _try(self, due: DueWebhook, calls: WebhookCalls) -> None:
        """Nobody waits for this: whatever goes wrong is told in the log, and the next try is due already."""
        try:
            outcome = await self._outcome(due, calls)
        except (
            *STORE_TROUBLE,
            RefusedError,
            UnreadableError,
            WebhookCallError,
            ValueError,
        ) as error:
            outcome = "failed"
            said = {
                "job_id": due.job_id,
                "attempt": due.attempt,
                "host": urlsplit(due.url).hostname,
            }
            _log.warning("webhook_failed", **said, reason=str(error)[:200])
        except Exception as error:
            outcome = "failed"
            _log.error("webhook failed", job_id=due.job_id, exc_info=error)
        if outcome:
            self._count(outcome)

    async def _outcome(self, due: DueWebhook, calls: WebhookCalls) -> str:
        """Empty where the job is gone, so that there is nothing to tell."""
        try:
            job = await self._jobs.view(due.job_id)
        except (ExpiredJobError, UnknownJobError):
            await self._store.webhook_over(due.job_id)
            return ""
        address = WebhookAddress.of(due.url)
        if address.place not in self._hosts:
            raise WebhookCallError(
                "this API may not call the host: PIXELRNN_WEBHOOK_HOSTS does not list it"
            )
        status = await calls.post(
            address, due.job_id, _body_of(job, self._public_url).encode()
        )
        if not (200 <= status < 300 or status == _GONE):
            raise WebhookCallError(f"the receiver answered {status}")
        outcome = WebhookStatus.GIVEN_UP if status == _GONE else WebhookStatus.DELIVERED
        await self._store.webhook_over(due.job_id, outcome)
        return outcome


def _body_of(job: Job, public_url: str) -> str:
    """The job as JSON, with whole addresses where it is known how they begin."""
    if not public_url:
        return job.model_dump_json()
    return json.dumps(
        _whole(job.model_dump(mode="json"), f"/jobs/{job.id}", public_url)
    )


def _whole(node: Any, path: str, base: str) -> Any:
    if isinstance(node, dict):
        return {key: _whole(value, path, base) for key, value in node.items()}
    if isinstance(node, list):
        return [_whole(item, path, base) for item in node]
    return base + node if isinstance(node, str) and node.startswith(path) else node
