"""The client's operations without input and output: each is a generator that yields
what to send and how long to pause.

    flow yields Call(...)        the client sends it, and sends back the response or the
                                 connection's error
    flow yields Pause(seconds)   the client waits
    flow returns                 the result

Client executes flows by blocking, and AsyncClient by awaiting. Everything else is here,
once.
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
"""The type of a job's result."""
LONG_POLL_S = 20.0
"""Seconds for which the service may hold back a response until the job ends."""
_PROGRESS_S = 1.0
"""Seconds between two calls of on_progress."""
_ACTIVE = ("queued", "running")
_JOB = ("id", "status")
"""Fields that every Job document has."""
_UNKNOWN = 404
_CONFLICT = 409
_GONE = 410
# Media types of a picture's formats that are not images.
_TYPES = {"npy": "application/x-npy", "zip": "application/zip"}


@dataclass(frozen=True)
class Pause:
    """An instruction to the client to wait."""

    seconds: float


Step = Call | Pause
"""What a flow yields."""
Outcome = httpx.Response | httpx.TransportError | None
"""What is sent back to a flow: the result of a call, or None after a pause."""
Flow = Generator[Step, Outcome, T]
"""An operation whose result is a T."""
OnProgress = Callable[[documents.Job], object]
"""Called with the job's state (`progress`, `eta_s`, `position`, ...) about once a
second while the client waits for the job."""


class JobView(Generic[R]):
    """A job of the service.

    id: its id.
    state: the last Job document that was received.
    was_canceled_here: True if this object cancelled it.
    """

    def __init__(self, state: documents.Job) -> None:
        """state: the job's document, as the service sent it."""
        self.state = state
        self.id = state["id"]
        self.was_canceled_here = False

    def __repr__(self) -> str:
        state = self.state
        facts = (
            f"{state['kind']} by {state['model']}, {state['status']}, "
            f"{state['progress']:.0%}"
        )
        return f"<{type(self).__name__} {self.id}: {facts}>"

    def succeeded(self) -> documents.Job:
        """Return the state of a job that has succeeded. Raise JobEndedError if it has
        not."""
        if self.state["status"] != "succeeded":
            raise JobEndedError(self.state, self.was_canceled_here)
        return self.state

    def result_of_success(self) -> R:
        """Return the result of a job that has succeeded. Raise JobEndedError if it has
        not."""
        return cast(R, self.succeeded()["result"])


class Flows:
    """Every operation of a client, as a generator of calls and pauses that the client
    carries out (see the module). Each may raise ServiceError."""

    def __init__(self, habits: Habits) -> None:
        """habits: how often each call is tried, and for how long."""
        self._habits = habits

    def answer(
        self, call: Call, patience: Patience | None = None
    ) -> Flow[httpx.Response]:
        """Return the successful response to a call, after as many tries as the habits
        allow. Raise ApiError if the service refuses, UnreachableError if it does not
        respond.

        patience: counts the tries, for a caller that reads from it afterwards whether
            an earlier try may have been carried out. Default: a new one.
        """
        patience = patience or Patience(self._habits)
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
        """Return the cards of the models."""
        return (yield from self._document(calls.get("/models"), "models"))["models"]

    def remove_model(self, name: str) -> Flow[None]:
        """Remove a model."""
        patience = Patience(self._habits)
        try:
            yield from self.answer(
                Call("DELETE", calls.resource("models", name)), patience
            )
        except ApiError as error:
            # The service does not remember removed models: it answers a second request
            # like one for a model that never was there.
            if error.status != _UNKNOWN or not patience.may_be_done:
                raise

    def download_model(self, name: str) -> Flow[bytes]:
        """Return a zip with the model's directory."""
        answer = yield from self.answer(
            calls.get(calls.resource("models", name, "download"))
        )
        check_type(answer, "application/zip")
        return answer.content

    def start(self, call: Call) -> Flow[documents.Job]:
        """Send a call to which the service responds with a job, and return its
        state."""
        return (yield from self._job(call))

    def state(self, job_id: str) -> Flow[documents.Job]:
        """Return the state of a job."""
        return (yield from self._job(calls.get(calls.resource("jobs", job_id))))

    def page(
        self,
        status: documents.JobStatus | None,
        kind: documents.JobKind | None,
        cursor: str | None,
    ) -> Flow[documents.JobList]:
        """Return a page of the list of jobs.

        status, kind: only jobs with these; None for all.
        cursor: that of the previous page; None for the first.
        """
        call = calls.get("/jobs", status=status, kind=kind, cursor=cursor)
        return (yield from self._document(call, "jobs", "next_cursor"))

    def end(
        self,
        job: JobView[documents.Result],
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Flow[documents.Job]:
        """Wait until the job has succeeded, and return its state. Update `job.state`
        with each response.

        timeout_s: seconds to wait; None: as long as it takes.
        on_progress: called with the state after each response, about once a second.

        Raises JobEndedError if the job failed or was cancelled, TimeoutError after
        timeout_s seconds.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        longest_s = LONG_POLL_S if on_progress is None else _PROGRESS_S
        poll_s = self._habits.poll_s(longest_s)
        while job.state["status"] in _ACTIVE:
            left_s = poll_s if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(
                    f"job {job.id} is {job.state['status']} after {timeout_s} s"
                )
            call = calls.get(calls.resource("jobs", job.id), wait=min(left_s, poll_s))
            job.state = yield from self._job(call)
            if on_progress is not None:
                on_progress(job.state)
        return job.succeeded()

    def image(
        self, job_id: str, kind: str = "png", **showing: Unpack[Showing]
    ) -> Flow[bytes]:
        """Return a picture of a job as a file of this format: png, jpeg, webp, npy
        or zip. The formats `npy` and `zip` contain all images, unless `showing`
        names one."""
        call = calls.get(
            calls.resource("jobs", job_id, "image"), format=kind, **showing
        )
        answer = yield from self.answer(call)
        check_type(answer, _TYPES.get(kind, "image/"))
        return answer.content

    def score_map(self, job_id: str, picture: int) -> Flow[documents.ScoreMap]:
        """Return the bits of every variable of a score.

        picture: index of the picture.
        """
        # The first picture is the service's default and is not sent.
        call = calls.get(
            calls.resource("jobs", job_id, "score-map"), picture=picture or None
        )
        return (yield from self._document(call))

    def blob(self, job_id: str) -> Flow[bytes]:
        """Return the file of an encoding."""
        answer = yield from self.answer(
            calls.get(calls.resource("jobs", job_id, "blob"))
        )
        check_type(answer, "application/vnd.pixelrnn")
        return answer.content

    def marginals(
        self, job_id: str, of: MapKind, picture: int
    ) -> Flow[documents.MarginalMap]:
        """Return the marginals of each pixel of a completion as numbers.

        of: `mean` or `entropy`.
        picture: index of the picture.
        """
        call = calls.get(
            calls.resource("jobs", job_id, "marginals"), of=of, picture=picture or None
        )
        as_json = replace(call, headers={"Accept": "application/json"})
        return (yield from self._document(as_json))

    def cancel(self, job: JobView[documents.Result]) -> Flow[documents.Job]:
        """Ask the service to cancel the job, and return its state at that moment. The
        job may end a little later, or may have ended before."""
        job.state = yield from self._job(
            Call("POST", calls.resource("jobs", job.id, "cancel"))
        )
        job.was_canceled_here = True
        return job.state

    def finish(self, job: JobView[documents.Result]) -> Flow[documents.Job]:
        """End a training with its best weights so far, and return its state at that
        moment. It ends a little later."""
        patience = Patience(self._habits)
        call = Call("POST", calls.resource("jobs", job.id, "finish"))
        try:
            job.state = document((yield from self.answer(call, patience)), *_JOB)
        except ApiError as error:
            if error.status != _CONFLICT or not patience.may_be_done:
                raise
            job.state = yield from self.state(job.id)
            # An earlier try has ended it, unless it still runs without better weights.
            if job.state["status"] in _ACTIVE:
                raise
        return job.state

    def links(self, job_id: str, expires_in: int) -> Flow[documents.SignedLinks]:
        """Return URLs of the job that work without a key for `expires_in` seconds."""
        call = Call(
            "POST",
            calls.resource("jobs", job_id, "links"),
            body={"expires_in": expires_in},
        )
        return (yield from self._document(call))

    def delete(self, job_id: str) -> Flow[None]:
        """Delete a job."""
        try:
            yield from self.answer(Call("DELETE", calls.resource("jobs", job_id)))
        except ApiError as error:
            # An earlier try, or somebody else, has deleted it: that is a success too.
            if error.status != _GONE:
                raise

    def _job(self, call: Call) -> Flow[documents.Job]:
        return (yield from self._document(call, *_JOB))

    def _document(self, call: Call, *needed: str) -> Flow[Any]:
        """Return the JSON object that a call is answered with.

        needed: fields that it must have.
        """
        return document((yield from self.answer(call)), *needed)
