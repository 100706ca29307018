"""`AsyncClient`, for asyncio: it carries out the flows of flows.py.

docs/make_client.py writes synchronous.py, whose `Client` blocks, from this file: what is said here is true of both.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx

from pixelrnn.client import documents
from pixelrnn.client.calls import Call, MapKind, Showing, add_model
from pixelrnn.client.feed import Feed, OnEstimate, Reading, Row
from pixelrnn.client.flows import (
    Flow,
    Flows,
    JobView,
    OnProgress,
    Outcome,
    Pause,
    R,
    Step,
)
from pixelrnn.client.job_calls import AsyncCalls
from pixelrnn.client.pictures import array_of, format_of, pictures_of, values_of
from pixelrnn.client.settings import TRIES, Habits, http_options

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

T = TypeVar("T")


class AsyncJob(JobView[R]):
    """A job of the service; `state` is the Job document as last seen, R its result."""

    def __init__(self, client: "AsyncClient", state: documents.Job) -> None:
        super().__init__(state)
        self._client = client
        self._flows = client.flows

    async def refresh(self) -> documents.Job:
        """Ask for the state, and return it."""
        self.state = await self._client.run(self._flows.state(self.id))
        return self.state

    async def wait(
        self, timeout_s: float | None = None, on_progress: OnProgress | None = None
    ) -> documents.Job:
        """The state after success. Raises JobEndedError after failure or cancel, TimeoutError when time is up.
        on_progress: called with the state about once a second."""
        return await self._client.run(self._flows.end(self, timeout_s, on_progress))

    async def result(
        self, timeout_s: float | None = None, on_progress: OnProgress | None = None
    ) -> R:
        """The job's result: the addresses of images, a score, a verification, what a file is. Waits, and raises, as
        `wait` does."""
        await self.wait(timeout_s, on_progress)
        return self.result_of_success()

    async def rows(self, on_estimate: OnEstimate | None = None) -> AsyncIterator[Row]:
        """Every row once, in the order of the stream, as they are drawn. Raises JobEndedError at a bad end.
        on_estimate: called with what is expected so far of a completion by particles, up to five times a second."""
        feed = Feed(on_estimate)
        async for row in self._client.follow(f"/jobs/{self.id}/events", feed):
            yield row
        self.state = feed.state or self.state
        self.succeeded()

    async def array(self) -> "np.ndarray":
        """All images as numpy has them: bytes 0..255, of a model with a palette its values, (n, height, width,
        channels). Waits, and raises, as `rows`; needs numpy."""
        return array_of(self.state, [row async for row in self.rows()])

    async def values(self) -> "np.ndarray":
        """All images as the model has them: values 0 to V-1, (n, channels, height, width). Waits, and raises, as
        `wait`; needs numpy."""
        await self.wait()
        return values_of(await self._client.run(self._flows.image(self.id, "npy")))

    async def images(self) -> "list[Image.Image]":
        """All images as Pillow has them. Waits, and raises, as `rows`; needs numpy and Pillow."""
        return pictures_of(await self.array(), self.state.get("palette") or ())

    async def image(
        self,
        sample: int = 0,
        scale: int = 1,
        grid: bool = False,
        stage: documents.Stage = "final",
    ) -> bytes:
        """A sample, or all in a grid, as PNG; of a score, its heat map."""
        return await self._client.run(
            self._flows.image(
                self.id, sample=sample, scale=scale, grid=grid, stage=stage
            )
        )

    async def save(self, path: Path | str, **options: Unpack[Showing]) -> None:
        """Write `image(**options)` to a file, in the format that its name ends in: .png, .webp, .jpg, or all images as
        .npy or .zip. Raises ValueError for another ending."""
        Path(path).write_bytes(
            await self._client.run(
                self._flows.image(self.id, format_of(path), **options)
            )
        )

    async def score_map(self, picture: int = 0) -> documents.ScoreMap:
        """The bits of every variable, of a finished score; picture: of which of several."""
        return await self._client.run(self._flows.score_map(self.id, picture))

    async def marginals(
        self, of: MapKind = "mean", picture: int = 0
    ) -> documents.MarginalMap:
        """The expectation of each pixel, or how uncertain it is, of a finished completion by `posterior`; picture: of
        which of several."""
        return await self._client.run(self._flows.marginals(self.id, of, picture))

    async def blob(self, timeout_s: float | None = None) -> bytes:
        """The file of an encoding. Waits, and raises, as `wait` does."""
        await self.wait(timeout_s)
        return await self._client.run(self._flows.blob(self.id))

    async def cancel(self) -> documents.Job:
        """Ask the job to stop, and return the state: one that has ended stays as it is. Nothing is deleted: what is
        drawn so far is `image()`, while rows and `images()` raise JobEndedError."""
        return await self._client.run(self._flows.cancel(self))

    async def finish(self) -> documents.Job:
        """End a training now, with the best so far. Raises ApiError (409) while there is none."""
        return await self._client.run(self._flows.finish(self))

    async def links(self, expires_in: int = 3600) -> documents.SignedLinks:
        """Addresses of its pictures and events that work without a key for so many seconds, a week at most. Raises
        ApiError (501) where the service has no secret to sign with."""
        return await self._client.run(self._flows.links(self.id, expires_in))

    async def delete(self) -> None:
        """Delete what the job left. Raises ApiError (409) while it is queued or running: cancel it first."""
        await self._client.run(self._flows.delete(self.id))


class AsyncClient(AsyncCalls):
    """The service at `url`. `key`: an API key, where keys are asked for. `timeout`: seconds without an answer after
    which a call is given up; without it, after `tries` tries, or sooner where nobody has ever answered. Every call may
    raise ServiceError; AddressError at once where `url` is none."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        tries: int = TRIES,
        timeout: float | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(**http_options(url, key, timeout))
        self._habits = Habits(tries, timeout)
        self.flows = Flows(self._habits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def models(self) -> list[documents.Model]:
        """Cards of the models that live workers hold."""
        return await self.run(self.flows.models())

    async def add_model(
        self, directory: Path, shared: bool = False, instead_of: str | None = None
    ) -> AsyncJob[documents.AddResult]:
        """Add the model of a directory, for this key alone or for everybody; it is served when the job has succeeded.
        instead_of: the identity of one's own model of this name, which it replaces. Raises OSError, ValueError where it
        is none."""
        return await self.start(add_model(directory, shared, instead_of))

    async def remove_model(self, name: str) -> None:
        """Take one's own model away."""
        await self.run(self.flows.remove_model(name))

    async def download_model(self, name: str) -> bytes:
        """A zip with the directory of a model that was added."""
        return await self.run(self.flows.download_model(name))

    async def start(self, call: Call) -> AsyncJob[Any]:
        """Send a call that is answered with a job."""
        return AsyncJob(self, await self.run(self.flows.start(call)))

    async def job(self, job_id: str) -> AsyncJob[documents.Result]:
        """A job by its id."""
        return AsyncJob(self, await self.run(self.flows.state(job_id)))

    async def jobs(
        self,
        status: documents.JobStatus | None = None,
        kind: documents.JobKind | None = None,
    ) -> AsyncIterator[AsyncJob[documents.Result]]:
        """Newest first."""
        cursor = None
        while True:
            page = await self.run(self.flows.page(status, kind, cursor))
            for state in page["jobs"]:
                yield AsyncJob(self, state)
            if (cursor := page["next_cursor"]) is None:
                return

    async def send(self, call: Call) -> httpx.Response:
        """A call of one's own, with the retries of all others. Raises ApiError, UnreachableError."""
        return await self.run(self.flows.answer(call))

    async def follow(self, path: str, feed: Feed) -> AsyncIterator[Row]:
        """The rows of an event stream to its end, over as many connections as it takes."""
        reading = Reading(feed, self._habits)
        while not feed.has_ended:
            try:
                async with self._http.stream(
                    "GET", path, headers=feed.headers()
                ) as response:
                    if not response.is_success:
                        await response.aread()
                    if reading.opened(response):
                        async for text in response.aiter_text():
                            for row in reading.take(text):
                                yield row
                        reading.closed()
            except httpx.TransportError as error:
                reading.closed(error)
            await asyncio.sleep(reading.pause_s)

    async def run(self, flow: Flow[T]) -> T:
        """Carry out a flow: its result."""
        outcome: Outcome = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = await self._carry_out(step)

    async def _carry_out(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        try:
            return await self._http.request(step.method, step.path, **step.arguments())
        except httpx.TransportError as error:
            return error
