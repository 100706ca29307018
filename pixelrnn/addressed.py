"""Draw a picture that is an address: its seed is the hash of a name, so that the same
name gives the same picture everywhere. docs/addresses.md describes it."""

from pathlib import Path
from typing import TYPE_CHECKING

from pixelrnn.parts import make_importable

if TYPE_CHECKING:
    from model_core.models import Model


def addressed(
    model: "Model | str | Path",
    name: str,
    picture_format: str = "png",
    scale: int = 1,
    label: str | int | None = None,
    size: str | None = None,
    temperature: float = 1.0,
    named: bool = False,
    models_dir: Path | None = None,
) -> bytes:
    """Return the file of the picture of a name, with the bytes that a service answers
    at `/p/MODEL/NAME.png` with the same versions of Pillow, zlib and libwebp. Larger
    pictures than a service draws are drawn, too.

    model: a loaded model, its name, or its directory.
    picture_format: png or webp.
    scale: side of the square that each pixel becomes, 1 to 32.
    label: name or index of the picture's label.
    size: WIDTHxHEIGHT of a field.
    named: write the name into a PNG.
    models_dir: where models are found by name. Default: those that ship with it.

    Raises ValueError for an invalid name, format, scale, size or temperature;
    PixelRNNError (model_core/errors.py) for a model that cannot be loaded, lacks
    the label or the size, or is drawn by another arithmetic than `cpu-compiled`.
    """
    make_importable()
    # These load torch, which takes seconds.
    from model_core.errors import DataError
    from model_core.models import load_model
    from model_core.sampling.offline import sample
    from model_core.sampling.stages import numerics_of
    from worker.contract.addresses import FORMATS, MAX_SCALE, picture_file, seed_of
    from worker.contract.jobs import JobSpec
    from worker.contract.kinds.sample import SampleOptions
    from worker.contract.size import sides
    from worker.orders.images import row_pixels

    seed = seed_of(name)
    if picture_format not in FORMATS or not 1 <= scale <= MAX_SCALE:
        raise ValueError(
            f"expected the format {' or '.join(FORMATS)} and a scale from 1 to "
            f"{MAX_SCALE}, not {picture_format} and {scale}"
        )
    if isinstance(model, str | Path):
        model = load_model(model, models_dir=models_dir)
    card = model.card
    numerics = numerics_of(model)
    if numerics != "cpu-compiled":
        raise DataError(
            f"{card.name} has no addresses: it is drawn with {numerics} numerics, and "
            "only cpu-compiled ones give the same picture everywhere"
        )

    own_size = card.config.width, card.config.height
    width, height = own_size if size is None else sides(size)
    number = card.label_number(label)
    spec = JobSpec(
        id="here",
        kind="sample",
        model=card.name,
        digest=card.sha256,
        identity=card.identity,
        seed=seed,
        n=1,
        temperature=temperature,
        height=height,
        width=width,
        channels=card.config.channels,
        palette=tuple(card.palette),
        options=SampleOptions(
            label=None if number is None else card.labels[number].name,
            size=None if (width, height) == own_size else size,
        ),
    )
    (values,) = sample(
        model, 1, seed, temperature, label=label, size=(width, height)
    ).numpy()
    # (C, H, W) as one long row of pixels
    pixels = row_pixels(values.reshape(len(values), -1), card.config.levels)
    return picture_file(
        spec, pixels, numerics, picture_format, scale, name if named else ""
    )
