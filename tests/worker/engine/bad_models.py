"""Models that somebody may put into a models directory, and that must cost nobody anything but themselves."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from model_core import save_model, untrained
from tests.tiny_models import tiny_labelled

SIZE: dict[str, Any] = {"layers": 2, "hidden": 5, "head": 8, "height": 6, "width": 5}


def whole(directory: Path) -> Path:
    save_model(untrained("mnist-pixelcnn", seed=1, **SIZE), directory)
    return directory


def with_card(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Another card than that of its model."""
    facts = json.loads((directory / "card.json").read_text())
    change(facts)
    (directory / "card.json").write_text(json.dumps(facts))


def not_a_number(directory: Path) -> None:
    model = untrained("mnist-pixelcnn", seed=1, **SIZE)
    with torch.no_grad():
        next(model.network.parameters()).fill_(float("nan"))
    save_model(model, directory)


def diverged(directory: Path) -> None:
    """Weights that are finite, with which the logits are not."""
    model = untrained("mnist-pixelcnn", seed=1, **SIZE)
    with torch.no_grad():
        for weights in model.network.parameters():
            weights.fill_(3e38)
    save_model(model, directory)


def of_another_name(directory: Path) -> None:
    whole(directory.with_name("right")).rename(directory)


def too_large(directory: Path) -> None:
    os.truncate(whole(directory) / "weights.safetensors", 20 * 2**30)


def of_huge_images(directory: Path) -> None:
    """The same weights draw any size."""
    with_card(
        whole(directory), lambda facts: facts["config"].update(height=4096, width=4096)
    )


def label_of_another_encoding(directory: Path) -> None:
    save_model(tiny_labelled(), directory)
    with_card(directory, lambda facts: facts["labels"][0].update(name="caf\udce9"))


def pipe_for_card(directory: Path) -> None:
    directory.mkdir()
    os.mkfifo(directory / "card.json")


def device_for_weights(directory: Path) -> None:
    weights = whole(directory) / "weights.safetensors"
    weights.unlink()
    weights.symlink_to("/dev/zero")


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "not-a-number": (not_a_number, "not finite"),
    "diverged": (diverged, "the network's logits are not finite"),
    "another-name": (
        of_another_name,
        "its card says 'right', and it lies in 'another-name'",
    ),
    "too-large": (
        too_large,
        "its weights have 20480 MiB: expected at most 1024 (PIXELRNN_MODEL_MIB)",
    ),
    "huge-images": (of_huge_images, "one image of huge-images takes"),
    "label": (label_of_another_encoding, "its card cannot be told as JSON"),
    "pipe": (pipe_for_card, "it is not a regular file"),
    "device": (device_for_weights, "it is not a regular file"),
}
"""Each by its name, with words of the reason."""
