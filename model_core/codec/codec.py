"""Images to a file's bytes and back, without loss: `encode` and `decode`.

A file names one member of a model, the one under which all its images together are the likeliest: it is the shortest.
Where the model has labels, each image is coded with the one under which it is the likeliest, which stands before its
stripe's first lane.
The network's probabilities are those of the compiled drawing loop, whose bits are the same on every processor; a canary
tells where they are not.
"""

import zlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.codec.canary import canary
from model_core.codec.container import (
    MAX_LANES,
    NUMERICS,
    Header,
    Stripe,
    pack,
    pack_labels,
    unpack,
    unpack_labels,
)
from model_core.codec.lanes import TEMPERATURE, LaneCoder, Steps, Values, finished
from model_core.errors import ConfigError, DataError, ModelError
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.orientation import Orientation, turn, turn_back
from model_core.sampling.label_choice import rows_on
from model_core.sampling.stages import compiled_stage, numerics_of

OnImages = Callable[[int], None]
LANE_VALUES = 1 << 19
"""One more lane for each so many values: a lane costs three bytes, which then are a 2,000th or less."""
STRIPE_VALUES = 1 << 24
"""A stripe has no more, nor a decoder in memory at once."""
DECODE_VALUES = 1 << 26
"""`decode` gives no more at once: half a gigabyte."""


def encode(
    model: Model,
    values: Tensor,
    on_images: OnImages = lambda count: None,
    label: int | str | None = None,
) -> bytes:
    """Images (B, C, H, W), integers 0..V-1, as the bytes of a file: the shortest of those that the members give.

    on_images hears of every image that a member has encoded; label: that of all images. Raises ConfigError for a model
    that has no codec or not that label, DataError for values that are not the model's, or for none.
    """
    return finished(encoding(model.given(label), values), on_images)


def encoding(model: Model, values: Tensor) -> Steps[bytes]:
    """The same as a computation that can be paused. Raises as `encode`, at its first step."""
    _check_model(model)
    images, files = _values_as_bytes(model, values), list[bytes]()
    for k in range(len(model.members)):
        files.append((yield from _encode_steps(model, k, images)))
    return min(files, key=len)


def _encode_steps(model: Model, k: int, images: Values) -> Steps[bytes]:
    """The file by the k-th member."""
    orientation, parts = model.members[k].orientation, _in_stripes(images)
    coder, found = _coder(model, k, max(map(_lanes, parts)))
    stripes = []
    for part in parts:
        labels = (
            (yield from _likeliest_labels(model, k, part))
            if model.config.labels
            else None
        )
        code = yield from coder.encode(turn(part, orientation), _lanes(part), labels)
        if labels is not None:
            code[0] = pack_labels(labels, model.config.labels) + code[0]
        stripes.append(Stripe(len(part), code, zlib.crc32(part.tobytes())))
    sha256, identity = model.card.sha256 or _NO_DIGEST, model.card.identity
    return pack(
        Header(sha256, orientation, len(images), found, identity=identity), stripes
    )


def _likeliest_labels(model: Model, k: int, images: Values) -> Steps[NDArray[np.int64]]:
    """The label of each image under which the k-th member finds it the likeliest, the first of equal ones. Rows are
    added one after the other, as engine/stage.js does, so that both choose alike where two labels are nearly equal."""
    if model.label is not None:
        return np.full(len(images), model.label)
    labels, every = model.config.labels, np.ones(images.shape[2:], np.bool_)
    stage, found = compiled_stage(_network(model, k), labels), []
    for image in turn(images, model.members[k].orientation):
        rows = rows_on(stage, labels, image, every, TEMPERATURE)
        found.append(int(np.add.accumulate(rows, 1)[:, -1].argmax()))
        yield 0
    return np.array(found)


def decode(
    model: Model, data: bytes, on_images: OnImages = lambda count: None
) -> Tensor:
    """The images (B, C, H, W), int64, of a file's bytes.

    Raises DataError for bytes that are no file of ours, damaged, of too many images, or of a machine that computes
    otherwise; ModelError for a file of another model; ConfigError for a model that has no codec.
    """
    header, _ = unpack(data)
    if header.images * model.config.dimensions > DECODE_VALUES:
        most = DECODE_VALUES // model.config.dimensions
        raise DataError(
            f"the file holds {header.images} images: expected at most {most} here; decode_stripes gives all"
        )
    return torch.from_numpy(
        np.concatenate([*decode_stripes(model, data, on_images)]).astype(np.int64)
    )


def decode_stripes(
    model: Model, data: bytes, on_images: OnImages = lambda count: None
) -> Iterator[Values]:
    """The same, some images (n, C, H, W), uint8, at a time. Everything that is wrong is found before the first of
    them, but for values that are not those that were encoded: those are found before they are given out."""
    return (finished(steps, on_images) for steps in decoding(model, data))


def decoding(model: Model, data: bytes) -> Iterator[Steps[Values]]:
    """The same, each of `decode_stripes` as a computation that can be paused."""
    header, stripes = unpack(data)
    _check_model(model)
    if header.sha256 != (model.card.sha256 or _NO_DIGEST):
        raise ModelError(
            f"the file was encoded with the model of sha256 {header.sha256[:12]}..., {model.card.name} has "
            f"{model.card.sha256[:12] or 'none'}..."
        )
    lanes = max(len(stripe.lanes) for stripe in stripes)
    coder, found = _coder(model, _member(model, header.member), lanes)
    if found != header.canary:
        raise DataError(
            "the file was encoded by a machine that computes otherwise than this one: with other software or another "
            "processor, the last digits of the network's numbers differ, and so would the images"
        )
    if any(
        stripe.images * model.config.dimensions > STRIPE_VALUES for stripe in stripes
    ):
        raise DataError(
            f"a stripe holds too many images: expected at most {STRIPE_VALUES // model.config.dimensions}"
        )
    return (
        _decode_steps(coder, header, stripe, model.config.labels) for stripe in stripes
    )


_NO_DIGEST = "0" * 64
"""Stands for the digest of a model that was never saved."""


def _decode_steps(
    coder: LaneCoder, header: Header, stripe: Stripe, labels: int
) -> Steps[Values]:
    first, *others = stripe.lanes
    of, first = unpack_labels(first, stripe.images, labels) if labels else (None, first)
    images = turn_back(
        (yield from coder.decode([first, *others], stripe.images, of)), header.member
    )
    if zlib.crc32(images.tobytes()) != stripe.values_crc:
        raise DataError(
            "the file does not decode to the images that were encoded: the checksum of their values is wrong"
        )
    return images


def _lanes(part: Values) -> int:
    return min(MAX_LANES, len(part), 1 + part.size // LANE_VALUES)


def _coder(model: Model, k: int, lanes: int) -> tuple[LaneCoder, bytes]:
    """The coder of a member's images in so many lanes, and this machine's canary."""
    stage = compiled_stage(_network(model, k), lanes)
    found = canary(stage, model.config)
    return LaneCoder(stage, model.config), found


def _network(model: Model, k: int) -> PixelNetwork:
    network = model.members[k].network
    assert isinstance(network, PixelNetwork)
    return network


def _member(model: Model, orientation: Orientation) -> int:
    orientations = [member.orientation for member in model.members]
    if orientation not in orientations:
        raise DataError(
            f"the file was coded by the member {orientation}, and {model.card.name} has none of that name"
        )
    return orientations.index(orientation)


def _in_stripes(images: Values) -> list[Values]:
    size = max(1, STRIPE_VALUES // images[0].size)
    return [images[i : i + size] for i in range(0, len(images), size)]


def has_codec(model: Model) -> bool:
    """Can its images be encoded on this device?"""
    return not model.config.multi_scale and numerics_of(model) in NUMERICS


def _check_model(model: Model) -> None:
    """ConfigError when it has none."""
    name = model.card.name
    if model.config.multi_scale:
        raise ConfigError(
            f"{name} has no codec: the first image of a Multi-Scale model reaches the second through plain torch, "
            "whose last digits are not the same on every machine"
        )
    if not has_codec(model):
        raise ConfigError(
            f"{name} would be coded with {numerics_of(model)} numerics here: expected {NUMERICS[0]}, the same "
            "everywhere"
        )


def _values_as_bytes(model: Model, values: Tensor) -> Values:
    """The values as bytes; DataError when they are not the model's."""
    config = model.config
    shape = config.channels, config.height, config.width
    if (
        values.ndim != 4
        or values.shape[1:] != shape
        or values.is_floating_point()
        or values.is_complex()
    ):
        raise DataError(
            f"values must be integers (B, {', '.join(map(str, shape))}), not {values.dtype} {tuple(values.shape)}"
        )
    if not len(values):
        raise DataError("there is no image to encode")
    if int(values.min()) < 0 or int(values.max()) >= config.values:
        raise DataError(
            f"values must be from 0 to {config.values - 1}, not {int(values.min())} to {int(values.max())}"
        )
    return values.cpu().numpy().astype(np.uint8)
