"""The check that a GPU passes before it draws from a network.

As many blocks as the GPU runs at once draw fixed images. Their values, ln p, range
coders and all maps that the network keeps are compared with those of the compiled
loops; then every logit of two images is. Values alone would show almost nothing: a
wrong last bit changes about one drawn value in a million.
"""

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.compiled.range_coder import (
    BYTES_A_VALUE,
    RANGE,
    READ,
    REGISTERS,
    WHOLE,
    Coder,
)
from model_core.errors import ConfigError
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.blocks import gpus
from model_core.sampling.blocks.drivers import Driver, GpuDriver
from model_core.sampling.blocks.stage import BlockStage, block_logits, has_program
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.main_memory import in_main_memory
from model_core.sampling.noise import image_noise
from model_core.sampling.stage import Drawing

LARGE_BYTES = 8 * 2**20
"""Networks with more bytes of weights are compared in FEW_ROWS rows only, because a
GPU may take minutes for an image of the paper's size."""
FEW_ROWS = 2
"""Rows of which a large network's images are compared."""
STATE_BYTES = 2 * 2**30
"""Maximum bytes of memory that the blocks of a check take."""


def open_gpu(device: torch.device) -> None:
    """Open the GPU of a CUDA device once, and register it in gpus.py, so that it draws
    from the networks that pass its check; no network is checked yet. For other devices
    nothing happens.

    If a package is missing, that is recorded instead, with a warning, and the CPU
    draws. Raises torch.AcceleratorError or RuntimeError if the GPU itself fails.
    """
    if device.type != "cuda" or gpus.is_known(device):
        return
    try:
        gpus.use(device, gpus.Gpu(GpuDriver.open(device), find_difference))
    except ConfigError as error:
        gpus.refuse(device, str(error))
        warnings.warn(f"the processors draw for {device}: {error}", stacklevel=2)


def find_difference(network: PixelNetwork, driver: Driver) -> str | None:
    """Compare what a driver computes for a network with the compiled loops of the CPU.
    Return None if nothing differs, else a sentence that says what does, or that the
    network has no block program (the form in which a GPU draws).

    This takes the time of some images, on the driver and on the CPU, and compiles
    missing loops.
    """
    if not has_program(network):
        return f"there is no block program for {network.config.network} networks"
    network = in_main_memory(network)
    size = sum(each.numel() * each.element_size() for each in network.parameters())
    rows = FEW_ROWS if size > LARGE_BYTES else network.config.height
    rows = min(rows, network.config.height)
    with torch.inference_mode():
        return _drawings_differ(network, driver, rows) or _logits_differ(
            network, driver, rows
        )


def _drawings_differ(network: PixelNetwork, driver: Driver, rows: int) -> str | None:
    """Compare what the blocks draw in the first rows; return what differs, or None."""
    drawings = [*check_drawings(network)]
    expected = CompiledStage(network, len(drawings))
    _draw(expected, drawings, rows)

    slot_bytes = BlockStage.bytes_of(network, driver)
    fit = max(len(drawings), min(driver.blocks, STATE_BYTES // slot_bytes))
    found = BlockStage(network, fit, driver)
    _draw(found, [drawings[slot % len(drawings)] for slot in range(fit)], rows)
    for slot in range(fit):
        like = slot % len(drawings)
        what = _first_difference(found, slot, expected, like)
        if what is not None:
            return f"{what} of drawing {like} in block {slot} differ from the CPU's"
    return None


def _draw(
    stage: BlockStage | CompiledStage, drawings: list[Drawing], rows: int
) -> None:
    width = drawings[0].noise.shape[1]
    for slot, drawing in enumerate(drawings):
        stage.open(slot, drawing)
        stage.hold(slot, rows - 1, width)
    while stage.step():
        pass


def _first_difference(
    found: BlockStage, slot: int, expected: CompiledStage, like: int
) -> str | None:
    """Return the name of the first part of an image that differs, or None."""
    if not _same(found.image(slot).numpy(), expected.image(like).numpy()):
        return "values"
    if not _same(found.log_p(slot), expected.log_p(like)):
        return "ln p"
    for ours, theirs in zip(found.kept(slot), expected.kept(like), strict=True):
        if not _same(ours, theirs[:, :, : ours.shape[2]]):
            return "maps"
    ours, theirs = found.coder(slot), expected.coder(like)
    length = min(len(ours.code), len(theirs.code))
    if not _same(ours.registers, theirs.registers):
        return "registers of the range coder"
    if not _same(ours.code[:length], theirs.code[:length]):
        return "coded bytes"
    return None


def check_drawings(network: PixelNetwork) -> Iterator[Drawing]:
    """Yield the four images that a check draws, always the same for a network's shape
    and of its last label, if it has labels: one that is drawn freely; one around given
    pixels, at another temperature; one whose values are all given and encoded by a
    range coder; and one whose values are decoded."""
    config = network.config
    H, W, C = config.height, config.width, config.channels
    noise = _noise(network, 0)
    given = Drawing(
        noise, 1.0, condition=_condition(network), label=_last_label(network)
    )
    yield given

    known = _values(network, 1)
    scattered = _noise(network, 2)
    keep = scattered[:, :, 0] < 0.5
    weighed = keep & (scattered[:, :, -1] < 0.5)
    others = replace(given, known=known, keep=keep, weighed=weighed)
    yield replace(others, noise=_noise(network, 3), temperature=0.7)

    registers = np.zeros(REGISTERS, np.uint64)
    registers[RANGE] = WHOLE
    every = torch.ones(H, W, dtype=torch.bool)
    encoder = Coder(registers, np.zeros(0, np.uint8))
    yield replace(
        given, known=_values(network, 0), keep=every, weighed=every, coder=encoder
    )

    code = (
        (image_noise(0, 4, BYTES_A_VALUE * C * H, W, 1) * 256).astype(np.uint8).ravel()
    )
    reading = registers.copy()
    reading[READ] = int.from_bytes(code[:8].tobytes(), "big")
    yield replace(given, coder=Coder(reading, code))


def _logits_differ(network: PixelNetwork, driver: Driver, rows: int) -> str | None:
    images = torch.stack([_values(network, i) for i in (5, 6)]).numpy()
    label, condition = _last_label(network), _condition(network)
    expected = CompiledStage.logits(network, images, label, condition)
    found = block_logits(network, images, label, driver, condition, rows)
    if not _same(found, np.ascontiguousarray(expected[:, :, :, :rows])):
        return "logits differ from the CPU's"
    return None


def _noise(network: PixelNetwork, number: int) -> Tensor:
    config = network.config
    size = config.height, config.width, config.channels
    return torch.from_numpy(image_noise(0, number, *size))


def _values(network: PixelNetwork, number: int) -> Tensor:
    scaled = _noise(network, number) * network.config.values
    return scaled.long().permute(2, 0, 1).contiguous()


def _last_label(network: PixelNetwork) -> int | None:
    labels = network.config.labels
    return labels - 1 if labels else None


def _condition(network: PixelNetwork) -> Tensor | None:
    """Return a fixed map (H, W, c) of noise if the network is conditioned on a map."""
    if network.config.labels or not network.conditioning:
        return None
    config = network.config
    size = config.height, config.width, network.conditioning
    noise = torch.from_numpy(image_noise(0, 7, size[0], size[1] * size[2], 1))
    return noise.view(size).float() - 0.5


def _same(ours: NDArray[np.generic], theirs: NDArray[np.generic]) -> bool:
    """Compare bits: 0.0 and -0.0 differ, and NaN equals itself."""
    return ours.shape == theirs.shape and (
        np.ascontiguousarray(ours).tobytes() == np.ascontiguousarray(theirs).tobytes()
    )
