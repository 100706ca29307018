"""The jobs that are asked for: of every kind, small, and each the same whenever it is asked for again."""

import io
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pixelrnn.client.calls import Call, Picture, decode, encode, form, sample
from tests.storm.models import GUEST
from tests.tiny_models import save_tiny_models, save_tiny_scales

SEEDS = range(3)
TRAINING = "train"


@dataclass(frozen=True)
class Wish:
    kind: str
    """What kind of job it is, in words."""
    seed: int
    call: Callable[[int], Call]
    """The request, with an `Idempotency-Key` of its own."""

    def request(self) -> Call:
        return self.call(self.seed)

    @property
    def of_guest(self) -> bool:
        """It names the model that is exchanged, and is away now and then."""
        return self.kind.endswith("of the guest")


def save_models(directory: Path) -> None:
    """The models that the wishes name."""
    save_tiny_models(directory)
    save_tiny_scales(directory)


def first_wishes() -> list[Wish]:
    """All but those that need a picture or a file from the service."""
    kinds: dict[str, Callable[[int], Call]] = {
        "sample, Diagonal BiLSTM": lambda seed: sample(
            model="tiny-diagonal", n=6, seed=seed
        ),
        "sample, fields": lambda seed: sample(
            model="tiny-rgb", n=2, seed=seed, size=f"{9 + seed}x13"
        ),
        "sample, colour": lambda seed: sample(model="tiny-rgb", n=3, seed=seed),
        "sample, Multi-Scale": lambda seed: sample(model="tiny-scales", n=2, seed=seed),
        "sample, of the guest": lambda seed: sample(model=GUEST, n=4, seed=seed),
        "complete, clamp": lambda seed: _complete(seed, _HOLE, n=6, method="clamp"),
        "complete, exact": lambda seed: _complete(
            seed, _LOWER, n=4, method="posterior", rank=True
        ),
        "complete, particles": lambda seed: _complete(
            seed, _HOLE, n=2, method="posterior", particles=4
        ),
        "complete, sweeps": lambda seed: _complete(
            seed, _HOLE, n=2, method="posterior", particles=4, sweeps=1
        ),
        "upsample": lambda seed: form(
            "/upsample",
            {"image": _picture(2, 3, seed)},
            model="tiny-scales",
            n=2,
            seed=seed,
        ),
        "score": lambda seed: form(
            "/score", {"image": _picture(4, 5, seed)}, model="tiny-rgb", x=1, y=2
        ),
        "score, influence": lambda seed: form(
            "/score",
            {"image": _picture(4, 5, seed)},
            model="tiny-rgb",
            x=2,
            y=3,
            influence=True,
        ),
        "score, Multi-Scale": lambda seed: form(
            "/score", {"image": _picture(4, 6, seed)}, model="tiny-scales"
        ),
    }
    trained = Wish(TRAINING, 0, lambda _: _training())
    kinds["encode"] = lambda seed: encode(
        "tiny-rgb", [_exact(4, 5, seed), _exact(4, 5, seed + 9)]
    )
    return [
        *(Wish(kind, seed, call) for kind, call in kinds.items() for seed in SEEDS),
        trained,
    ]


def verifications(pictures: list[bytes]) -> list[Wish]:
    """Of samples that the service drew."""
    return [
        Wish(
            "verify",
            number,
            lambda number: form("/verify", {"image": pictures[number]}),
        )
        for number in range(len(pictures))
    ]


def decodings(files: list[bytes]) -> list[Wish]:
    """Of files that the service coded."""
    return [
        Wish("decode", number, lambda number: decode(files[number]))
        for number in range(len(files))
    ]


def _training() -> Call:
    """As short as may be, of a name that no other has: a dozen pictures."""
    name = f"storm-{uuid.uuid4().hex}"
    pictures = training_pictures()
    return form("/train", {"images": pictures}, name=name, minutes=0.05, size="8x8")


def training_pictures() -> list[bytes]:
    """A dozen pictures of 8 x 8."""
    return [_exact(8, 8, seed) for seed in range(12)]


_HOLE = [(x, y) for y in (1, 2, 3) for x in (1, 2, 3)]
"""Of a picture 5 wide and 6 high: given pixels lie on all its sides."""
_LOWER = [(x, y) for y in (3, 4, 5) for x in range(5)]


def _complete(seed: int, hole: list[tuple[int, int]], **how: object) -> Call:
    mask = Image.new("L", (5, 6))
    for place in hole:
        mask.putpixel(place, 255)
    pictures: dict[str, Picture | None] = {
        "image": _picture(5, 6, seed),
        "mask": _png(mask),
    }
    return form("/complete", pictures, model="tiny-cnn", seed=seed, **how)


def _picture(width: int, height: int, seed: int) -> bytes:
    """Colours without order, always the same."""
    return _png(
        Image.frombytes(
            "RGB",
            (width, height),
            bytes(seed * 89 + i * i * 31 & 255 for i in range(3 * width * height)),
        )
    )


def _exact(width: int, height: int, seed: int) -> bytes:
    """Such a picture of four values a colour, as the model has them."""
    numbers = (
        85 * (seed * 89 + i * i * 31 >> 3 & 3) for i in range(3 * width * height)
    )
    return _png(Image.frombytes("RGB", (width, height), bytes(numbers)))


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
