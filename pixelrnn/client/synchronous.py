"""`Client`: calls that block. It carries out the flows of flows.py; asynchronous.py does the same for asyncio."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx

from pixelrnn.client import documents
from pixelrnn.client.calls import Call, MapKind, Showing, add_model
from pixelrnn.client.feed import Feed, OnEstimate, Reading, Row
from pixelrnn.client.flows import Flow, Flows, JobView, OnProgress, Outcome, Pause, R, Step
from pixelrnn.client.job_calls import Calls
from pixelrnn.client.pictures import array_of, format_of, pictures_of, values_of
from pixelrnn.client.settings import TRIES, Habits, http_options

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

T = TypeVar("T")


class Job(JobView[R]):
    """A job of the service; `state` is the Job document as last seen, R its result."""

    def __init__(self, client: "Client", state: documents.Job) -> None:
        super().__init__(state)
        self._client = client
        self._flows = client.flows

    def refresh(self) -> documents.Job:
        """Ask for the state, and return it."""
        self.state = self._client.run(self._flows.state(self.id))
        return self.state

    def wait(self, timeout_s: float | None = None, on_progress: OnProgress | None = None) -> documents.Job:
        """The state after success. Raises JobEndedError after failure or cancel, TimeoutError when time is up.
        on_progress: called with the state about once a second."""
        return self._client.run(self._flows.end(self, timeout_s, on_progress))

    def result(self, timeout_s: float | None = None, on_progress: OnProgress | None = None) -> R:
        """The job's result: the addresses of images, a score, a verification, what a file is. Waits, and raises, as
        `wait` does."""
        self.wait(timeout_s, on_progress)
        return self.result_of_success()

    def rows(self, on_estimate: OnEstimate | None = None) -> Iterator[Row]:
        """Every row once, in the order of the stream, as they are drawn. Raises JobEndedError at a bad end.
        on_estimate: called with what is expected so far of a completion by particles, up to five times a second."""
        feed = Feed(on_estimate)
        yield from self._client.follow(f"/jobs/{self.id}/events", feed)
        self.state = feed.state or self.state
        self.succeeded()

    def array(self) -> "np.ndarray":
        """All images as numpy has them: bytes 0..255, of a model with a palette its values, (n, height, width,
        channels). Waits, and raises, as `rows`; needs numpy."""
        return array_of(self.state, list(self.rows()))

    def values(self) -> "np.ndarray":
        """All images as the model has them: values 0 to V-1, (n, channels, height, width). Waits, and raises, as
        `wait`; needs numpy."""
        self.wait()
        return values_of(self._client.run(self._flows.image(self.id, "npy")))

    def images(self) -> "list[Image.Image]":
        """All images as Pillow has them. Waits, and raises, as `rows`; needs numpy and Pillow."""
        return pictures_of(self.array(), self.state.get("palette") or ())

    def image(self, sample: int = 0, scale: int = 1, grid: bool = False, stage: documents.Stage = "final") -> bytes:
        """A sample, or all in a grid, as PNG; of a score, its heat map."""
        return self._client.run(self._flows.image(self.id, sample=sample, scale=scale, grid=grid, stage=stage))

    def save(self, path: Path | str, **options: Unpack[Showing]) -> None:
        """Write `image(**options)` to a file, in the format that its name ends in: .png, .webp, .jpg, or all images as
        .npy or .zip. Raises ValueError for another ending."""
        Path(path).write_bytes(self._client.run(self._flows.image(self.id, format_of(path), **options)))

    def score_map(self, picture: int = 0) -> documents.ScoreMap:
        """The bits of every variable, of a finished score; picture: of which of several."""
        return self._client.run(self._flows.score_map(self.id, picture))

    def marginals(self, of: MapKind = "mean", picture: int = 0) -> documents.MarginalMap:
        """The expectation of each pixel, or how uncertain it is, of a finished completion by `posterior`; picture: of
        which of several."""
        return self._client.run(self._flows.marginals(self.id, of, picture))

    def blob(self, timeout_s: float | None = None) -> bytes:
        """The file of an encoding. Waits, and raises, as `wait` does."""
        self.wait(timeout_s)
        return self._client.run(self._flows.blob(self.id))

    def cancel(self) -> documents.Job:
        """Ask the job to stop, and return the state: one that has ended stays as it is. Nothing is deleted: what is
        drawn so far is `image()`, while rows and `images()` raise JobEndedError."""
        return self._client.run(self._flows.cancel(self))

    def finish(self) -> documents.Job:
        """End a training now, with the best so far. Raises ApiError (409) while there is none."""
        return self._client.run(self._flows.finish(self))

    def links(self, expires_in: int = 3600) -> documents.SignedLinks:
        """Addresses of its pictures and events that work without a key for so many seconds, a week at most. Raises
        ApiError (501) where the service has no secret to sign with."""
        return self._client.run(self._flows.links(self.id, expires_in))

    def delete(self) -> None:
        """Delete what the job left. Raises ApiError (409) while it is queued or running: cancel it first."""
        self._client.run(self._flows.delete(self.id))


class Client(Calls):
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
        self._http = httpx.Client(**http_options(url, key, timeout))
        self._habits = Habits(tries, timeout)
        self.flows = Flows(self._habits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def models(self) -> list[documents.Model]:
        """Cards of the models that live workers hold."""
        return self.run(self.flows.models())

    def add_model(
        self, directory: Path, shared: bool = False, instead_of: str | None = None
    ) -> Job[documents.AddResult]:
        """Add the model of a directory, for this key alone or for everybody; it is served when the job has succeeded.
        instead_of: the identity of one's own model of this name, which it replaces. Raises OSError, ValueError where it
        is none."""
        return self.start(add_model(directory, shared, instead_of))

    def remove_model(self, name: str) -> None:
        """Take one's own model away."""
        self.run(self.flows.remove_model(name))

    def download_model(self, name: str) -> bytes:
        """A zip with the directory of a model that was added."""
        return self.run(self.flows.download_model(name))

    def start(self, call: Call) -> Job[Any]:
        """Send a call that is answered with a job."""
        return Job(self, self.run(self.flows.start(call)))

    def job(self, job_id: str) -> Job[documents.Result]:
        """A job by its id."""
        return Job(self, self.run(self.flows.state(job_id)))

    def jobs(
        self, status: documents.JobStatus | None = None, kind: documents.JobKind | None = None
    ) -> Iterator[Job[documents.Result]]:
        """Newest first."""
        cursor = None
        while True:
            page = self.run(self.flows.page(status, kind, cursor))
            for state in page["jobs"]:
                yield Job(self, state)
            if (cursor := page["next_cursor"]) is None:
                return

    def send(self, call: Call) -> httpx.Response:
        """A call of one's own, with the retries of all others. Raises ApiError, UnreachableError."""
        return self.run(self.flows.answer(call))

    def follow(self, path: str, feed: Feed) -> Iterator[Row]:
        """The rows of an event stream to its end, over as many connections as it takes."""
        reading = Reading(feed, self._habits)
        while not feed.has_ended:
            try:
                with self._http.stream("GET", path, headers=feed.headers()) as response:
                    if not response.is_success:
                        response.read()
                    if reading.opened(response):
                        for text in response.iter_text():
                            yield from reading.take(text)
                        reading.closed()
            except httpx.TransportError as error:
                reading.closed(error)
            time.sleep(reading.pause_s)

    def run(self, flow: Flow[T]) -> T:
        """Carry out a flow: its result."""
        outcome: Outcome = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = self._carry_out(step)

    def _carry_out(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        try:
            return self._http.request(step.method, step.path, **step.arguments())
        except httpx.TransportError as error:
            return error
