"""Models that draw in milliseconds: C = 1 and 3, H != W."""

from dataclasses import replace
from pathlib import Path

from model_core import Model, save_model, untrained
from model_core.components import Member
from model_core.mixing import mix
from model_core.orientation import Orientation
from tests.labelled_models import labelled


def save_tiny_models(directory: Path) -> None:
    """`tiny-cnn` and `tiny-diagonal` (binary, 6 x 5), `tiny-rgb` (4 values, 3 colours, 5 x 4)."""
    small = {"layers": 2, "hidden": 5, "head": 8}
    binary = {"height": 6, "width": 5}
    rgb = {"height": 5, "width": 4, "channels": 3, "values": 4}
    models = {
        "tiny-cnn": untrained("mnist-pixelcnn", seed=1, **binary, **small),
        "tiny-diagonal": untrained("mnist-diagonal-bilstm", seed=2, **binary, **small),
        "tiny-rgb": untrained("mnist-pixelcnn", seed=3, **rgb, **small),
    }
    for name, model in models.items():
        # As many parameters as if only 256 fillings of a hole could be scored.
        card = replace(model.card, parameters=10**8, field=name == "tiny-rgb")
        save_model(replace(model, card=card), directory / name)


def save_tiny_scales(directory: Path) -> None:
    """`tiny-scales`: 4 values, 3 colours, from 3 x 2 to 6 x 4."""
    sizes = {
        "layers": 1,
        "hidden": 6,
        "head": 8,
        "small_layers": 1,
        "small_hidden": 6,
        "conditioning": 4,
    }
    shape = {"height": 6, "width": 4, "factor": 2, "channels": 3, "values": 4}
    save_model(
        untrained("cifar10-multi-scale", seed=4, **sizes, **shape),
        directory / "tiny-scales",
    )


PALETTES = {
    "tiny-three": ("#ff0000", "#00ff00", "#0000ff"),
    "tiny-tiles": (
        "#00000000",
        *(f"#{16 * i:02x}{255 - 16 * i:02x}80" for i in range(16)),
    ),
    "tiny-all": tuple(f"#{i:02x}{i:02x}40" for i in range(256)),
}


def save_tiny_tiles(directory: Path) -> None:
    """Categories of 6 x 5: `tiny-three`, of three colours, `tiny-tiles`, one of 17 transparent, `tiny-all`, of 256."""
    for name, palette in PALETTES.items():
        size = {
            "layers": 2,
            "hidden": 5,
            "head": 8,
            "height": 6,
            "width": 5,
            "values": len(palette),
        }
        model = untrained("mnist-pixelcnn", seed=8, categories=True, **size)
        save_model(
            Model(model.members, replace(model.card, palette=palette)), directory / name
        )


def tiny_labelled(seed: int = 6, orientation: Orientation = "none") -> Model:
    """Binary, 4 x 3, with the labels `1`, `0` and `cat`, uneven and far apart."""
    return _named(labelled(seed=seed, height=4, width=3), orientation)


def save_tiny_labelled_scales(directory: Path) -> None:
    """`tiny-labelled-scales`: these labels, from 3 x 2 to 6 x 4, 4 values, 3 colours."""
    sizes = {"hidden": 6, "head": 8, "conditioning": 4}
    shape = {"height": 6, "width": 4, "factor": 2, "channels": 3, "values": 4}
    save_model(
        _named(labelled("cifar10-multi-scale", **sizes, **shape)),
        directory / "tiny-labelled-scales",
    )


def _named(model: Model, orientation: Orientation = "none") -> Model:
    names = zip(("1", "0", "cat"), model.card.labels, strict=True)
    labels = tuple(replace(label, name=name) for name, label in names)
    return Model(
        (Member(model.network, orientation),), replace(model.card, labels=labels)
    )


def save_tiny_labelled(directory: Path) -> None:
    """`tiny-labelled`, and `tiny-labelled-two`: a mixture of it and of one that draws from below."""
    save_model(tiny_labelled(), directory / "tiny-labelled")
    mix(
        [tiny_labelled(), tiny_labelled(7, "flip_top_bottom")],
        directory / "tiny-labelled-two",
    )
