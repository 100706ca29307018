"""The client's operations, without their doing: each is a generator that says what to send and how long to pause.

    flow yields Call(...)        the client sends it, and hands back the response or the error of the connection
    flow yields Pause(seconds)   the client waits
    flow returns                 the result

Client and AsyncClient carry flows out, one by blocking and one by awaiting; everything else is here, once.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, Unpack, cast

import httpx

from pixelrnn.client import calls, documents
from pixelrnn.client.answers import check_type, document
from pixelrnn.client.calls import Call, MapKind, Showing
from pixelrnn.client.errors import ApiError, JobEndedError
from pixelrnn.client.patience import Patience
from pixelrnn.client.settings import Habits

T = TypeVar("T")
R = TypeVar("R", bound=documents.Result, covariant=True)
"""The result that a job of its kind has."""
LONG_POLL_S = 20.0
_PROGRESS_S = 1.0
"""How often somebody who wants to know is told."""
_ACTIVE = ("queued", "running")
_GONE = 410
_TYPES = {"npy": "application/x-npy", "zip": "application/zip"}


@dataclass(frozen=True)
class Pause:
    seconds: float


Step = Call | Pause
Outcome = httpx.Response | httpx.TransportError | None
Flow = Generator[Step, Outcome, T]
OnProgress = Callable[[documents.Job], object]
"""Told the job's state about once a second while it is waited for: `progress`, `eta_s`, `position`, ..."""


class JobView(Generic[R]):
    """A job of the service; `state` is the Job document as last seen."""

    def __init__(self, state: documents.Job) -> None:
        self.state = state
        self.id = state["id"]
        self.was_canceled_here = False

    def __repr__(self) -> str:
        state = self.state
        said = f"{state['kind']} by {state['model']}, {state['status']}, {state['progress']:.0%}"
        return f"<{type(self).__name__} {self.id}: {said}>"

    def succeeded(self) -> documents.Job:
        """The state, if it is that of a success. Raises JobEndedError."""
        if self.state["status"] != "succeeded":
            raise JobEndedError(self.state, self.was_canceled_here)
        return self.state

    def result_of_success(self) -> R:
        """The result, if it is that of a success. Raises JobEndedError."""
        return cast(R, self.succeeded()["result"])


class Flows:
    """Every operation of a client with these habits. All may raise ServiceError."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits

    def answer(self, call: Call) -> Flow[httpx.Response]:
        """The good answer to a call, after as many tries as it takes."""
        patience = Patience(self._habits)
        while True:
            outcome = yield call
            if isinstance(outcome, httpx.Response):
                pause_s = patience.after_answer(outcome)
                if pause_s is None:
                    return outcome
            else:
                pause_s = patience.after_silence(outcome)
            yield Pause(pause_s)

    def models(self) -> Flow[list[documents.Model]]:
        return (yield from self._document(calls.get("/models"), "models"))["models"]

    def remove_model(self, name: str) -> Flow[None]:
        yield from self.answer(Call("DELETE", f"/models/{name}"))

    def download_model(self, name: str) -> Flow[bytes]:
        answer = yield from self.answer(calls.get(f"/models/{name}/download"))
        check_type(answer, "application/zip")
        return answer.content

    def start(self, call: Call) -> Flow[documents.Job]:
        """Send a call that is answered with a job."""
        return (yield from self._job(call))

    def state(self, job_id: str) -> Flow[documents.Job]:
        return (yield from self._job(calls.get(f"/jobs/{job_id}")))

    def page(
        self,
        status: documents.JobStatus | None,
        kind: documents.JobKind | None,
        cursor: str | None,
    ) -> Flow[documents.JobList]:
        call = calls.get("/jobs", status=status, kind=kind, cursor=cursor)
        return (yield from self._document(call, "jobs", "next_cursor"))

    def end(
        self,
        job: JobView[documents.Result],
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Flow[documents.Job]:
        """The job's state after success. Raises JobEndedError after failure or cancel, TimeoutError when time is up."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        poll_s = self._habits.poll_s(
            LONG_POLL_S if on_progress is None else _PROGRESS_S
        )
        while job.state["status"] in _ACTIVE:
            left_s = poll_s if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(
                    f"job {job.id} is {job.state['status']} after {timeout_s} s"
                )
            job.state = yield from self._job(
                calls.get(f"/jobs/{job.id}", wait=min(left_s, poll_s))
            )
            if on_progress is not None:
                on_progress(job.state)
        return job.succeeded()

    def image(
        self, job_id: str, kind: str = "png", **showing: Unpack[Showing]
    ) -> Flow[bytes]:
        """A picture in a format; as `npy` and `zip` all of them, unless one is named."""
        answer = yield from self.answer(
            calls.get(f"/jobs/{job_id}/image", format=kind, **showing)
        )
        check_type(answer, _TYPES.get(kind, "image/"))
        return answer.content

    def score_map(self, job_id: str, picture: int) -> Flow[documents.ScoreMap]:
        return (
            yield from self._document(
                calls.get(f"/jobs/{job_id}/score-map", picture=picture or None)
            )
        )

    def blob(self, job_id: str) -> Flow[bytes]:
        answer = yield from self.answer(calls.get(f"/jobs/{job_id}/blob"))
        check_type(answer, "application/vnd.pixelrnn")
        return answer.content

    def marginals(
        self, job_id: str, of: MapKind, picture: int
    ) -> Flow[documents.MarginalMap]:
        asked = calls.get(f"/jobs/{job_id}/marginals", of=of, picture=picture or None)
        call = replace(asked, headers={"Accept": "application/json"})
        return (yield from self._document(call))

    def cancel(self, job: JobView[documents.Result]) -> Flow[documents.Job]:
        """The job as it is then: it may end a moment later, or have ended before."""
        job.state = yield from self._job(Call("POST", f"/jobs/{job.id}/cancel"))
        job.was_canceled_here = True
        return job.state

    def finish(self, job: JobView[documents.Result]) -> Flow[documents.Job]:
        """The job as it is then: it ends a moment later."""
        job.state = yield from self._job(Call("POST", f"/jobs/{job.id}/finish"))
        return job.state

    def links(self, job_id: str, expires_in: int) -> Flow[documents.SignedLinks]:
        call = Call("POST", f"/jobs/{job_id}/links", body={"expires_in": expires_in})
        return (yield from self._document(call))

    def delete(self, job_id: str) -> Flow[None]:
        """A job that is gone already was deleted by an earlier try, or by somebody else: both are fine."""
        try:
            yield from self.answer(Call("DELETE", f"/jobs/{job_id}"))
        except ApiError as error:
            if error.status != _GONE:
                raise

    def _job(self, call: Call) -> Flow[documents.Job]:
        return (yield from self._document(call, "id", "status"))

    def _document(self, call: Call, *needed: str) -> Flow[Any]:
        return document((yield from self.answer(call)), *needed)
