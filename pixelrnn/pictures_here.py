"""A job that looks at a picture, carried out here by what carries it out in a worker's engine: the same facts."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from model_core.allocator import keep_freed_memory
from model_core.card import check_field
from model_core.data.images import read_keep, read_nearest
from model_core.data.pixels import values_to_pixels
from model_core.errors import ConfigError, DataError
from model_core.models import Model
from pixelrnn.drawings_here import write_picture
from pixelrnn.kind_results import How
from worker.contract.jobs import JobSpec
from worker.contract.kind import Kind
from worker.engine.kinds import OF_PICTURES
from worker.orders.claims import Claim, Outcome
from worker.orders.pictures import PictureOrder

HERE = Claim("here", "here", last_seq=0)


def examine(
    kind: Kind,
    model: Model,
    file: Path,
    options: Mapping[str, Any],
    second: Model | None = None,
    on_share: Callable[[float], object] = lambda _: None,
) -> tuple[dict[str, Any], Mapping[str, bytes]]:
    """The facts of a picture, and the maps that are kept of it. Raises DataError for one that cannot be taken."""
    keep_freed_memory()
    order = _order(kind, model, file, options)
    further = [second] if second else []
    found = OF_PICTURES[kind.word](order, model, *further)
    while not isinstance(found, Outcome):
        share = next(found)
        if isinstance(share, Outcome):
            found = share
        else:
            on_share(share)
    assert kind.summary is not None
    assert found.result is not None, "whatever is wrong with a picture is said before"
    facts = kind.summary.model_validate_json(found.result.summary).model_dump()
    return {"model": model.card.name, **facts}, found.result.pictures


def heat_map(heat: bytes, width: int, height: int, how: How) -> Image.Image:
    """The map of a score, which is written where a place is named. DataError."""
    size = width * how.scale, height * how.scale
    picture = Image.frombytes("RGB", (width, height), heat).resize(
        size, Image.Resampling.NEAREST
    )
    if how.out is not None:
        write_picture(picture, how.out, {})
    return picture


def _order(
    kind: Kind, model: Model, file: Path, options: Mapping[str, Any]
) -> PictureOrder:
    card, config, fit = model.card, model.config, options["fit"]
    taken = fit == "resize", card.palette, options.get("colours") == "nearest"
    keep = (
        read_keep(options["mask"], config, resize=fit == "resize")
        if "mask" in options
        else None
    )
    values, moved = read_nearest(file, config, *taken, keep, field=fit == "field")
    _, height, width = values.shape
    found: dict[str, Any] = {"moved_pixels": moved}
    if (height, width) != (config.height, config.width):
        _expect_field(model, file, width, height, options)
        found["size"] = f"{width}x{height}"
    elif options.get("x", 0) >= width or options.get("y", 0) >= height:
        raise DataError(
            f"there is no pixel ({options['x']}, {options['y']}): the model's pictures are {width}x{height}"
        )
    said = {
        name: options[name] for name in kind.options.model_fields if name in options
    }
    spec = JobSpec(
        id=HERE.job_id,
        kind=kind.word,
        model=card.name,
        digest=card.sha256,
        seed=options.get("seed", 0),
        n=1,
        temperature=1.0,
        height=height,
        width=width,
        channels=config.channels,
        options=kind.options(**said, **found),
    )
    return PictureOrder(
        HERE, card.name, spec, values_to_pixels(values, config.levels), keep
    )


def _expect_field(
    model: Model, file: Path, width: int, height: int, options: Mapping[str, Any]
) -> None:
    """DataError for a larger picture than the model's that it cannot score, or of which more is asked."""
    try:
        check_field(model.card, width, height)
    except ConfigError as error:
        raise DataError(f"{file}: {error}") from None
    if not options.keys().isdisjoint(("x", "against")):
        raise DataError(
            f"{file} is larger than the model's pictures: no pixel, and no second model, can be asked"
        )
