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
    """Calls that make a job. Each returns at once, by the result of its job, a Job or one to await.

    Pictures are bytes or paths of image files, images of Pillow's, or arrays: pixels (H, W, C) as `Job.array` gives
    them, if of uint8, the last axis being 1 or 3 and the first neither; else the model's values (C, H, W) as
    `Job.values` gives them. Where several are taken, up to 64 as a list make one job, whose result has `pictures`.
    """

    @abstractmethod
    def start(self, call: Call) -> Any:
        """Send a call that is answered with a job."""

    def sample(
        self,
        model: str,
        n: int = 1,
        seed: int | None = None,
        label: Label | Sequence[Label] | None = None,
        size: str | None = None,
        **options: Unpack[calls.Drawing],
    ) -> Drawn:
        """Draw n images. label: that of all of them, or a list of those of each, which says how many. size: of larger
        pictures than the model's, WIDTHxHEIGHT."""
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
        """Fill the white part of the mask, or without one what is transparent, n times; 0 times where only
        `marginals()` and the receipt are wanted. Several images have one mask, or one each.

        fit="crop": the holes of a larger picture, each in a cut-out of the model's size; `image()` is the whole one.
        method: `posterior`, given everything, or `clamp`; the model's first one when not said. particles of each image
        and sweeps: of `posterior`, where it is not exact. label: of the images, of a model that has labels.
        """
        pictures: dict[str, Picture | Several | None] = {"image": image, "mask": mask}
        how = {
            "method": method,
            "particles": particles,
            "sweeps": sweeps,
            "label": label,
        }
        return self.start(
            calls.form(
                "/complete", pictures, model=model, n=n, seed=seed, **how, **options
            )
        )

    def upsample(
        self,
        model: str,
        image: Picture,
        n: int = 1,
        seed: int | None = None,
        label: Label | None = None,
        **options: Unpack[calls.DrawingFrom],
    ) -> Drawn:
        """Draw n large images from a small one. label: of the images, of a model that has labels."""
        said = {"n": n, "seed": seed, "label": label}
        return self.start(
            calls.form("/upsample", {"image": image}, model=model, **said, **options)
        )

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
        """How likely a picture is. x and y: also what was expected of that pixel (`result()["pixel"]`); influence: and
        how much each earlier pixel mattered there. label: as an image with this label. against: by this second model,
        too (`result()["against"]`)."""
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
        """How probable each label of the model is, given the picture, or the part of it where the mask is black.

        particles: of each label, where that is not exact.
        """
        pictures: dict[str, Picture | Several | None] = {"image": image, "mask": mask}
        return self.start(calls.form("/classify", pictures, model=model, **options))

    def verify(self, image: Picture, **options: Unpack[calls.Keeping]) -> Verified:
        """Check that a sample, as the service wrote it, is what the model draws with the seed that it names: the file,
        since no array says how it was drawn."""
        return self.start(calls.form("/verify", {"image": image}, **options))

    def encode(
        self,
        model: str,
        images: Iterable[Picture],
        label: Label | None = None,
        **options: Unpack[calls.Encoding],
    ) -> Encoded:
        """Up to 64 pictures of the model's size as one file, without loss: `blob()` of the job. Each must come back as
        it is: not transparent, and with no other colours than the model's. label: by which all are coded, instead of
        that which is best for each."""
        return self.start(calls.encode(model, images, label=label, **options))

    def decode(self, file: Picture, **options: Unpack[calls.Keeping]) -> Drawn:
        """The pictures of a file that `encode` made, here or as `pixelrnn encode`: its bytes, or where it is."""
        return self.start(calls.decode(file, **options))

    def train(
        self, pictures: Path, name: str, **options: Unpack[calls.Training]
    ) -> Trained:
        """Train a model of this name on a folder of pictures, whose folders are labels, on a zip of one, on an .npz, or
        on one picture with crops, which are learned then. minutes: 5 if nothing is said. size, as WIDTHxHEIGHT,
        channels and values: of the model, where those that the pictures need are not meant. start: a model whose
        weights it begins with. shared: everybody sees it, and not this key alone."""
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
