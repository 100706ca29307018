"""The jobs of the serving benchmark: as HTTP asks for them, and as the bare engine is asked for the same images."""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import numpy as np
from PIL import Image

from model_core.config import NetworkConfig
from model_core.data.pixels import values_to_pixels
from model_core.image_request import ImageRequest

SIZES = (1, 1, 1, 1, 2, 4, 8, 16)
"""Images a job asks for, each as likely: four in eight ask for one, and most images are of the large ones."""

MEAN_IMAGES = sum(SIZES) / len(SIZES)


@dataclass(frozen=True)
class Job:
    kind: str
    """sample, complete or upsample."""
    n: int
    seed: int


def jobs(seed: int, upsampling: bool) -> Iterator[Job]:
    """The same endless mix for the same seed: six samples to three completions and, where possible, one upsampling."""
    chance = random.Random(seed)
    kinds = ["sample"] * 6 + ["complete"] * 3 + ["upsample" if upsampling else "sample"]
    while True:
        yield Job(chance.choice(kinds), chance.choice(SIZES), chance.randrange(2**53))


class Mix:
    """Jobs of one model: completions of the lower half of a picture, upsamplings of a small one."""

    def __init__(self, name: str, config: NetworkConfig) -> None:
        self.model = name
        self._config = config
        generator = np.random.default_rng(0)
        self._known = generator.integers(
            0, config.values, (config.channels, config.height, config.width)
        )
        self._keep = np.zeros((config.height, config.width), bool)
        self._keep[: config.height // 2] = True
        self._small = self._known[:, :: config.factor, :: config.factor]
        self._pictures = {
            "complete": _png(values_to_pixels(self._known, config.values)),
            "upsample": _png(values_to_pixels(self._small, config.values)),
        }
        self._mask = _png(np.where(self._keep, 0, 255).astype(np.uint8)[None])

    @property
    def can_upsample(self) -> bool:
        return self._config.multi_scale

    def rows(self, job: Job) -> int:
        """Rows the job has when it is done, those of small images too."""
        draws_small = self._config.multi_scale and job.kind != "upsample"
        return job.n * (
            self._config.height + (self._config.small.height if draws_small else 0)
        )

    def post(self, url: str, job: Job) -> httpx.Request:
        """The job over HTTP."""
        fields = {"model": self.model, "n": job.n, "seed": job.seed}
        if job.kind == "sample":
            return httpx.Request("POST", f"{url}/sample", json=fields)
        texts = {name: str(value) for name, value in fields.items()}
        files = {"image": ("image.png", self._pictures[job.kind], "image/png")}
        if job.kind == "complete":
            files["mask"] = ("mask.png", self._mask, "image/png")
            texts["method"] = (
                "clamp"  # drawing alone; the other way also scores what it has drawn
            )
        return httpx.Request("POST", f"{url}/{job.kind}", data=texts, files=files)

    def requests(self, job: Job) -> list[ImageRequest]:
        """The same images of the bare engine."""
        given = {
            "sample": {},
            "complete": {"known": self._known, "keep": self._keep},
            "upsample": {"small": self._small},
        }[job.kind]
        return [ImageRequest(job.seed, i, **given) for i in range(job.n)]


def _png(pixels: np.ndarray) -> bytes:
    """(C, H, W) bytes as a PNG."""
    image = Image.fromarray(
        pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    )
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
