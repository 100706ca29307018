"""A GPU draws, completes, classifies and codes as the compiled loops do; and is checked
before. The GPU is a fake one, which runs the block programs on this machine's
processors."""

import ctypes
import sys
from dataclasses import fields, is_dataclass
from enum import Enum

import numpy as np
import pytest
import torch

from model_core import decode, encode, sample
from model_core.blocks import record as r
from model_core.blocks.program import KINDS, order_on_cpu
from model_core.blocks.ptx import load_ptx
from model_core.errors import ConfigError
from model_core.models import Model
from model_core.networks import MultiScaleNetwork, PixelNetwork
from model_core.posterior.classify import classify
from model_core.posterior.completion import complete
from model_core.sampling.blocks import gpus
from model_core.sampling.blocks.drivers import GpuDriver, Launch, ProcessorDriver
from model_core.sampling.blocks.gpu_check import find_difference, open_gpu
from model_core.sampling.blocks.gpus import reason_for_processors
from model_core.sampling.blocks.stage import BlockStage, block_logits
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.stage import Drawing
from model_core.sampling.stages import (
    compiled_loops,
    numerics_of,
    seats,
    slot_bytes,
    stage_for,
)
from tests.labelled_models import labelled
from tests.model_core.blocks import bits, network_of, noise_of
from tests.model_core.fake_gpu import OneBitOff, fake_gpu
from tests.model_core.lively import PRESETS, lively


def model_of(preset: str, **changes: int | str) -> Model:
    return lively(preset, torch.float32, **changes)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("size", [{}, {"channels": 1, "values": 2}], ids=str)
def test_file_of_one_way_is_decoded_by_the_other(
    preset: str, size: dict[str, int]
) -> None:
    """Files have the same bytes, of samples and of noise, in several lanes."""
    model = model_of(preset, **size)
    config = model.config
    shape = 5, config.channels, config.height, config.width
    noise = torch.randint(0, config.values, shape)
    values = torch.cat([sample(model, 4, seed=1), noise])
    by_loops = encode(model, values)
    with fake_gpu():
        by_card = encode(model, values)
        assert torch.equal(decode(model, by_loops), values)
    assert by_card == by_loops
    assert torch.equal(decode(model, by_card), values)


@pytest.mark.parametrize("preset", PRESETS)
def test_field_has_the_same_bytes(preset: str) -> None:
    """Taller and wider than an image, so that it is drawn in several windows."""
    model = model_of(preset, channels=1)
    expected = sample(model, 2, seed=3, size=(11, 21))
    with fake_gpu():
        assert torch.equal(sample(model, 2, seed=3, size=(11, 21)), expected)


def exactly(answer: object) -> object:
    """Return an answer with the bits of its arrays in their place."""
    if isinstance(answer, torch.Tensor):
        return answer.numpy().tobytes()
    if isinstance(answer, np.ndarray):
        return answer.tobytes()
    if isinstance(answer, tuple):
        return [exactly(part) for part in answer]
    if is_dataclass(answer) and not isinstance(answer, type):
        return [exactly(getattr(answer, field.name)) for field in fields(answer)]
    return answer


def test_completion_and_label_have_the_same_bits() -> None:
    """By particles, with copies within a row, and of every answer's last digit."""
    model = model_of("mnist-row-lstm")
    config = model.config
    known = torch.randint(0, config.values, (3, config.height, config.width))
    keep = torch.rand(config.height, config.width) < 0.6
    with_labels = labelled("mnist-pixelcnn")
    size = with_labels.config
    picture = torch.zeros(size.channels, size.height, size.width, dtype=torch.int64)
    given = torch.ones(size.height, size.width, dtype=torch.bool)
    given[1, 1] = False

    def answers() -> tuple[object, object]:
        completed = complete(model, known, keep, 2, seed=5, particles=12)
        return completed, classify(with_labels, picture, given, seed=1)

    expected = answers()
    with fake_gpu():
        found = answers()
    assert exactly(found) == exactly(expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_logits_have_the_same_bits(preset: str) -> None:
    """Of whole images with labels, and of the first rows alone."""
    network = network_of(preset, labels=3)
    images = torch.randint(0, 5, (2, 3, 6, 9)).numpy()
    expected = CompiledStage.logits(network, images, 1)
    found = block_logits(network, images, 1, ProcessorDriver())
    np.testing.assert_array_equal(bits(found), bits(expected))
    few = block_logits(network, images, 1, ProcessorDriver(), rows=2)
    np.testing.assert_array_equal(bits(few), bits(expected[:, :, :, :2].copy()))


@pytest.mark.parametrize("preset", PRESETS)
def test_row_is_reported_by_the_step_that_completes_it(preset: str) -> None:
    """Once all rows are under way, every step reports one of every image."""
    network = network_of(preset)
    stage = BlockStage(network, 3, ProcessorDriver())
    for slot in range(3):
        stage.open(slot, Drawing(noise_of(network, slot), 1.0))
    reported: list[list[int]] = [[], [], []]
    while rows := stage.step():
        assert len({row.y for row in rows}) == 1
        for row in rows:
            reported[row.slot].append(row.y)
            np.testing.assert_array_equal(
                row.values, stage.image(row.slot)[:, row.y].numpy()
            )
    assert reported == [[*range(6)]] * 3


def test_model_on_a_card_is_planned_as_it_is_drawn() -> None:
    """The word of numerics stays, since the bytes do; loops are needed for the check."""
    model = model_of("mnist-pixelcnn")
    assert isinstance(model.network, PixelNetwork)
    by_loops = slot_bytes(model)
    with fake_gpu(ProcessorDriver(blocks=77)):
        assert stage_for(model.network) is BlockStage
        assert numerics_of(model) == "cpu-compiled"
        assert compiled_loops(model) == "pixel-cnn"
        assert seats(model) == 77
        assert slot_bytes(model) not in (0, by_loops)


# The check of a GPU.


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "size", [{}, {"labels": 3}, {"categories": True, "channels": 1}], ids=str
)
def test_card_that_computes_the_same_passes(
    preset: str, size: dict[str, int | bool]
) -> None:
    """In any number of blocks."""
    network = network_of(preset, **size)
    assert find_difference(network, ProcessorDriver(37, 64, blocks=6)) is None


def test_card_passes_with_both_networks_of_two_scales() -> None:
    """The large one is conditioned on a map."""
    network = model_of(
        "cifar10-multi-scale",
        network="row-lstm",
        height=4,
        width=8,
        factor=2,
        conditioning=3,
    ).network
    assert isinstance(network, MultiScaleNetwork)
    for part in (network.small, network.large):
        assert find_difference(part, ProcessorDriver()) is None


@pytest.mark.parametrize("preset", PRESETS)
def test_card_with_one_wrong_bit_does_not_pass(preset: str) -> None:
    """Of each weight; also if only the last block has it. What one weight alone
    changes depends on the random weights, which PyTorch draws otherwise on some CPUs."""
    network = network_of(preset)
    for first, blocks in ((0, 4), (8, 9)):
        card = OneBitOff(first, blocks, every=True)
        assert f"block {first} differ" in str(find_difference(network, card))


def test_large_network_is_compared_in_two_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes after them is not drawn."""
    network = network_of("mnist-row-lstm", height=12)
    drawn: list[int] = []

    class Seen(ProcessorDriver):
        def launch(self, launch: Launch) -> None:
            super().launch(launch)
            drawn.append(1)

    assert find_difference(network, Seen()) is None
    whole = len(drawn)
    drawn.clear()
    monkeypatch.setattr("model_core.sampling.blocks.gpu_check.LARGE_BYTES", 0)
    assert find_difference(network, Seen()) is None
    assert len(drawn) < whole / 2
    assert "differ" in str(find_difference(network, OneBitOff()))


def test_processors_draw_from_a_network_if_the_card_computes_otherwise() -> None:
    """It is checked once, also if a training changes the weights later."""
    model = model_of("mnist-row-lstm")
    network = model.network
    assert isinstance(network, PixelNetwork)
    expected = sample(model, 2, seed=1)
    checked: list[PixelNetwork] = []

    def check(network: PixelNetwork, driver: object) -> str:
        checked.append(network)
        return "values differ"

    with fake_gpu(check=check):
        assert stage_for(network) is CompiledStage
        assert torch.equal(sample(model, 2, seed=1), expected)
        assert reason_for_processors(network) == "values differ"
        assert len(checked) == 1
        network.input.bias.add_(1)
        assert stage_for(network) is CompiledStage
        assert len(checked) == 1
    assert reason_for_processors(network) is None


def test_card_needs_cuda_bindings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of torch for processors does not bring it; the processors draw then."""
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(ConfigError, match="pip install cuda-bindings"):
        GpuDriver.open(torch.device("cuda"))
    with pytest.warns(UserWarning, match="the processors draw for cuda:7"):
        open_gpu(torch.device("cuda:7"))
    assert gpus.is_known(torch.device("cuda:7"))
    assert gpus.gpu_at(torch.device("cuda:7")) is None
    gpus.forget(torch.device("cuda:7"))


class CUDA:
    """Stands in for the module cuda.bindings.driver. Kernels run on the processors, with
    the parameters that lie where a driver would read them."""

    class CUresult(Enum):
        CUDA_SUCCESS = 0
        CUDA_ERROR_ILLEGAL_ADDRESS = 700

    def __init__(self) -> None:
        self.result = self.CUresult.CUDA_SUCCESS
        self.streams: list[int] = []
        self.modules: list[bytes] = []
        self.context = ""

    def cuInit(self, flags: int) -> tuple[CUresult]:  # noqa: N802
        assert flags == 0
        return (self.result,)

    def cuDeviceGet(self, ordinal: int) -> tuple[CUresult, str]:  # noqa: N802
        return self.result, f"device {ordinal}"

    def cuDevicePrimaryCtxRetain(self, device: str) -> tuple[CUresult, str]:  # noqa: N802
        return self.result, f"context of {device}"

    def cuCtxSetCurrent(self, context: str) -> tuple[CUresult]:  # noqa: N802
        self.context = context
        return (self.result,)

    def cuModuleLoadData(self, image: bytes) -> tuple[CUresult, str]:  # noqa: N802
        assert image.endswith(
            b"\0"
        )  # a text, of which the driver sees only the address
        self.modules.append(image)
        (kind,) = [kind for kind in KINDS if load_ptx(kind).encode() == image[:-1]]
        return self.result, kind

    def cuModuleGetFunction(self, module: str, name: bytes) -> tuple[CUresult, str]:  # noqa: N802
        assert f".entry {name.decode()}(" in load_ptx(module)
        return self.result, module

    def cuLaunchKernel(  # noqa: N802
        self, function: str, *sizes_and_rest: int
    ) -> tuple["CUDA.CUresult"]:
        assert self.context == "context of device 1"
        *sizes, shared, stream, parameters, extra = sizes_and_rest
        (blocks, *ones), (threads, *more) = sizes[:3], sizes[3:]
        assert (ones, more, shared, extra) == ([1, 1], [1, 1], 0, 0)
        addresses = (ctypes.c_uint64 * 5).from_address(parameters)
        record, weights, states, images, steps = (
            ctypes.c_int64.from_address(address).value for address in addresses
        )
        sizes_of = (ctypes.c_int64 * (r.IMAGE_CELLS + 1)).from_address(record)
        for block in range(blocks):
            state = states + block * r.FLOAT_BYTES * sizes_of[r.STATE_FLOATS]
            image = images + block * r.CELL_BYTES * sizes_of[r.IMAGE_CELLS]
            order = order_on_cpu(threads, 1)
            KINDS[function].draw(*order, record, weights, state, image, steps)
        self.streams.append(stream)
        return (self.result,)


class CardInMainMemory(GpuDriver):
    """The driver of a GPU whose memory is this machine's, and which has one stream."""

    def launch(self, launch: Launch) -> None:
        self.launch_on(STREAM, launch)


STREAM = 0x1234


@pytest.mark.parametrize("preset", PRESETS)
def test_driver_hands_a_kernel_what_it_reads(preset: str) -> None:
    """Parameters, sizes and the stream; each program is loaded once. An error of the
    GPU's is torch's."""
    cuda = CUDA()
    driver = CardInMainMemory(cuda, torch.device("cpu"), blocks=6, ordinal=1)
    assert find_difference(network_of(preset), driver) is None
    assert set(cuda.streams) == {STREAM}
    assert len(cuda.modules) == 1
    cuda.result = CUDA.CUresult.CUDA_ERROR_ILLEGAL_ADDRESS
    with pytest.raises(torch.AcceleratorError, match="CUDA_ERROR_ILLEGAL_ADDRESS"):
        find_difference(network_of(preset), driver)


# What only a GPU can show.


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("preset", [*PRESETS, "cifar10-multi-scale"])
def test_card_draws_the_bytes_of_the_processors(preset: str) -> None:
    """From weights that are on the GPU, which passes the check."""
    model = model_of(preset)
    expected = sample(model, 40, seed=3)
    model.network.to("cuda")
    on_gpu = Model.of(model.network, model.card, "cuda")
    assert torch.equal(sample(on_gpu, 40, seed=3), expected)
    assert stage_for(model.network) is BlockStage
