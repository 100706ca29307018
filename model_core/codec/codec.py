"""Turn images into the bytes of a file and back, without loss: `encode` and `decode`.

encode          -> encoding -> _encode_steps for each member -> the shortest file
decode          -> decode_stripes -> decoding -> _decode_steps for each stripe

`encoding` and `decoding` are computations that can be paused (lanes.Steps).

A file names the member of the model that encoded it: the one under which all its images
together are likeliest, because that file is the shortest. In a model with labels each
image is encoded with the label under which it is likeliest; the labels stand before the
first lane of their stripe.

The probabilities are those of the compiled drawing loop, whose bits are the same on
every CPU. A canary detects a machine on which they are not.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.codec.container import (
    CANARY_BYTES,
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
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.label_choice import TOGETHER, rows_on
from model_core.sampling.noise import image_noise
from model_core.sampling.stages import coding_stage, numerics_of

OnImages = Callable[[int], None]
"""Called with the number of images that were coded since the last call."""
LANE_VALUES = 1 << 19
"""Values for each further lane. A lane costs three bytes, at most a 2,000th of the code
of so many values."""
STRIPE_VALUES = 1 << 24
"""Upper bound of the values of one stripe, and so of what a decoder has in memory at
once."""
DECODE_VALUES = 1 << 26
"""Upper bound of the values that `decode` returns at once: half a gigabyte as int64."""


def encode(
    model: Model,
    values: Tensor,
    on_images: OnImages = lambda count: None,
    label: int | str | None = None,
) -> bytes:
    """Return the bytes of a file with these images (B, C, H, W), integers 0..V-1: the
    shortest of the files that the model's members give.

    on_images: called with the number of images that a member has encoded since the last
        call; each member encodes all of them.
    label: name or index of one label for all images. Default: each image has its
        likeliest one.

    Raises ConfigError for a model that has no codec or does not have the label,
    DataError if there are no images, or if the values are not the model's.
    """
    return finished(encoding(model.given(label), values), on_images)


def encoding(model: Model, values: Tensor) -> Steps[bytes]:
    """Return `encode` as a computation that can be paused."""
    _check_model(model)
    images = _values_as_bytes(model, values)
    files: list[bytes] = []
    for k in range(len(model.members)):
        file = yield from _encode_steps(model, k, images)
        files.append(file)
    return min(files, key=len)


def _encode_steps(model: Model, k: int, images: Values) -> Steps[bytes]:
    """Encode the images with the k-th member, and return the file."""
    orientation = model.members[k].orientation
    parts = _in_stripes(images)
    coder, own_canary = _coder(model, k, max(map(_lane_count, parts)))
    stripes = []
    for part in parts:
        labels = None
        if model.config.labels:
            labels = yield from _likeliest_labels(model, k, part)
        turned = turn(part, orientation)
        code = yield from coder.encode(turned, _lane_count(part), labels)
        if labels is not None:
            code[0] = pack_labels(labels, model.config.labels) + code[0]
        stripes.append(Stripe(len(part), code, zlib.crc32(part.tobytes())))
    header = Header(
        model.card.sha256 or _NO_DIGEST,
        orientation,
        len(images),
        own_canary,
        identity=model.card.identity,
    )
    return pack(header, stripes)


def _likeliest_labels(model: Model, k: int, images: Values) -> Steps[NDArray[np.int64]]:
    """Return the label (B,) under which the k-th member finds each image likeliest, the
    first one of equal ones; the model's own label if it is conditioned on one."""
    if model.label is not None:
        return np.full(len(images), model.label)
    labels = range(model.config.labels)
    all_pixels = np.ones(images.shape[2:], np.bool_)
    slots = min(len(labels), TOGETHER)
    stage = coding_stage(_network(model, k), slots)
    likeliest = []
    for image in turn(images, model.members[k].orientation):
        rows = yield from rows_on(stage, slots, labels, image, all_pixels, TEMPERATURE)
        # Added one row after the other, as in engine/stage.js, so that both choose
        # the same label if two are nearly equal.
        likeliest.append(int(np.add.accumulate(rows, 1)[:, -1].argmax()))
    return np.array(likeliest)


def decode(
    model: Model, data: bytes, on_images: OnImages = lambda count: None
) -> Tensor:
    """Return the images (B, C, H, W), int64, of a file's bytes.

    on_images: called with the number of images that were decoded since the last call.

    Raises DataError for bytes that cannot be decoded here, ModelError for a file of
    another model, ConfigError for a model that has no codec.
    """
    header, _ = unpack(data)
    if header.images * model.config.dimensions > DECODE_VALUES:
        most = DECODE_VALUES // model.config.dimensions
        raise DataError(
            f"the file holds {header.images} images: expected at most {most} here; "
            "decode_stripes gives all"
        )
    images = np.concatenate([*decode_stripes(model, data, on_images)])
    return torch.from_numpy(images.astype(np.int64))


def decode_stripes(
    model: Model, data: bytes, on_images: OnImages = lambda count: None
) -> Iterator[Values]:
    """Return an iterator over the images of a file's bytes, stripe by stripe: (n, C, H,
    W), uint8.

    Raises ConfigError or DataError before the first stripe if the file cannot be
    decoded, and DataError at a stripe that is damaged.
    """
    return (finished(steps, on_images) for steps in decoding(model, data))


def decoding(model: Model, data: bytes) -> Iterator[Steps[Values]]:
    """Return `decode_stripes` as computations that can be paused, one for each
    stripe."""
    header, stripes = unpack(data)
    _check_model(model)
    if header.sha256 != (model.card.sha256 or _NO_DIGEST):
        raise ModelError(
            f"the file was encoded with the model of sha256 {header.sha256[:12]}..., "
            f"{model.card.name} has {model.card.sha256[:12] or 'none'}..."
        )
    lanes = max(len(stripe.lanes) for stripe in stripes)
    coder, own_canary = _coder(model, _member(model, header.member), lanes)
    if own_canary != header.canary:
        raise DataError(
            "the file was encoded by a machine that computes otherwise than this one: "
            "with other software or another processor, the last digits of the "
            "network's numbers differ, and so would the images"
        )
    most = STRIPE_VALUES // model.config.dimensions
    if any(stripe.images > most for stripe in stripes):
        raise DataError(f"a stripe holds too many images: expected at most {most}")
    return (
        _decode_steps(coder, header, stripe, model.config.labels) for stripe in stripes
    )


_NO_DIGEST = "0" * 64
"""Stands in a header for the digest of a model that was never saved."""


def _decode_steps(
    coder: LaneCoder, header: Header, stripe: Stripe, labels: int
) -> Steps[Values]:
    """Decode one stripe to its images. Raise DataError if its checksum is wrong.

    labels: number of labels of the model.
    """
    first, *others = stripe.lanes
    numbers = None
    if labels:
        numbers, first = unpack_labels(first, stripe.images, labels)
    turned = yield from coder.decode([first, *others], stripe.images, numbers)
    images = turn_back(turned, header.member)
    if zlib.crc32(images.tobytes()) != stripe.values_crc:
        raise DataError(
            "the file does not decode to the images that were encoded: the checksum of "
            "their values is wrong"
        )
    return images


def _lane_count(part: Values) -> int:
    return min(MAX_LANES, len(part), 1 + part.size // LANE_VALUES)


def _coder(model: Model, k: int, lanes: int) -> tuple[LaneCoder, bytes]:
    """Return the coder of a member's images, with at most this many lanes, and this
    machine's canary.

    The CPU computes the canary: a GPU codes only if it was found to compute what they
    do.
    """
    network = _network(model, k)
    own_canary = _canary(network)
    return LaneCoder(coding_stage(network, lanes), model.config), own_canary


def _canary(network: PixelNetwork) -> bytes:
    """Return a digest of the code of a fixed image of noise, and of every bit of the
    network's state after it is encoded."""
    config = network.config
    stage = CompiledStage(network, 1)
    noise = image_noise(0, 0, config.height, config.width, config.channels)
    values = (noise * config.values).astype(np.uint8).transpose(2, 0, 1)
    labels = np.zeros(1, np.int64) if config.labels else None
    (code,) = finished(LaneCoder(stage, config).encode(values[None], 1, labels))
    digest = hashlib.sha256(code)
    for state in stage.kept(0):
        digest.update(state.astype("<f4").tobytes())
    return digest.digest()[:CANARY_BYTES]


def _network(model: Model, k: int) -> PixelNetwork:
    network = model.members[k].network
    assert isinstance(network, PixelNetwork)
    return network


def _member(model: Model, orientation: Orientation) -> int:
    """Return the index of the member with this orientation. Raise DataError if there is
    none."""
    orientations = [member.orientation for member in model.members]
    if orientation not in orientations:
        raise DataError(
            f"the file was coded by the member {orientation}, and {model.card.name} "
            "has none of that name"
        )
    return orientations.index(orientation)


def _in_stripes(images: Values) -> list[Values]:
    """Return the images in parts of at most STRIPE_VALUES values."""
    size = max(1, STRIPE_VALUES // images[0].size)
    return [images[i : i + size] for i in range(0, len(images), size)]


def has_codec(model: Model) -> bool:
    """Return True if the model's images can be encoded on its device."""
    return not model.config.multi_scale and numerics_of(model) in NUMERICS


def _check_model(model: Model) -> None:
    """Raise ConfigError if the model has no codec."""
    name = model.card.name
    if model.config.multi_scale:
        raise ConfigError(
            f"{name} has no codec: the first image of a Multi-Scale model reaches the "
            "second through plain torch, whose last digits are not the same on every "
            "machine"
        )
    if not has_codec(model):
        raise ConfigError(
            f"{name} would be coded with {numerics_of(model)} numerics here: expected "
            f"{NUMERICS[0]}, the same everywhere"
        )


def _values_as_bytes(model: Model, values: Tensor) -> Values:
    """Return the values as bytes. Raise DataError if they are not the model's, or if
    there are none."""
    config = model.config
    shape = config.channels, config.height, config.width
    if (
        values.ndim != 4
        or values.shape[1:] != shape
        or values.is_floating_point()
        or values.is_complex()
    ):
        raise DataError(
            f"values must be integers (B, {', '.join(map(str, shape))}), not "
            f"{values.dtype} {tuple(values.shape)}"
        )
    if not len(values):
        raise DataError("there is no image to encode")
    low = int(values.min())
    high = int(values.max())
    if low < 0 or high >= config.values:
        raise DataError(
            f"values must be from 0 to {config.values - 1}, not {low} to {high}"
        )
    return values.cpu().numpy().astype(np.uint8)
