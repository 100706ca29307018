"""The calls that start a job, for both clients."""

from abc import abstractmethod
from typing import Any, Generic, TypeVar

from pixelrnn.client import calls
from pixelrnn.client.calls import Call, Picture
from pixelrnn.client.documents import Method

J = TypeVar("J", covariant=True)


class JobCalls(Generic[J]):
    """J: what a call returns at once: a Job, or one to await. Pictures are bytes or paths of image files."""

    @abstractmethod
    def start(self, call: Call) -> J:
        """Send a call that is answered with a job."""

    def sample(self, model: str, n: int = 1, seed: int | None = None, **options: Any) -> J:
        """Draw n images. Options: temperature, priority."""
        return self.start(calls.sample(model=model, n=n, seed=seed, **options))

    def complete(
        self,
        model: str,
        image: Picture,
        mask: Picture | None = None,
        n: int = 1,
        seed: int | None = None,
        method: Method | None = None,
        particles: int | None = None,
        sweeps: int | None = None,
        **options: Any,
    ) -> J:
        """Fill the white part of the mask, n times. Options: temperature, fit, rank, priority.

        method: `posterior`, given everything, or `clamp`; the model's first one when not said. particles of each image
        and sweeps: of `posterior`, where it is not exact.
        """
        pictures = {"image": image, "mask": mask}
        how = {"method": method, "particles": particles, "sweeps": sweeps}
        return self.start(calls.form("/complete", pictures, model=model, n=n, seed=seed, **how, **options))

    def upsample(self, model: str, image: Picture, n: int = 1, seed: int | None = None, **options: Any) -> J:
        """Draw n large images from a small one. Options: temperature, fit, priority."""
        return self.start(calls.form("/upsample", {"image": image}, model=model, n=n, seed=seed, **options))

    def score(self, model: str, image: Picture, **options: Any) -> J:
        """How likely a picture is. Options: fit."""
        return self.start(calls.form("/score", {"image": image}, model=model, **options))

    def verify(self, image: Picture) -> J:
        """Whether a sample, as the service wrote it, is what the model draws with the seed that it names."""
        return self.start(calls.form("/verify", {"image": image}))
