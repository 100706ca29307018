"""Calls clients' servers when their jobs have ended: at least once, by any API of the
service.

The scripts that accept and end a job note that a call is due (`keys.WEBHOOKS`). Each
API takes due calls; a call that was taken becomes due again after a while. So a process
that dies or fails meanwhile does no harm: only a response ends the calls, or the expiry
of the job's results.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from itertools import chain
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
"""Seconds until the second try, the third, and so on; the last one is repeated while
results are kept. The first is longer than a call may take."""
_AT_ONCE = 16
_MOST_OF_HOST = 4
"""Most calls to one host at a time, and twice the most calls to one receiver there, so
that a slow one does not delay the others."""
_LOOK_S = 0.5
_AFTER_A_BUG_S = 10.0
_GONE = 410
_log = structlog.get_logger("pixelrnn.api")


class Webhooks:
    """Calls the webhooks that are due, and checks those of requests."""

    def __init__(
        self,
        hosts: Collection[Place],
        calls: WebhookCalls | None,
        store: Store,
        jobs: Jobs,
        count: Callable[[str], None],
        public_url: str = "",
    ) -> None:
        """hosts: hosts that may be called.
        calls: makes the calls; None if no host may be called.
        count: called with the outcome of each attempt: delivered, failed, or given-up
            if the receiver wants no more calls.
        public_url: prefix that makes addresses in the sent job absolute; empty to leave
            them relative."""
        self._public_url = public_url.rstrip("/")
        self._hosts = frozenset(hosts)
        self._calls = calls if hosts else None
        self._store = store
        self._jobs = jobs
        self._count = count

    def checked_address(self, text: str | None) -> str:
        """Return the address of a request's webhook; empty if it has none. Raises
        BadParameterError for an address that may not be called."""
        if text is None:
            return ""
        if self._calls is None:
            raise BadParameterError(
                "webhook: this server calls nobody; its operator can set "
                "PIXELRNN_WEBHOOK_HOSTS and PIXELRNN_WEBHOOK_SECRET",
                field="webhook",
            )
        try:
            address = WebhookAddress.of(text)
        except ValueError as error:
            raise BadParameterError(f"webhook: {error}", field="webhook") from None
        if address.place not in self._hosts:
            raise BadParameterError(
                "webhook: expected a host and port that the operator of this server "
                "lists in PIXELRNN_WEBHOOK_HOSTS",
                field="webhook",
            )
        return text

    async def run(self) -> None:
        """Make the calls that are due. Errors are logged. This never returns, unless no
        host may be called; cancel it to end it, and calls in progress become due again
        soon."""
        if self._calls is None:
            return
        tries: dict[asyncio.Task[None], tuple[str, str]] = {}
        try:
            while True:
                room = _AT_ONCE - len(tries)
                for one in await self._due(room, Counter(chain(*tries.values()))):
                    task = asyncio.create_task(self._try(one, self._calls))
                    tries[task] = _host_of(one.url), _receiver_of(one.url)
                if tries:
                    # With no room for another call, only the end of one matters.
                    timeout_s = _LOOK_S if len(tries) < _AT_ONCE else None
                    await asyncio.wait(
                        tries, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
                    )
                else:
                    await asyncio.sleep(_LOOK_S)
                tries = {one: to for one, to in tries.items() if not one.done()}
        finally:
            for one in tries:
                one.cancel()

    async def close(self) -> None:
        """Close the connections."""
        if self._calls is not None:
            await self._calls.close()

    async def _due(self, most: int, calls: Mapping[str, int]) -> list[DueWebhook]:
        """Return the webhooks that are due; none if Redis does not respond.

        calls: running calls by host, and by receiver.
        """
        try:
            return await self._store.due_webhooks(most, DELAYS_S, calls, _MOST_OF_HOST)
        except STORE_TROUBLE:  # every request reports it
            return []
        except Exception as error:  # an outermost handler: the next look tries again
            _log.error("webhooks failed", exc_info=error)
            await asyncio.sleep(_AFTER_A_BUG_S)
            return []

    async def _try(self, due: DueWebhook, calls: WebhookCalls) -> None:
        """Make one call. Errors are logged."""
        try:
            # Whatever fails: the next try is due already.
            outcome = await self._outcome(due, calls)
        except (
            *STORE_TROUBLE,
            RefusedError,
            UnreadableError,
            WebhookCallError,
            ValueError,
        ) as error:
            outcome = "failed"
            _log.warning(
                "webhook_failed",
                job_id=due.job_id,
                attempt=due.attempt,
                host=urlsplit(due.url).hostname,
                reason=str(error)[:200],
            )
        except Exception as error:
            outcome = "failed"
            _log.error("webhook failed", job_id=due.job_id, exc_info=error)
        if outcome:
            self._count(outcome)

    async def _outcome(self, due: DueWebhook, calls: WebhookCalls) -> str:
        """Make one call; return its outcome, or an empty string if the job is gone."""
        try:
            job = await self._jobs.view(due.job_id)
        except (ExpiredJobError, UnknownJobError):
            await self._store.webhook_over(due.job_id)
            return ""
        address = WebhookAddress.of(due.url)
        if address.place not in self._hosts:
            raise WebhookCallError(
                "this API may not call the host: "
                "PIXELRNN_WEBHOOK_HOSTS does not list it"
            )
        status = await calls.post(
            address, due.job_id, _body_of(job, self._public_url).encode()
        )
        if not (200 <= status < 300 or status == _GONE):
            raise WebhookCallError(f"the receiver answered {status}")
        outcome = WebhookStatus.GIVEN_UP if status == _GONE else WebhookStatus.DELIVERED
        await self._store.webhook_over(due.job_id, outcome)
        return outcome


def _host_of(url: str) -> str:
    """Return host and port of a URL, as the script that takes due calls counts them:
    in lower case, and without the usual port."""
    return urlsplit(url).netloc.lower().removesuffix(":443")


def _receiver_of(url: str) -> str:
    """Return host and path of a URL, as that script counts receivers."""
    return _host_of(url) + urlsplit(url).path


def _body_of(job: Job, public_url: str) -> str:
    """Return the job as JSON, with absolute addresses if their prefix is known."""
    if not public_url:
        return job.model_dump_json()
    return json.dumps(_whole(job.model_dump(mode="json"), job.links.self, public_url))


def _whole(node: Any, path: str, base: str) -> Any:
    if isinstance(node, dict):
        return {key: _whole(value, path, base) for key, value in node.items()}
    if isinstance(node, list):
        return [_whole(item, path, base) for item in node]
    return base + node if isinstance(node, str) and node.startswith(path) else node
