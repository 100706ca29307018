"""The recipe for pictures that somebody has: chosen by what they are, with figures that were measured here.

Each network came further than others in fifty seconds of a core. Icons in colour: a Row LSTM of 3 x 64 from shipped
weights 2.99 bits/dim, a PixelCNN of 8 x 32 from shipped weights 3.10. Symbols in grey, from random weights: that
PixelCNN 2.00, a Row LSTM of 4 x 32 2.12. Symbols in black and white: a Diagonal BiLSTM from the digits' weights 0.184,
from random ones 0.185 after two thirds. The rate for colour: of coins held back 300 updates at 0.001 came to 2.53, at
0.002 to 2.66, at 0.004 never below 3.00; of flags to 3.88, 3.73 and 3.62. More than some 16 passes over 500 pictures
learn them by heart.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model_core.config import PRESETS, NetworkConfig
from model_core.data.survey import Survey
from model_core.errors import ConfigError

LARGEST_SIDE = 32
"""Pixels. Larger pictures are made smaller: a network that trains for minutes learns no more from larger ones."""
_SMALLEST_SIDE = 8
_MOST_VALID = 200
"""Pictures that each validation scores."""
_MUON = {
    "rule": "muon",
    "momentum": 0.95,
    "alpha": 0.95,
    "schedule": "cosine",
    "clip": 1.0,
}


@dataclass(frozen=True)
class Choice:
    """The network for pictures of one sort, how it is trained, and how far such pictures have come in five minutes."""

    sort: str
    network: Mapping[str, Any]
    start: str
    rate: float
    batch: int
    reached: str
    """Bits/dim of pictures held back, and what PNG needed for them."""


_COLOUR = Choice(
    sort="in colour",
    network={"preset": "cifar10-row-lstm", "layers": 3, "hidden": 64, "head": 128},
    start="cifar10-row-lstm-wide",
    rate=2e-3,
    batch=8,
    reached="such icons came to 2.8 (PNG 2.5), such flags to 3.9 (PNG 5.0)",
)
_GREY = Choice(
    sort="in grey",
    network={
        "preset": "cifar10-pixelcnn",
        "channels": 1,
        "layers": 8,
        "hidden": 32,
        "head": 128,
    },
    start="",
    rate=8e-3,
    batch=8,
    reached="such symbols came to 2.0 (PNG 3.1)",
)
_BINARY = Choice(
    sort="in black and white",
    network={"preset": "mnist-diagonal-bilstm"},
    start="mnist-diagonal-bilstm",
    rate=4e-3,
    batch=16,
    reached="such symbols came to 0.18",
)


def choice(seen: Survey) -> Choice:
    """The choice for pictures like these."""
    return _COLOUR if seen.channels == 3 else _GREY if seen.values > 2 else _BINARY


def size(seen: Survey) -> tuple[int, int]:
    """Height and width for pictures like these: their own up to `LARGEST_SIDE`, else theirs made smaller."""
    shrink = min(1.0, LARGEST_SIDE / max(seen.height, seen.width))
    return max(_SMALLEST_SIDE, round(seen.height * shrink)), max(
        _SMALLEST_SIDE, round(seen.width * shrink)
    )


def chosen_recipe(
    seen: Survey, path: Path, crops: bool = False, begin: NetworkConfig | None = None
) -> dict[str, Any]:
    """A recipe as a file would hold it, but for how long it trains. crops: of parts of the pictures. begin: the network
    of the model whose weights it begins with, where that is not the choice's; ConfigError for a palette's."""
    ours = choice(seen)
    height, width = (
        (min(LARGEST_SIDE, seen.height), min(LARGEST_SIDE, seen.width))
        if crops
        else size(seen)
    )
    network = ours.network if begin is None else _network(begin)
    return {
        "network": {
            **network,
            "height": height,
            "width": width,
            "labels": 0 if crops else seen.labels,
        },
        "data": {"path": str(path), "valid_images": _MOST_VALID, "crops": crops},
        "training": {
            "epochs": 1,
            "start": ours.start,
            "batch": ours.batch,
            "learning_rate": ours.rate,
            **_MUON,
        },
        "output": {"tensorboard": False, "samples": 16},
    }


def _network(config: NetworkConfig) -> dict[str, Any]:
    """A recipe's [network] that is this one."""
    if config.categories:
        raise ConfigError(
            "training.start: expected a model of greys or colours, not of a palette's"
        )
    same = next(
        name for name, preset in PRESETS.items() if preset.network == config.network
    )
    return {
        "preset": same,
        **{name: value for name, value in asdict(config).items() if name != "network"},
    }
