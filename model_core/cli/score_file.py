"""A picture file to its score: the work of `pixelrnn score`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model_core.allocator import keep_freed_memory
from model_core.card import check_field
from model_core.config import NetworkConfig
from model_core.data.images import check_picture_place, read_nearest, save_picture
from model_core.errors import ConfigError, DataError
from model_core.measures.picture_score import PictureScore, score_picture
from model_core.measures.pixel_belief import pixel_belief
from model_core.measures.pixel_influence import pixel_influence
from model_core.measures.standing import Standing
from model_core.models import Model


@dataclass(frozen=True)
class ScoreRequest:
    """How a picture is scored, and a place for the heat map."""

    map: Path | None = None
    scale: int = 1
    resize: bool = False
    nearest: bool = False
    """Takes the nearest of a palette for other colours."""
    pixel: tuple[int, int] | None = None
    """(x, y) of one of which is also said what was expected."""
    influence: bool = False
    """Measures, too, how much each earlier pixel mattered for that."""
    field: bool = False
    """The picture may be larger than the model's."""
    against: Model | None = None
    """A second model that scores the picture, too."""


def score_file(model: Model, image: Path, request: ScoreRequest) -> tuple[dict[str, Any], Image.Image]:
    """Score the picture and write its heat map, if asked; returns the numbers, and the map.

    Raises DataError for a picture that cannot be read, has another size, or a heat map that cannot be written.
    """
    keep_freed_memory()
    if request.map is not None:
        check_picture_place(request.map)
    how = request.resize, model.card.palette, request.nearest
    values, quantised = read_nearest(image, model.config, *how, field=request.field)
    _, H, W = values.shape
    is_field = (model.config.height, model.config.width) != (H, W)
    if is_field:
        _check_field(model, image, W, H)
    if is_field and (request.pixel or request.against):
        raise DataError(f"{image} is larger than the model's pictures: no pixel, and no second model, can be asked")
    validation = None if is_field else model.card.validation
    score = score_picture(model, values)
    heat = Image.fromarray(score.heat.repeat(request.scale, axis=0).repeat(request.scale, axis=1))
    if request.map is not None:
        _write_map(heat, request.map)
    facts = {
        "model": model.card.name,
        "nats": score.nats,
        "bits_per_dim": score.bits_per_dim,
        "per_colour_bits": score.colour_bits,
        "height": H,
        "width": W,
        "quantised_pixels": quantised,
        "uniform_bits": score.uniform_bits,
        **asdict(Standing.of(values, score.nats, model.config.levels, validation)),
        **({"against": _second_score(request.against, values, model.config, score.nats)} if request.against else {}),
        **({"pixel": _pixel(model, values, request, request.pixel, score)} if request.pixel else {}),
    }
    return facts, heat


def _check_field(model: Model, image: Path, width: int, height: int) -> None:
    try:
        check_field(model.card, width, height)
    except ConfigError as error:
        raise DataError(f"{image}: {error}") from None


def _second_score(model: Model, values: NDArray[np.integer], first: NetworkConfig, nats: float) -> dict[str, Any]:
    if model.config.image != first.image:
        raise DataError(f"{model.card.name} is a model of other pictures: expected the same size and values")
    found = score_picture(model, values).nats
    return {"model": model.card.name, "sha256": model.card.sha256, "nats": found, "log_ratio": found - nats}


def _pixel(
    model: Model, values: NDArray[np.integer], request: ScoreRequest, place: tuple[int, int], score: PictureScore
) -> dict[str, Any]:
    """Expectation of each colour of a pixel. Raises DataError for a pixel that the picture does not have."""
    (x, y), (_, H, W) = place, values.shape
    if not (x < W and y < H):
        raise DataError(f"there is no pixel ({x}, {y}): the model's pictures are {W}x{H}")
    colours = [
        {
            "probabilities": belief.probabilities.tolist(),
            "value": belief.value,
            "bits": belief.bits,
            "entropy_bits": belief.entropy_bits,
        }
        for belief in pixel_belief(model, values, y, x, score.member, score.label)
    ]
    belief = {"x": x, "y": y, "colours": colours}
    if request.influence:
        belief["influence"] = pixel_influence(model, values, y, x, score.member, score.label).tolist()
    return belief


def _write_map(heat: Image.Image, path: Path) -> None:
    try:
        save_picture(heat, path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None
