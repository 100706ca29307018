"""From a picture file to its score: what `pixelrnn score` does."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from model_core.data.images import read_pixels
from model_core.data.pixels import nearest_values
from model_core.errors import DataError
from model_core.measures.picture_score import PictureScore, score_picture
from model_core.measures.standing import Standing
from model_core.models import load_model


@dataclass(frozen=True)
class ScoreRequest:
    """Which picture to score with which model, and where its heat map goes."""

    model: str
    image: Path
    models_dir: Path | None = None
    device: str = "cpu"
    map: Path | None = None
    scale: int = 1


def score_file(request: ScoreRequest) -> dict[str, Any]:
    """Score the picture and write its heat map, if asked; returns the numbers.

    Raises the errors of load_model, and DataError for a picture that cannot be read, has another size, or a heat map
    that cannot be written.
    """
    model = load_model(request.model, device=request.device, models_dir=request.models_dir)
    values, quantised = nearest_values(read_pixels(request.image, model.config), model.config.values)
    score = score_picture(model, values)
    if request.map is not None:
        _write_map(score, request.map, request.scale)
    return {
        "model": model.card.name,
        "nats": score.nats,
        "bits_per_dim": score.bits_per_dim,
        "per_colour_bits": score.colour_bits,
        "height": model.config.height,
        "width": model.config.width,
        "quantised_pixels": quantised,
        "uniform_bits": score.uniform_bits,
        **asdict(Standing.of(values, score.nats, model.config.values, model.card.validation)),
    }


def _write_map(score: PictureScore, path: Path, scale: int) -> None:
    picture = score.heat.repeat(scale, axis=0).repeat(scale, axis=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, format="PNG")
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None
