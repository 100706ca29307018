"""Real worker processes that make files of coded images, and read them."""

from dataclasses import replace

import numpy as np
import torch

from model_core import encode, load_model, sample
from model_core.codec.container import Header, pack, unpack
from model_core.data.pixels import values_to_pixels
from tests.worker.harness import Client, wait_for
from worker.contract import keys
from worker.contract.cards import WorkerInfo
from worker.contract.events import row_entry
from worker.contract.jobs import JobSpec, JobStatus
from worker.contract.kinds.encode import EncodeSummary

CODED = ("tiny-cnn", "tiny-diagonal", "tiny-rgb")


def pictures_of(
    models_dir, name: str, count: int = 5
) -> tuple[torch.Tensor, np.ndarray]:
    """Some values (n, C, H, W) that the model draws, one of them noise, and their pixels (n, H, W, C)."""
    model = load_model(name, models_dir=models_dir)
    values = sample(model, count, seed=7)
    values[-1] = torch.randint(
        0,
        model.config.values,
        values[-1].shape,
        generator=torch.Generator().manual_seed(1),
    )
    return values, values_to_pixels(values.numpy(), model.config.values).transpose(
        0, 2, 3, 1
    ).copy()


def encoded(client: Client, name: str, pixels: np.ndarray) -> JobSpec:
    return client.submit(
        pixels.tobytes(), b"", kind="encode", model=name, n=len(pixels), seed=0
    )


def decoded(client: Client, name: str, data: bytes, n: int) -> JobSpec:
    return client.submit(data, b"", kind="decode", model=name, n=n, seed=0)


def test_pictures_become_the_librarys_file_and_come_back(
    served: Client, models_dir
) -> None:
    """Every network, beside a job that draws: the bytes of model_core.encode, and rows of the same pixels from them."""
    drawn = served.submit(model="tiny-diagonal", n=20)
    for name in CODED:
        values, pixels = pictures_of(models_dir, name)
        model = load_model(name, models_dir=models_dir)
        data = encode(model, values)
        spec = encoded(served, name, pixels)
        record = served.wait_end(spec.id)
        assert (record.status, record.rows_done) == (JobStatus.SUCCEEDED, 0)
        assert served.redis.hget(keys.image(spec.id), "blob") == data
        assert record.result == EncodeSummary(
            pictures=5,
            bytes=len(data),
            bits_per_dim=8 * len(data) / values.numel(),
            member="none",
            digest=spec.digest,
            identity=model.card.identity,
        )
        spec = decoded(served, name, data, 5)
        served.succeeded(spec)
        assert (served.images(spec) == pixels).all()
    served.succeeded(drawn)
    served.wait_idle()


def test_decoding_goes_on_behind_the_rows_that_are_out(
    served: Client, models_dir
) -> None:
    """A job that another worker had begun: each row is there once, and all of them are right."""
    values, pixels = pictures_of(models_dir, "tiny-cnn")
    data = encode(load_model("tiny-cnn", models_dir=models_dir), values)
    spec = served.spec(kind="decode", n=5, seed=0)
    served.accept(spec, data, b"")
    for i, (picture, y) in enumerate(
        (picture, y) for picture in range(2) for y in range(6) if picture == 0 or y < 3
    ):
        entry = row_entry(picture, y, pixels[picture, y].tobytes())
        fields = {"type": "row", "data": entry}
        served.redis.xadd(keys.events(spec.id), fields, id=f"{i + 1}-0")
        served.redis.hset(
            keys.job(spec.id), mapping={"last_seq": i + 1, "rows_done": i + 1}
        )
    served.enqueue(spec.id)
    served.succeeded(spec)
    assert (served.images(spec) == pixels).all()
    served.wait_idle()


def test_what_cannot_be_coded_fails_with_the_reason(served: Client, models_dir) -> None:
    """Damage that is seen before or after decoding, another machine, another number of images, colours that are none
    of the model's: a sentence each, after which the worker does the next job."""
    values, pixels = pictures_of(models_dir, "tiny-cnn")
    data = encode(load_model("tiny-cnn", models_dir=models_dir), values)
    header, stripes = unpack(data)
    for spoilt, words in (
        (data[:-3], "the file ends within a stripe"),
        (
            pack(header, [replace(stripes[0], values_crc=1)]),
            "the checksum of their values is wrong",
        ),
        (
            pack(replace(header, canary=bytes(8)), stripes),
            "a machine that computes otherwise",
        ),
    ):
        error = served.failed(decoded(served, "tiny-cnn", spoilt, 5))
        assert error.type == "not-decodable"
        assert words in error.detail
    for spec in (
        decoded(served, "tiny-cnn", data, 4),
        decoded(served, "tiny-cnn", b"PXRN", 1),
    ):
        assert (error := served.wait_end(spec.id).error) is not None
        assert error.type == "malformed-spec"
    pixels[3, 2, 1] = 100
    error = served.wait_end(encoded(served, "tiny-cnn", pixels).id).error
    assert error is not None
    assert error.type == "not-encodable"
    assert error.detail.startswith(
        "Picture 3, counted from 0, has 1 pixels of other colours than the model's"
    )
    assert (
        served.wait_end(encoded(served, "tiny-cnn", pixels[:3]).id).status
        is JobStatus.SUCCEEDED
    )
    served.wait_idle()


def test_codec_is_offered_by_the_models_that_have_one(served: Client) -> None:
    """Not by a Multi-Scale model, whose numbers are not the same everywhere."""
    info = WorkerInfo.model_validate_json(served.redis.get(keys.worker("w1")))
    for kind in ("encode", "decode"):
        assert {card.name for card in info.models if kind in card.can} == set(CODED)


def test_canceled_file_is_left(served: Client, models_dir) -> None:
    """While it is made: the next one is made as if there had been none."""
    values, pixels = pictures_of(models_dir, "tiny-diagonal", 64)
    first, second = (encoded(served, "tiny-diagonal", pixels) for _ in range(2))
    wait_for(lambda: served.attempts(first.id) == 1, "its claim")
    served.cancel(first.id)
    served.succeeded(second)
    blob = served.redis.hget(keys.image(second.id), "blob")
    assert blob == encode(load_model("tiny-diagonal", models_dir=models_dir), values)
    assert Header.unpack(blob).images == 64
