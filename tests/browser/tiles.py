"""A small model whose values are categories, with a palette, names and labels."""

from dataclasses import replace

from model_core import Model, untrained

PALETTE, NAMES = (
    ("#00000000", "#d04648", "#6daa2c80", "#597dce"),
    ("air", "brick", "moss", "water"),
)


def tiles_model() -> Model:
    """5 x 6 of four colours, one of them clear and one half clear, and two labels."""
    size = {
        "layers": 2,
        "hidden": 5,
        "head": 8,
        "height": 6,
        "width": 5,
        "values": 4,
        "labels": 2,
    }
    model = untrained("mnist-pixelcnn", seed=8, categories=True, **size)
    card = replace(model.card, palette=PALETTE, names=NAMES)
    return Model(model.members, card)
