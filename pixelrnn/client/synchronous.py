"""`Client`: calls that block. Its asyncio twin is asynchronous.py."""

import time
from collections.abc import Iterator
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


class Job:
    """A job of the service; `state` is the Job document as last seen."""

    def __init__(self, client: "Client", state: dict[str, Any]) -> None:
        self._client = client
        self.state = state
        self.id: str = state["id"]

    def refresh(self) -> dict[str, Any]:
        """Ask for the state, and return it."""
        self.state = self._client.send(calls.get(f"/jobs/{self.id}")).json()
        return self.state

    def wait(self, timeout_s: float | None = None) -> dict[str, Any]:
        """The state after success. Raises JobEndedError after failure or cancel, TimeoutError when time is up."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self.state["status"] in ("queued", "running"):
            left_s = LONG_POLL_S if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"job {self.id} is {self.state['status']} after {timeout_s} s")
            self.state = self._client.send(calls.get(f"/jobs/{self.id}", wait=min(left_s, LONG_POLL_S))).json()
        return self._succeeded()

    def rows(self) -> Iterator[Row]:
        """Every row once, in the order of the stream, as they are drawn. Raises JobEndedError at a bad end."""
        feed = Feed()
        yield from self._client.follow(f"/jobs/{self.id}/events", feed)
        self.state = feed.state or self.state
        self._succeeded()

    def image(self, sample: int = 0, scale: int = 1, grid: bool = False, stage: str = "final") -> bytes:
        """A sample, or all in a grid, as PNG; of a score, its heat map."""
        query = {"sample": sample, "scale": scale, "grid": grid, "stage": stage}
        return self._client.send(calls.image(self.id, **query)).content

    def save(self, path: Path | str, **options: Any) -> None:
        """Write `image(**options)` to a file."""
        Path(path).write_bytes(self.image(**options))

    def score_map(self) -> dict[str, Any]:
        """Of a finished score: the bits of every variable."""
        return self._client.send(calls.get(f"/jobs/{self.id}/score-map")).json()

    def cancel(self) -> None:
        """Ask an active job to stop, or delete what a finished one left."""
        self._client.send(Call("DELETE", f"/jobs/{self.id}"))

    def _succeeded(self) -> dict[str, Any]:
        if self.state["status"] != "succeeded":
            raise JobEndedError(self.state)
        return self.state


class Client(Drawing[Job]):
    """The service at `url`. `key`: an API key, where keys are asked for. Every call may raise ServiceError."""

    def __init__(self, url: str = "http://127.0.0.1:8000", key: str | None = None, tries: int = TRIES) -> None:
        self._http = httpx.Client(**http_options(url, key))
        self._tries = tries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def models(self) -> list[dict[str, Any]]:
        """Cards of the models that live workers hold."""
        return self.send(calls.get("/models")).json()["models"]

    def job(self, job_id: str) -> Job:
        """A job by its id."""
        return Job(self, self.send(calls.get(f"/jobs/{job_id}")).json())

    def jobs(self, status: str | None = None, kind: str | None = None) -> Iterator[Job]:
        """Newest first."""
        cursor = None
        while True:
            page = self.send(calls.get("/jobs", status=status, kind=kind, cursor=cursor)).json()
            yield from (Job(self, state) for state in page["jobs"])
            if (cursor := page["next_cursor"]) is None:
                return

    def send(self, call: Call) -> httpx.Response:
        """A call of one's own, with the retries of all others. Raises ApiError, UnreachableError."""
        patience = Patience(self._tries)
        while True:
            try:
                response = self._http.request(call.method, call.path, **call.arguments())
                pause_s = patience.after_answer(response)
            except httpx.TransportError as error:
                pause_s = patience.after_silence(error)
            else:
                if pause_s is None:
                    return response
            time.sleep(pause_s)

    def follow(self, path: str, feed: Feed) -> Iterator[Row]:
        """The rows of an event stream to its end, over as many connections as it takes."""
        patience = Patience(self._tries)
        while not feed.has_ended:
            try:
                with self._http.stream("GET", path, headers=feed.headers()) as response:
                    if not response.is_success:
                        response.read()
                    pause_s = patience.after_answer(response)
                    if pause_s is None:
                        for line in response.iter_lines():
                            if (row := feed.take(line)) is not None:
                                patience.renew()
                                yield row
                        pause_s = 0.0 if feed.has_ended else patience.after_silence(None)
            except httpx.TransportError as error:
                pause_s = patience.after_silence(error)
            time.sleep(pause_s)

    def start(self, call: Call) -> Job:
        """Send a call that is answered with a job."""
        return Job(self, self.send(call).json())
