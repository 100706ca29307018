"""Images through the codec and back: any values, every network, members, other processors; and what is refused."""

import importlib.util
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model_core import (
    decode,
    encode,
    load_model,
    log_likelihood,
    sample,
    save_model,
    untrained,
)
from model_core.codec import codec, container
from model_core.codec.container import Header, Stripe, pack, unpack
from model_core.errors import ConfigError, DataError, ModelError
from model_core.mixing import mix
from model_core.models import Model

_spec = importlib.util.spec_from_file_location(
    "codec_damage", Path(__file__).parents[2] / "benchmarks" / "codec_damage.py"
)
assert _spec is not None
assert _spec.loader is not None
damage = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(damage)

PRESETS = ["mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"]


def model_of(preset: str, seed: int = 3, **size: int) -> Model:
    """Random weights, 3 colours of 5 values, 6 x 9, with likely and unlikely values."""
    defaults = {
        "layers": 2,
        "hidden": 7,
        "head": 9,
        "height": 6,
        "width": 9,
        "channels": 3,
        "values": 5,
    }
    model = untrained(preset, seed=seed, **{**defaults, **size})
    bias: Any = model.network.head.output.bias  # pyright: ignore[reportAttributeAccessIssue]
    bias.add_(
        2 * torch.randn(bias.shape, generator=torch.Generator().manual_seed(seed))
    )
    return model


def noise_of(model: Model, count: int) -> Tensor:
    config = model.config
    shape = count, config.channels, config.height, config.width
    return torch.randint(
        0, config.values, shape, generator=torch.Generator().manual_seed(1)
    )


@pytest.fixture(scope="module")
def model() -> Model:
    return model_of("mnist-pixelcnn")


@pytest.fixture(scope="module")
def images(model: Model) -> Tensor:
    return torch.cat([sample(model, 20, seed=1), noise_of(model, 7)])


@pytest.fixture(scope="module")
def data(model: Model, images: Tensor) -> bytes:
    return encode(model, images)


@pytest.mark.parametrize("preset", PRESETS)
def test_any_values_come_back(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise as well as samples, one colour or three, in one lane or many, in several stripes."""
    for size in ({}, {"channels": 1, "values": 2}):
        model = model_of(preset, **size)
        values = torch.cat([sample(model, 6, seed=1), noise_of(model, 5)])
        for lane_values, stripe_values in (
            (1 << 19, 1 << 24),
            (100, 4 * model.config.dimensions),
        ):
            monkeypatch.setattr(codec, "LANE_VALUES", lane_values)
            monkeypatch.setattr(codec, "STRIPE_VALUES", stripe_values)
            assert torch.equal(decode(model, encode(model, values)), values)
            assert torch.equal(decode(model, encode(model, values[:1])), values[:1])


def test_file_is_as_long_as_the_images_are_likely(model: Model) -> None:
    """400 samples: -log2 p of them, and the file's own 112 bytes; a 1,000th of what is left."""
    values = sample(model, 400, seed=2)
    bits = -float(log_likelihood(model, values).sum()) / torch.tensor(2.0).log().item()
    assert len(encode(model, values)) < 112 + bits / 8 * 1.001


def test_bytes_are_the_same_alone_or_in_company(
    model: Model, images: Tensor, data: bytes
) -> None:
    """Encoding is repeatable, and every image is heard of."""
    heard: list[int] = []
    assert encode(model, images, heard.append) == data
    assert sum(heard) == len(images)


def test_member_that_finds_all_images_likeliest_encodes_them(tmp_path: Path) -> None:
    """Of a mixture: samples of its turned member are encoded by that one, the right way up again at last."""
    size = {"height": 6, "width": 6, "channels": 1, "values": 2}
    parts = []
    for seed, orientation in enumerate(("none", "rotate_90")):
        made = model_of("mnist-pixelcnn", seed=seed, **size)
        member = replace(made.members[0], orientation=orientation)
        save_model(Model((member,), made.card), tmp_path / orientation)
        loaded = load_model(tmp_path / orientation)
        parts.append(
            Model((replace(loaded.members[0], orientation=orientation),), loaded.card)
        )
    mix(parts, tmp_path / "both")
    both = load_model(tmp_path / "both")
    for part in parts:
        values = sample(part, 12, seed=5)
        blob = encode(both, values)
        assert Header.unpack(blob).member == part.members[0].orientation
        assert torch.equal(decode(both, blob), values)


def test_another_processor_decodes_the_same_bytes(
    model: Model, images: Tensor, data: bytes, tmp_path: Path
) -> None:
    """The compiled loop made for a processor with half as long vectors and other tiles; the canary agrees, too."""
    path = tmp_path / "images.pxrn"
    save_model(model, tmp_path / "model")
    path.write_bytes(encode(load_model(tmp_path / "model"), images))
    environment = {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2",
    }
    program = (
        "import sys; from pathlib import Path; from model_core import decode, load_model;"
        "from model_core.compiled.tiles import TALLEST; assert TALLEST == 4;"
        "values = decode(load_model(Path(sys.argv[1])), Path(sys.argv[2]).read_bytes());"
        "Path(sys.argv[3]).write_bytes(values.numpy().tobytes())"
    )
    command = [
        sys.executable,
        "-c",
        program,
        tmp_path / "model",
        path,
        tmp_path / "out",
    ]
    subprocess.run(command, env={**os.environ, **environment}, check=True, timeout=170)
    assert (tmp_path / "out").read_bytes() == images.numpy().tobytes()


def test_damaged_and_hostile_files_are_refused(
    model: Model, images: Tensor, data: bytes
) -> None:
    """300 of the 10,000 that `benchmarks/codec_damage.py` makes: a sentence each, unless nothing was changed."""
    assert damage.refused_among(300, model, images, data, seed=1) >= 290


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda data: b"", DataError, "does not begin with PXRN"),
        (lambda data: b"\x89PNG\r\n", DataError, "does not begin with PXRN"),
        (lambda data: data[:20], DataError, "ends within its header: it has 20 bytes"),
        (
            lambda data: data[:4] + b"\x03" + data[5:],
            DataError,
            "of version 3: expected version 1 or 2",
        ),
        (
            lambda data: damage.forged(data[:5] + b"\x09" + data[6:]),
            DataError,
            "arithmetic that is not known here: number 9",
        ),
        (lambda data: data[:-9], DataError, "bytes missing: 9"),
        (lambda data: data + b"!", DataError, "more than the 27 images"),
        (
            lambda data: data[:50] + bytes([data[50] ^ 1]) + data[51:],
            DataError,
            "checksum of a header is wrong",
        ),
        (
            lambda data: data[:-20] + b"??" + data[-18:],
            DataError,
            "checksum of a stripe is wrong",
        ),
        (
            lambda data: damage.forged(data[:-20] + b"??" + data[-18:]),
            DataError,
            "does not decode to the images",
        ),
    ],
)
def test_wrong_file_is_refused_with_a_sentence(
    model: Model,
    data: bytes,
    spoil: Callable[[bytes], bytes],
    error: type[Exception],
    words: str,
) -> None:
    """Each says what was found, and where there is one, what was expected."""
    with pytest.raises(error, match=words):
        decode(model, spoil(data))


def test_other_models_and_machines_are_refused_before_anything_is_decoded(
    model: Model, data: bytes
) -> None:
    """Another digest, another member, another canary, plain numerics, Multi-Scale."""
    header, stripes = unpack(data)
    for changed, error, words in (
        (
            {"sha256": "ab" * 32},
            ModelError,
            "encoded with the model of sha256 abababababab",
        ),
        (
            {"member": "rotate_180"},
            DataError,
            "member rotate_180, and mnist-pixelcnn has none",
        ),
        ({"canary": bytes(8)}, DataError, "a machine that computes otherwise"),
    ):
        with pytest.raises(error, match=words):
            codec.decode_stripes(model, pack(replace(header, **changed), stripes))
    double = untrained("mnist-pixelcnn", layers=1, hidden=4, head=4)
    double.network.double()
    scales = untrained(
        "cifar10-multi-scale",
        layers=1,
        hidden=6,
        head=8,
        small_layers=1,
        small_hidden=6,
    )
    for other, words in ((double, "cpu-pass numerics"), (scales, "Multi-Scale")):
        with pytest.raises(ConfigError, match=words):
            encode(other, noise_of(other, 1))


def test_file_decodes_by_the_weights_whatever_card_it_names(
    model: Model, images: Tensor, data: bytes
) -> None:
    """One of version 1 names none, one of a card that has changed since another; what is written names the card's."""
    header, stripes = unpack(data)
    assert (header.version, header.identity) == (2, model.card.identity)
    for identity in ("", "ab" * 32):
        assert torch.equal(
            decode(model, pack(replace(header, identity=identity), stripes)), images
        )


def test_values_that_are_not_the_models_are_refused(
    model: Model, images: Tensor
) -> None:
    """None at all, another size, other values, fractions."""
    for values, words in (
        (images[:0], "no image to encode"),
        (images[:, :1], "must be integers .B, 3, 6, 9."),
        (images[0], "must be integers"),
        (images.double(), "must be integers"),
        (images + 1, "must be from 0 to 4, not 1 to 5"),
        (images - 1, "must be from 0 to 4"),
    ):
        with pytest.raises(DataError, match=words):
            encode(model, values)


def test_short_file_cannot_ask_for_much(
    model: Model, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million images in a few bytes; more at once than memory is meant for, which stripes still give."""
    header, (stripe,) = unpack(data)
    hostile = pack(replace(header, images=1 << 20), [Stripe(1 << 20, [b"\0"], 0)])
    assert len(hostile) > (1 << 20) // 8
    numbers = container._number(1 << 20) + b"\x01\x01" + bytes(5)
    short = (
        replace(header, images=1 << 20).pack()
        + numbers
        + zlib.crc32(numbers).to_bytes(4, "big")
    )
    with pytest.raises(DataError, match="claims 1048576 images in 1 bytes"):
        unpack(short)
    monkeypatch.setattr(codec, "DECODE_VALUES", 10 * model.config.dimensions)
    with pytest.raises(DataError, match="27 images: expected at most 10 here"):
        decode(model, data)
    assert sum(len(part) for part in codec.decode_stripes(model, data)) == 27
    monkeypatch.setattr(codec, "STRIPE_VALUES", 10 * model.config.dimensions)
    with pytest.raises(
        DataError, match="a stripe holds too many images: expected at most 10"
    ):
        codec.decode_stripes(model, data)
    assert stripe.images == 27


@pytest.mark.parametrize("preset", PRESETS)
def test_canary_is_the_same_however_many_lanes_there_are(preset: str) -> None:
    """A file of one lane opens where one of sixteen was made."""
    model = model_of(preset)
    assert len({codec._coder(model, 0, lanes)[1] for lanes in (1, 2, 7, 16)}) == 1
