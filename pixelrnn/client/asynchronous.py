"""`AsyncClient`: the client of synchronous.py, for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from pixelrnn.client import calls
from pixelrnn.client.calls import Call
from pixelrnn.client.drawing import Drawing
from pixelrnn.client.errors import JobEndedError
from pixelrnn.client.feed import Feed, Row
from pixelrnn.client.patience import Patience
from pixelrnn.client.settings import LONG_POLL_S, TRIES, http_options


class AsyncJob:
    """A job of the service; `state` is the Job document as last seen."""

    def __init__(self, client: "AsyncClient", state: dict[str, Any]) -> None:
        self._client = client
        self.state = state
        self.id: str = state["id"]

    async def refresh(self) -> dict[str, Any]:
        """Ask for the state, and return it."""
        self.state = (await self._client.send(calls.get(f"/jobs/{self.id}"))).json()
        return self.state

    async def wait(self) -> dict[str, Any]:
        """The state after success; JobEndedError after failure or cancel. Limit it with asyncio.timeout."""
        while self.state["status"] in ("queued", "running"):
            self.state = (await self._client.send(calls.get(f"/jobs/{self.id}", wait=LONG_POLL_S))).json()
        return self._succeeded()

    async def rows(self) -> AsyncIterator[Row]:
        """Every row once, in the order of the stream, as they are drawn. Raises JobEndedError at a bad end."""
        feed = Feed()
        async for row in self._client.follow(f"/jobs/{self.id}/events", feed):
            yield row
        self.state = feed.state or self.state
        self._succeeded()

    async def image(self, sample: int = 0, scale: int = 1, grid: bool = False, stage: str = "final") -> bytes:
        """A sample, or all in a grid, as PNG; of a score, its heat map."""
        query = {"sample": sample, "scale": scale, "grid": grid, "stage": stage}
        return (await self._client.send(calls.image(self.id, **query))).content

    async def save(self, path: Path | str, **options: Any) -> None:
        """Write `image(**options)` to a file."""
        await asyncio.to_thread(Path(path).write_bytes, await self.image(**options))

    async def score_map(self) -> dict[str, Any]:
        """Of a finished score: the bits of every variable."""
        return (await self._client.send(calls.get(f"/jobs/{self.id}/score-map"))).json()

    async def cancel(self) -> None:
        """Ask an active job to stop, or delete what a finished one left."""
        await self._client.send(Call("DELETE", f"/jobs/{self.id}"))

    def _succeeded(self) -> dict[str, Any]:
        if self.state["status"] != "succeeded":
            raise JobEndedError(self.state)
        return self.state


class AsyncClient(Drawing[Awaitable[AsyncJob]]):
    """The service at `url`. `key`: an API key, where keys are asked for. Every call may raise ServiceError."""

    def __init__(self, url: str = "http://127.0.0.1:8000", key: str | None = None, tries: int = TRIES) -> None:
        self._http = httpx.AsyncClient(**http_options(url, key))
        self._tries = tries

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def models(self) -> list[dict[str, Any]]:
        """Cards of the models that live workers hold."""
        return (await self.send(calls.get("/models"))).json()["models"]

    async def start(self, call: Call) -> AsyncJob:
        """Send a call that is answered with a job."""
        return AsyncJob(self, (await self.send(call)).json())

    async def job(self, job_id: str) -> AsyncJob:
        """A job by its id."""
        return AsyncJob(self, (await self.send(calls.get(f"/jobs/{job_id}"))).json())

    async def jobs(self, status: str | None = None, kind: str | None = None) -> AsyncIterator[AsyncJob]:
        """Newest first."""
        cursor = None
        while True:
            page = (await self.send(calls.get("/jobs", status=status, kind=kind, cursor=cursor))).json()
            for state in page["jobs"]:
                yield AsyncJob(self, state)
            if (cursor := page["next_cursor"]) is None:
                return

    async def send(self, call: Call) -> httpx.Response:
        """A call of one's own, with the retries of all others. Raises ApiError, UnreachableError."""
        patience = Patience(self._tries)
        while True:
            try:
                response = await self._http.request(call.method, call.path, **call.arguments())
                pause_s = patience.after_answer(response)
            except httpx.TransportError as error:
                pause_s = patience.after_silence(error)
            else:
                if pause_s is None:
                    return response
            await asyncio.sleep(pause_s)

    async def follow(self, path: str, feed: Feed) -> AsyncIterator[Row]:
        """The rows of an event stream to its end, over as many connections as it takes."""
        patience = Patience(self._tries)
        while not feed.has_ended:
            try:
                async with self._http.stream("GET", path, headers=feed.headers()) as response:
                    if not response.is_success:
                        await response.aread()
                    pause_s = patience.after_answer(response)
                    if pause_s is None:
                        async for line in response.aiter_lines():
                            if (row := feed.take(line)) is not None:
                                patience.renew()
                                yield row
                        pause_s = 0.0 if feed.has_ended else patience.after_silence(None)
            except httpx.TransportError as error:
                pause_s = patience.after_silence(error)
            await asyncio.sleep(pause_s)
