"""The views of the page, and a model of each kind that it knows, for several tests."""

from tests.app.hand_worker import COLOUR, GREY
from worker.contract.cards import ModelCard
from worker.contract.traits import Method

ABLE = {
    "can": ("sample", "complete", "score"),
    "methods": (Method.POSTERIOR, Method.CLAMP),
    "max_particles": 64,
}
PAPER = GREY.model_copy(update={"height": 32, "width": 32, **ABLE})
RGB = COLOUR.model_copy(update={"height": 32, "width": 32, **ABLE})

VIEWS = (
    "draw",
    "bet",
    "ink",
    "real",
    "sample",
    "complete",
    "inspect",
    "teach",
    "history",
)

KINDS = {
    "Characters": PAPER.model_copy(update={"data": "GNU Unifont"}),
    "Sprites": RGB.model_copy(update={"data": "sprites"}),
    "Digits": PAPER.model_copy(update={"data": "binarized MNIST"}),
    "Floor plans": PAPER.model_copy(update={"data": "floor plans"}),
    "Textures": RGB.model_copy(update={"data": "textures"}),
    "Photographs": RGB.model_copy(update={"data": "CIFAR-10"}),
    "Emoji": RGB.model_copy(update={"data": "emoji"}),
}


def cards() -> list[ModelCard]:
    """A model of each kind."""
    return [
        card.model_copy(update={"name": f"m{i}", "digest": f"{i:064d}"})
        for i, card in enumerate(KINDS.values())
    ]
