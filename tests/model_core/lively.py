"""Small networks whose images have structure, and how a plain stage draws them."""

import numpy as np
import torch

from model_core import untrained
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.sampling.noise import image_noise
from model_core.sampling.plain import PlainStage
from model_core.sampling.stage import Drawing

PRESETS = ["mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"]
H, W = 4, 9
"""Three rows at once, the last of them cut off."""


def roughen(model: Model, by: float = 0.5) -> None:
    """Add the same random numbers to the biases, so that images have structure."""
    generator = torch.Generator().manual_seed(5)
    for parameter in model.network.parameters():
        if parameter.dim() == 1:
            noise = torch.randn(
                parameter.shape, generator=generator, dtype=parameter.dtype
            )
            parameter.add_(by * noise)


def lively(
    preset: str, dtype: torch.dtype = torch.float64, **changes: int | str
) -> Model:
    """Random biases, so that images have structure; in double precision no draw hangs on a rounding."""
    size = {
        "layers": 2,
        "hidden": 5,
        "head": 6,
        "height": H,
        "width": W,
        "channels": 3,
        "values": 4,
    } | changes
    model = untrained(preset, seed=3, **size)
    model.network.to(dtype)
    roughen(model)
    return model


def scales(network: str = "row-lstm") -> Model:
    return lively(
        "cifar10-multi-scale",
        network=network,
        layers=1,
        height=4,
        width=8,
        conditioning=3,
        factor=2,
    )


def drawing(i: int, given: int = 0) -> Drawing:
    """Image i at a temperature of its own; rows up to `given`, and a pixel of the next, are the same in all."""
    known = torch.randint(0, 4, (3, H, W), generator=torch.Generator().manual_seed(4))
    keep = torch.zeros(H, W, dtype=torch.bool)
    keep[:given] = True
    keep[given : given + 1, 2] = given > 0
    return Drawing(
        torch.from_numpy(image_noise(5, i, H, W, 3)), 1.0 + i / 4, known, keep
    )


def finish(stage: PlainStage) -> dict[int, np.ndarray]:
    """The images (C, rows, W) by slot, of rows that come in order."""
    rows: dict[int, list[np.ndarray]] = {}
    while drawn := stage.step():
        for row in drawn:
            rows.setdefault(row.slot, []).append(row.values)
    return {slot: np.stack(each, 1) for slot, each in rows.items()}


def plain(model: Model) -> PixelNetwork:
    assert isinstance(model.network, PixelNetwork)
    return model.network
