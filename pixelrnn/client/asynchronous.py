"""`AsyncClient`, for asyncio: it executes the flows of flows.py.

docs/tools/make_client.py writes synchronous.py, with the blocking `Client`, from this file.
What is stated here is true of both.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

import httpx

from pixelrnn.client import calls, documents
from pixelrnn.client.calls import Call, Label, MapKind, Showing
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
from pixelrnn.client.pictures import (
    Picture,
    Several,
    array_of,
    format_of,
    pictures_of,
    values_of,
)
from pixelrnn.client.settings import TRIES, Habits, http_options

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

T = TypeVar("T")


class AsyncJob(JobView[R]):
    """A job of the service; R is the type of its result.

    id: its id.
    state: the last Job document that was received.
    """

    def __init__(self, client: "AsyncClient", state: documents.Job) -> None:
        """client: the one that sends the job's calls.
        state: its document, as the service sent it."""
        super().__init__(state)
        self._client = client
        self._flows = client.flows

    async def refresh(self) -> documents.Job:
        """Request the job's state, and return it."""
        self.state = await self._client.run(self._flows.state(self.id))
        return self.state

    async def wait(
        self, timeout_s: float | None = None, on_progress: OnProgress | None = None
    ) -> documents.Job:
        """Wait until the job has succeeded, and return its state.

        timeout_s: seconds to wait. Default: for ever.
        on_progress: called with the state about once a second.

        Raises JobEndedError if the job failed or was cancelled, TimeoutError if the
        time is over.
        """
        return await self._client.run(self._flows.end(self, timeout_s, on_progress))

    async def result(
        self, timeout_s: float | None = None, on_progress: OnProgress | None = None
    ) -> R:
        """Wait like `wait`, with its errors, and return the job's result: the addresses
        of images, a score, a verification, facts about a file."""
        await self.wait(timeout_s, on_progress)
        return self.result_of_success()

    async def rows(self, on_estimate: OnEstimate | None = None) -> AsyncIterator[Row]:
        """Yield every row once, in the order of the stream, as it is drawn. Raise
        JobEndedError if the job fails or is cancelled.

        on_estimate: called, in a completion by particles, with the estimate so far, up
            to five times a second.
        """
        feed = Feed(on_estimate)
        async for row in self._client.follow(
            calls.resource("jobs", self.id, "events"), feed
        ):
            yield row
        self.state = feed.state or self.state
        self.succeeded()

    async def array(self) -> "np.ndarray":
        """Wait for all rows, and return all images as a numpy array (n, height, width,
        channels): bytes 0..255, or values in a model with a palette. Raises
        JobEndedError like `rows`, and ServiceError for a job that draws no images of
        the model's size; needs numpy."""
        return array_of(self.state, [row async for row in self.rows()])

    async def values(self) -> "np.ndarray":
        """Wait like `wait`, and return all images as the model's values, 0 to V-1, a
        numpy array (n, channels, height, width); needs numpy."""
        await self.wait()
        return values_of(await self._client.run(self._flows.image(self.id, "npy")))

    async def images(self) -> "list[Image.Image]":
        """Wait like `array`, and return all images as Pillow images; needs numpy and
        Pillow."""
        return pictures_of(await self.array(), self.state.get("palette") or ())

    async def image(
        self,
        sample: int = 0,
        scale: int = 1,
        grid: bool = False,
        stage: documents.Stage = "final",
    ) -> bytes:
        """Return one image as PNG, or all of them in a grid; of a score, its heat map.

        sample: number of the image.
        scale: pixels per side of each pixel.
        grid: True for all images in one picture.
        stage: `small` is the small image of a Multi-Scale model.
        """
        flow = self._flows.image(
            self.id, sample=sample, scale=scale, grid=grid, stage=stage
        )
        return await self._client.run(flow)

    async def save(self, path: Path | str, **options: Unpack[Showing]) -> None:
        """Write `image(**options)` to a file, in the format of its suffix: .png, .webp,
        .jpg; or all images as .npy or .zip. Raises ValueError for another suffix,
        OSError if the file cannot be written."""
        flow = self._flows.image(self.id, format_of(path), **options)
        Path(path).write_bytes(await self._client.run(flow))

    async def score_map(self, picture: int = 0) -> documents.ScoreMap:
        """Return the bits of every variable, of a finished score.

        picture: its index, if the job scored several.
        """
        return await self._client.run(self._flows.score_map(self.id, picture))

    async def marginals(
        self, of: MapKind = "mean", picture: int = 0
    ) -> documents.MarginalMap:
        """Return the mean of each pixel, or its uncertainty, of a finished completion
        by `posterior`.

        of: `mean` or `entropy`.
        picture: its index, if the job completed several.
        """
        return await self._client.run(self._flows.marginals(self.id, of, picture))

    async def blob(self, timeout_s: float | None = None) -> bytes:
        """Wait like `wait`, with its errors, and return the file of an encoding."""
        await self.wait(timeout_s)
        return await self._client.run(self._flows.blob(self.id))

    async def cancel(self) -> documents.Job:
        """Ask the service to cancel the job, and return its state. A job that has ended
        stays as it is. Nothing is deleted: `image()` returns what was drawn so far,
        while `rows` and `images()` raise JobEndedError."""
        return await self._client.run(self._flows.cancel(self))

    async def finish(self) -> documents.Job:
        """End a training now with its best weights so far, and return its state. Raise
        ApiError (409) if there are none yet."""
        return await self._client.run(self._flows.finish(self))

    async def links(self, expires_in: int = 3600) -> documents.SignedLinks:
        """Return URLs of the job's pictures and events that work without a key. Raise
        ApiError (501) if the service has no secret to sign with.

        expires_in: seconds for which they work, at most a week.
        """
        return await self._client.run(self._flows.links(self.id, expires_in))

    async def delete(self) -> None:
        """Delete what the job left. Raise ApiError (409) if it is queued or running:
        cancel it first."""
        await self._client.run(self._flows.delete(self.id))


class AsyncClient:
    """A client of the service at `url`.

    key: an API key, if the service needs one.
    tries: how often a call is tried, or less if the service has never responded.
    timeout: seconds without a response after which a call is given up, however many
        tries are left. Default: none.

    The calls that start a job return a job as soon as the service has accepted it.
    Their pictures are image files (bytes or paths), Pillow images, or arrays. An array
    of uint8 whose last axis is 1 or 3, and whose first axis is neither, is pixels (H,
    W, C) like those of `AsyncJob.array`; every other array is the model's values (C, H,
    W) like those of `AsyncJob.values`. Calls that accept several pictures take a list
    of up to 64 of them, which is one job; its result has `pictures`.

    Every call may raise ServiceError. A call with pictures or files also raises OSError
    if one cannot be read, and ValueError for an array of Python objects.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        tries: int = TRIES,
        timeout: float | None = None,
    ) -> None:
        """Make a client; nothing is sent yet. Raises AddressError for an invalid URL,
        ApiKeyError for a key that no header can have."""
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
        """Close the connections."""
        await self._http.aclose()

    async def models(self) -> list[documents.Model]:
        """Return the cards of the models that the service's workers have loaded."""
        return await self.run(self.flows.models())

    async def sample(
        self,
        model: str,
        n: int = 1,
        seed: int | None = None,
        label: Label | Sequence[Label] | None = None,
        size: str | None = None,
        **options: Unpack[calls.Drawing],
    ) -> AsyncJob[documents.JobResult]:
        """Draw n images.

        seed: of the noise; default: the service chooses one.
        label: that of all images, or a list with one for each image, whose length
            replaces n.
        size: draw pictures larger than the model's, WIDTHxHEIGHT.
        """
        return await self.start(
            calls.sample(model=model, n=n, seed=seed, label=label, size=size, **options)
        )

    async def addressed(
        self,
        model: str,
        name: str,
        picture_format: Literal["png", "webp"] = "png",
        **options: Unpack[calls.Addressing],
    ) -> bytes:
        """Return the picture of a name, which never changes: the file at
        /p/MODEL/NAME.png of the service. Raises ApiError for a model without
        addresses."""
        call = calls.addressed(model, name, picture_format, options)
        return (await self.send(call)).content

    async def complete(
        self,
        model: str,
        image: Picture | Several,
        mask: Picture | Several | None = None,
        n: int = 1,
        seed: int | None = None,
        method: documents.Method | None = None,
        particles: int | None = None,
        sweeps: int | None = None,
        label: Label | None = None,
        **options: Unpack[calls.Completing],
    ) -> AsyncJob[documents.JobResult]:
        """Fill the white part of the mask n times; without a mask, the transparent part
        of the image. n=0 computes only `marginals()` and the receipt. Several images
        have one mask for all, or one each.

        fit="crop": fill the holes of a larger picture, each in a cut-out of the model's
        size; `image()` returns the whole picture.
        method: `posterior`, which takes all given pixels into account, or `clamp`.
            Default: the model's first one.
        particles, sweeps: of each image, for `posterior` if it is not exact.
        label: that of the images, for a model that has labels.
        """
        pictures: dict[str, Picture | Several | None] = {"image": image, "mask": mask}
        call = calls.form(
            "/complete",
            pictures,
            model=model,
            n=n,
            seed=seed,
            method=method,
            particles=particles,
            sweeps=sweeps,
            label=label,
            **options,
        )
        return await self.start(call)

    async def upsample(
        self,
        model: str,
        image: Picture,
        n: int = 1,
        seed: int | None = None,
        label: Label | None = None,
        **options: Unpack[calls.DrawingFrom],
    ) -> AsyncJob[documents.JobResult]:
        """Draw n large images from a small one, with a Multi-Scale model.

        label: that of the images, for a model that has labels.
        """
        call = calls.form(
            "/upsample",
            {"image": image},
            model=model,
            n=n,
            seed=seed,
            label=label,
            **options,
        )
        return await self.start(call)

    @overload
    async def score(
        self, model: str, image: Picture, **options: Unpack[calls.Scoring]
    ) -> AsyncJob[documents.ScoreResult]: ...
    @overload
    async def score(
        self, model: str, image: Several, **options: Unpack[calls.Scoring]
    ) -> AsyncJob[documents.ScoresResult]: ...
    async def score(
        self, model: str, image: Picture | Several, **options: Unpack[calls.Scoring]
    ) -> AsyncJob[Any]:
        """Compute how likely a picture is under the model.

        x, y: also compute what the model expects of this pixel (`result()["pixel"]`).
        influence: and how much each earlier pixel influences it.
        label: score it as an image with this label.
        against: score it with this second model too (`result()["against"]`).
        """
        return await self.start(
            calls.form("/score", {"image": image}, model=model, **options)
        )

    @overload
    async def classify(
        self,
        model: str,
        image: Picture,
        mask: Picture | None = None,
        **options: Unpack[calls.Classifying],
    ) -> AsyncJob[documents.ClassifyResult]: ...
    @overload
    async def classify(
        self,
        model: str,
        image: Several,
        mask: Picture | Several | None = None,
        **options: Unpack[calls.Classifying],
    ) -> AsyncJob[documents.ClassificationsResult]: ...
    async def classify(
        self,
        model: str,
        image: Picture | Several,
        mask: Picture | Several | None = None,
        **options: Unpack[calls.Classifying],
    ) -> AsyncJob[Any]:
        """Compute the probability of each label of the model, given the picture, or
        given the part of it for which the mask is black.

        particles: for each label, if the result is not exact.
        """
        pictures: dict[str, Picture | Several | None] = {"image": image, "mask": mask}
        return await self.start(
            calls.form("/classify", pictures, model=model, **options)
        )

    async def verify(
        self, image: Picture, **options: Unpack[calls.Keeping]
    ) -> AsyncJob[documents.VerifyResult]:
        """Check that a sample is what the model draws with the seed that the file
        names. The image must be a file of the service, because an array does not say
        how it was drawn."""
        return await self.start(calls.form("/verify", {"image": image}, **options))

    async def encode(
        self,
        model: str,
        images: Iterable[Picture],
        label: Label | None = None,
        **options: Unpack[calls.Encoding],
    ) -> AsyncJob[documents.EncodeResult]:
        """Encode up to 64 pictures of the model's size as one file, without loss;
        `blob()` of the job returns it. The pictures must not be transparent or have
        other colours than the model's, so that they can be decoded exactly.

        label: with which all pictures are encoded. Default: the best one for each.
        """
        return await self.start(calls.encode(model, images, label=label, **options))

    async def decode(
        self, file: Picture, **options: Unpack[calls.Keeping]
    ) -> AsyncJob[documents.JobResult]:
        """Decode the pictures in a file of `encode` or of `pixelrnn encode`, given its
        bytes or its path."""
        return await self.start(calls.decode(file, **options))

    async def train(
        self, pictures: Path, name: str, **options: Unpack[calls.Training]
    ) -> AsyncJob[documents.TrainResult]:
        """Train a model with this name on a folder of pictures, a zip of one, an .npz,
        or a single picture with crops=True. Subfolders are labels.

        minutes: Default: 5.
        size, channels, values: those of the model (size as WIDTHxHEIGHT), instead of
            those that the pictures need.
        start: a model whose weights the training begins with.
        crops: train on crops of the pictures. Default: False.
        shared: True for everybody, False for this key alone. Default: False.
        mirrors: try a mixture with mirror images. Default: True.
        publish_anyway: serve the model also if it is worse than PNG, or had fewer than
            20 updates. Default: False.
        """
        return await self.start(calls.train(pictures, name, options))

    async def add_model(
        self, directory: Path, shared: bool = False, instead_of: str | None = None
    ) -> AsyncJob[documents.AddResult]:
        """Add the model in a directory. It is served when the job has succeeded.

        shared: True for everybody, False for this key alone.
        instead_of: the identity of the caller's own model of this name, to replace it.

        Raises OSError if the card or the weights of a member cannot be read, CardError
        if the card does not say which files the model has.
        """
        return await self.start(calls.add_model(directory, shared, instead_of))

    async def remove_model(self, name: str) -> None:
        """Remove one of the caller's own models."""
        await self.run(self.flows.remove_model(name))

    async def download_model(self, name: str) -> bytes:
        """Return a zip with the directory of a model that was added."""
        return await self.run(self.flows.download_model(name))

    async def start(self, call: Call) -> AsyncJob[Any]:
        """Send a call to which the service responds with a job, and return the job."""
        return AsyncJob(self, await self.run(self.flows.start(call)))

    async def job(self, job_id: str) -> AsyncJob[documents.Result]:
        """Return the job with this id. Raises ApiError if there is none: its status is
        410 if there was one, else 404."""
        return AsyncJob(self, await self.run(self.flows.state(job_id)))

    async def jobs(
        self,
        status: documents.JobStatus | None = None,
        kind: documents.JobKind | None = None,
    ) -> AsyncIterator[AsyncJob[documents.Result]]:
        """Yield the caller's jobs, newest first.

        status, kind: only jobs with these.
        """
        cursor = None
        while True:
            page = await self.run(self.flows.page(status, kind, cursor))
            for state in page["jobs"]:
                yield AsyncJob(self, state)
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def send(self, call: Call) -> httpx.Response:
        """Send any call, with the usual retries, and return the successful response."""
        return await self.run(self.flows.answer(call))

    async def follow(self, path: str, feed: Feed) -> AsyncIterator[Row]:
        """Yield the rows of an event stream to its end, over as many connections as are
        needed.

        path: that of the stream.
        feed: a new one; it has the job's last state afterwards.

        Raises ApiError if the job does not exist, UnreachableError after the last try.
        """
        reading = Reading(feed, self._habits)
        while not feed.has_ended:
            try:
                async with self._http.stream(
                    "GET", path, headers=feed.headers()
                ) as response:
                    if not response.is_success:
                        await response.aread()
                    if reading.on_open(response):
                        async for text in response.aiter_text():
                            for row in reading.take(text):
                                yield row
                        reading.on_close()
            except httpx.TransportError as error:
                reading.on_close(error)
            await asyncio.sleep(reading.pause_s)

    async def run(self, flow: Flow[T]) -> T:
        """Execute a flow, and return its result."""
        outcome: Outcome = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = await self._execute(step)

    async def _execute(self, step: Step) -> Outcome:
        """Pause, or send a call; return the response, or the connection's error."""
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        try:
            return await self._http.request(step.method, step.path, **step.arguments())
        except httpx.TransportError as error:
            return error
