"""The calls that start a job, for both clients."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, overload

from pixelrnn.client import calls
from pixelrnn.client.calls import Call, Label
from pixelrnn.client.documents import Method
from pixelrnn.client.pictures import Picture, Several

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from pixelrnn.client import documents
    from pixelrnn.client.asynchronous import AsyncJob
    from pixelrnn.client.synchronous import Job

Drawn = TypeVar("Drawn", covariant=True)
Scored = TypeVar("Scored", covariant=True)
Verified = TypeVar("Verified", covariant=True)
Encoded = TypeVar("Encoded", covariant=True)
Classified = TypeVar("Classified", covariant=True)
Trained = TypeVar("Trained", covariant=True)
AllScored = TypeVar("AllScored", covariant=True)
AllClassified = TypeVar("AllClassified", covariant=True)


class JobCalls(
    Generic[
        Drawn, Scored, Verified, Encoded, Classified, Trained, AllScored, AllClassified
    ]
):
    """Calls that start a job. Each returns at once: a Job, or in AsyncClient an
    awaitable of one.

    Pictures are image files (bytes or paths), Pillow images, or arrays. An array of
    uint8 whose last axis is 1 or 3, and whose first axis is neither, is pixels
    (H, W, C) like those of `Job.array`; every other array is the model's values
    (C, H, W) like those of `Job.values`. Calls that accept several pictures take a list
    of up to 64 of them, which is one job; its result has `pictures`.
    """

    @abstractmethod
    def start(self, call: Call) -> Any:
        """Send a call to which the service responds with a job, and return the job."""

    def sample(
        self,
        model: str,
        n: int = 1,
        seed: int | None = None,
        label: Label | Sequence[Label] | None = None,
        size: str | None = None,
        **options: Unpack[calls.Drawing],
    ) -> Drawn:
        """Draw n images.

        label: that of all images, or a list with one for each image, whose length
            replaces n. size: draw pictures larger than the model's, WIDTHxHEIGHT.
        """
        return self.start(
            calls.sample(model=model, n=n, seed=seed, label=label, size=size, **options)
        )

    def complete(
        self,
        model: str,
        image: Picture | Several,
        mask: Picture | Several | None = None,
        n: int = 1,
        seed: int | None = None,
        method: Method | None = None,
        particles: int | None = None,
        sweeps: int | None = None,
        label: Label | None = None,
        **options: Unpack[calls.Completing],
    ) -> Drawn:
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
        return self.start(call)

    def upsample(
        self,
        model: str,
        image: Picture,
        n: int = 1,
        seed: int | None = None,
        label: Label | None = None,
        **options: Unpack[calls.DrawingFrom],
    ) -> Drawn:
        """Draw n large images from a small one. label: that of the images, for a model
        that has labels."""
        call = calls.form(
            "/upsample",
            {"image": image},
            model=model,
            n=n,
            seed=seed,
            label=label,
            **options,
        )
        return self.start(call)

    @overload
    def score(
        self, model: str, image: Picture, **options: Unpack[calls.Scoring]
    ) -> Scored: ...
    @overload
    def score(
        self, model: str, image: Several, **options: Unpack[calls.Scoring]
    ) -> AllScored: ...
    def score(
        self, model: str, image: Picture | Several, **options: Unpack[calls.Scoring]
    ) -> Any:
        """Compute how likely a picture is under the model.

        x, y: also compute what the model expects of this pixel (`result()["pixel"]`).
        influence: and how much each earlier pixel influences it. label: score it as an
        image with this label. against: score it with this second model too
        (`result()["against"]`).
        """
        return self.start(
            calls.form("/score", {"image": image}, model=model, **options)
        )

    @overload
    def classify(
        self,
        model: str,
        image: Picture,
        mask: Picture | None = None,
        **options: Unpack[calls.Classifying],
    ) -> Classified: ...
    @overload
    def classify(
        self,
        model: str,
        image: Several,
        mask: Picture | Several | None = None,
        **options: Unpack[calls.Classifying],
    ) -> AllClassified: ...
    def classify(
        self,
        model: str,
        image: Picture | Several,
        mask: Picture | Several | None = None,
        **options: Unpack[calls.Classifying],
    ) -> Any:
        """Compute the probability of each label of the model, given the picture, or
        given the part of it for which the mask is black.

        particles: for each label, if the result is not exact.
        """
        pictures: dict[str, Picture | Several | None] = {"image": image, "mask": mask}
        return self.start(calls.form("/classify", pictures, model=model, **options))

    def verify(self, image: Picture, **options: Unpack[calls.Keeping]) -> Verified:
        """Check that a sample is what the model draws with the seed that the file
        names. The image must be a file of the service, because an array does not say
        how it was drawn."""
        return self.start(calls.form("/verify", {"image": image}, **options))

    def encode(
        self,
        model: str,
        images: Iterable[Picture],
        label: Label | None = None,
        **options: Unpack[calls.Encoding],
    ) -> Encoded:
        """Encode up to 64 pictures of the model's size as one file, without loss;
        `blob()` of the job returns it. The pictures must not be transparent or have
        other colours than the model's, so that they can be decoded exactly.

        label: with which all pictures are encoded. Default: the best one for each.
        """
        return self.start(calls.encode(model, images, label=label, **options))

    def decode(self, file: Picture, **options: Unpack[calls.Keeping]) -> Drawn:
        """Decode the pictures in a file of `encode` or of `pixelrnn encode`, given its
        bytes or its path."""
        return self.start(calls.decode(file, **options))

    def train(
        self, pictures: Path, name: str, **options: Unpack[calls.Training]
    ) -> Trained:
        """Train a model with this name on a folder of pictures, a zip of one, an .npz,
        or a single picture with crops=True. Subfolders are labels.

        minutes: Default: 5. size (WIDTHxHEIGHT), channels, values: those of the model,
            instead of those that the pictures need. start: a model whose weights the
            training begins with. crops: train on crops of the pictures. shared: for
            everybody, and not for this key alone.
        """
        return self.start(calls.train(pictures, name, options))


if TYPE_CHECKING:
    Calls = JobCalls[
        Job[documents.JobResult],
        Job[documents.ScoreResult],
        Job[documents.VerifyResult],
        Job[documents.EncodeResult],
        Job[documents.ClassifyResult],
        Job[documents.TrainResult],
        Job[documents.ScoresResult],
        Job[documents.ClassificationsResult],
    ]
    AsyncCalls = JobCalls[
        Awaitable[AsyncJob[documents.JobResult]],
        Awaitable[AsyncJob[documents.ScoreResult]],
        Awaitable[AsyncJob[documents.VerifyResult]],
        Awaitable[AsyncJob[documents.EncodeResult]],
        Awaitable[AsyncJob[documents.ClassifyResult]],
        Awaitable[AsyncJob[documents.TrainResult]],
        Awaitable[AsyncJob[documents.ScoresResult]],
        Awaitable[AsyncJob[documents.ClassificationsResult]],
    ]
else:
    Calls = AsyncCalls = JobCalls
