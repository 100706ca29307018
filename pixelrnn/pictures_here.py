"""Jobs that compute something about a picture, carried out in this process by the code
that does so in a worker's engine: the facts are the same."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from model_core.allocator import keep_freed_memory
from model_core.card import check_field
from model_core.data.images import read_keep, read_nearest, read_part
from model_core.data.pixels import values_to_pixels
from model_core.errors import ConfigError, DataError
from model_core.models import Model
from pixelrnn.drawings_here import write_picture
from pixelrnn.kind_results import How
from worker.contract.jobs import JobSpec
from worker.contract.kind import Input, Kind
from worker.engine.kinds import OF_PICTURES
from worker.orders.claims import Claim, Outcome
from worker.orders.pictures import PictureOrder

HERE = Claim("here", "here", last_seq=0)
"""Takes the place of the claim on a job, which a worker's code expects."""


def examine(
    kind: Kind,
    model: Model,
    file: Path,
    options: Mapping[str, Any],
    second: Model | None = None,
    on_share: Callable[[float], object] = lambda _: None,
) -> tuple[dict[str, Any], Mapping[str, bytes]]:
    """Carry out a job of this kind about one picture. Return its facts, `model`
    included, and the maps that belong to it, as bytes by name. From then on this
    process keeps memory that it has freed, as workers do.

    kind: one of worker/engine/kinds.OF_PICTURES.
    options: of the verb, with `fit`.
    second: the model to compare with, if the kind has one.
    on_share: called with the share of the work that is done, 0 to 1.

    Raises DataError if the picture cannot be read, or does not fit the model or the
    options.
    """
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
    """Return the heat map of a score as a picture, enlarged by `how.scale`, and write
    it to `how.out` if that is not None.

    heat: width * height pixels of three bytes.

    Raises DataError if it cannot be written.
    """
    size = width * how.scale, height * how.scale
    picture = Image.frombytes("RGB", (width, height), heat)
    picture = picture.resize(size, Image.Resampling.NEAREST)
    if how.out is not None:
        write_picture(picture, how.out, {})
    return picture


def _order(
    kind: Kind, model: Model, file: Path, options: Mapping[str, Any]
) -> PictureOrder:
    card = model.card
    config = model.config
    card.label_number(options.get("label"))  # its error lists the labels
    is_resized = options["fit"] == "resize"
    keep = None
    if "mask" in options:
        # A mask without white stands for a whole picture, as in the service.
        mask = read_keep(options["mask"], config, resize=is_resized, may_keep_all=True)
        keep = None if mask.all() else mask
    elif kind.input is Input.PICTURE_OR_PART and not config.multi_scale:
        # A Multi-Scale model takes whole pictures alone: there transparent pixels show
        # the background.
        keep = read_part(file, config, is_resized, card.palette)
    values, moved = read_nearest(
        file,
        config,
        is_resized,
        card.palette,
        options.get("colours") == "nearest",
        keep,
        field=options["fit"] == "field",
    )
    _, height, width = values.shape
    found: dict[str, Any] = {"moved_pixels": moved}
    if (height, width) != (config.height, config.width):
        _expect_field(model, file, width, height, options)
        found["size"] = f"{width}x{height}"
    elif options.get("x", 0) >= width or options.get("y", 0) >= height:
        raise DataError(
            f"there is no pixel ({options['x']}, {options['y']}): the model's pictures "
            f"are {width}x{height}"
        )
    names = [name for name in kind.options.model_fields if name in options]
    said = {name: options[name] for name in names}
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
    """Raise DataError for a picture larger than the model's, if the model cannot score
    it or if the options ask for more than its score."""
    try:
        check_field(model.card, width, height)
    except ConfigError as error:
        raise DataError(f"{file}: {error}") from None
    if not options.keys().isdisjoint(("x", "against")):
        raise DataError(
            f"{file} is larger than the model's pictures: no pixel, and no second model, can be asked"
        )
