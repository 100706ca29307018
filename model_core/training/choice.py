"""The choice of a recipe for somebody's pictures, by their properties, with figures
that were measured here.

Each chosen network reached a better score than others in fifty seconds of one core.
Coloured icons: a Row LSTM of 3 layers with h = 64, started from a shipped model, 2.99
bits/dim; a PixelCNN of 8 layers with h = 32, also started from one, 3.10. Grey symbols,
from random weights: that PixelCNN 2.00, a Row LSTM of 4 layers with h = 32 2.12. Black
and white symbols: a Diagonal BiLSTM started from the digits' weights 0.184, and 0.185
from random weights after two thirds of the time.

The rate for colour: held-out coins scored 2.53 after 300 updates with 0.001, 2.66 with
    0.002, and never below 3.00 with 0.004; flags 3.88, 3.73 and 3.62. More than about
    16 passes over 500 pictures learn them by heart.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model_core.config import PRESETS, NetworkConfig
from model_core.data.survey import Survey
from model_core.errors import ConfigError

LARGEST_SIDE = 32
"""Pixels. Larger pictures are reduced to this: a network that trains for minutes learns
no more from larger ones."""
_SMALLEST_SIDE = 8
"""Minimum length of a side of the network's images, in pixels."""
_MOST_VALID = 200
"""Maximum number of pictures that each validation scores."""
# The optimiser of all choices, as in a recipe's [training].
_MUON = {
    "rule": "muon",
    "momentum": 0.95,
    "alpha": 0.95,
    "schedule": "cosine",
    "clip": 1.0,
}


@dataclass(frozen=True)
class Choice:
    """The network for pictures of one sort, and how it is trained. `choice` returns
    one."""

    sort: str
    """The sort of pictures, in words."""
    network: Mapping[str, Any]
    """Fields of a recipe's [network]."""
    start: str
    """Name of the model whose weights it begins with; empty: random ones."""
    rate: float
    """The learning rate."""
    batch: int
    """Images in an update."""
    reached: str
    """In words, how many bits a value of held-out pictures needed after five minutes of
    training, and how many as a PNG file."""

    def config(self) -> NetworkConfig:
        """Return the network, for images of its preset's size."""
        fields = dict(self.network)
        return replace(PRESETS[fields.pop("preset")], **fields)


_COLOUR = Choice(
    sort="in colour",
    network={"preset": "cifar10-row-lstm", "layers": 3, "hidden": 64, "head": 128},
    start="cifar10-row-lstm-wide",
    rate=2e-3,
    batch=8,
    reached="for comparison: after five minutes, 483 coins needed 2.7 (PNG 2.5), and 247 "
    "flags 3.9 (PNG 5.0)",
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
    reached="for comparison: after five minutes, 2047 grey symbols needed 2.0 (PNG 3.1)",
)
_BINARY = Choice(
    sort="in black and white",
    network={"preset": "mnist-diagonal-bilstm"},
    start="mnist-diagonal-bilstm",
    rate=4e-3,
    batch=16,
    reached="for comparison: black and white symbols came to 0.18",
)


CHOICES = (_BINARY, _GREY, _COLOUR)


def choice(pictures: Survey) -> Choice:
    """Return the network and training for pictures with these properties. There is one
    for colour, one for grey, and one for black and white."""
    if pictures.channels == 3:
        return _COLOUR
    return _GREY if pictures.values > 2 else _BINARY


def size(pictures: Survey) -> tuple[int, int]:
    """Return the height and width of the network's images: those of the pictures,
    reduced in proportion so that no side is longer than LARGEST_SIDE (32), and then
    each raised to at least 8."""
    shrink = min(1.0, LARGEST_SIDE / max(pictures.height, pictures.width))
    height = max(_SMALLEST_SIDE, round(pictures.height * shrink))
    width = max(_SMALLEST_SIDE, round(pictures.width * shrink))
    return height, width


def picture_recipe(
    pictures: Survey,
    path: Path,
    crops: bool = False,
    begin: NetworkConfig | None = None,
) -> dict[str, Any]:
    """Return a recipe as a file would contain it, but with a single epoch.

    pictures: their properties.
    path: where they are.
    crops: True to train on crops of them.
    begin: the network of the model whose weights it begins with, if that is not the
        choice's.

    Raises ConfigError if the network of `begin` has categories.
    """
    ours = choice(pictures)
    if crops:
        height = min(LARGEST_SIDE, pictures.height)
        width = min(LARGEST_SIDE, pictures.width)
    else:
        height, width = size(pictures)
    network = ours.network if begin is None else _network(begin)
    return {
        "network": {
            **network,
            "height": height,
            "width": width,
            "labels": 0 if crops else pictures.labels,
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
    """Return the [network] section of a recipe that has this config."""
    if config.categories:
        raise ConfigError(
            "training.start: expected a model of greys or colours, not of a palette's"
        )
    # A section needs a preset of the same kind; all its other fields are overridden.
    same_kind = next(
        name for name, preset in PRESETS.items() if preset.network == config.network
    )
    others = {
        name: value for name, value in asdict(config).items() if name != "network"
    }
    return {"preset": same_kind, **others}
