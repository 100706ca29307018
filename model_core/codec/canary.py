"""A check, with one fixed image, that this machine computes the same bits as the one
that encoded. It runs before any image is decoded."""

import hashlib

import numpy as np

from model_core.codec.container import CANARY_BYTES
from model_core.codec.lanes import LaneCoder, finished
from model_core.config import NetworkConfig
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.compiled.threaded import ThreadedStage
from model_core.sampling.noise import image_noise


def canary(stage: CompiledStage | ThreadedStage, config: NetworkConfig) -> bytes:
    """Return a digest of the code of a fixed image of noise, and of every bit of the
    network's state after it is encoded.

    stage: a new stage, none of whose slots has been used; the image stays in slot 0.
    """
    noise = image_noise(0, 0, config.height, config.width, config.channels)
    values = (noise * config.values).astype(np.uint8).transpose(2, 0, 1)
    labels = np.zeros(1, np.int64) if config.labels else None
    (code,) = finished(LaneCoder(stage, config).encode(values[None], 1, labels))
    digest = hashlib.sha256(code)
    for state in stage.kept(0):
        digest.update(state.astype("<f4").tobytes())
    return digest.digest()[:CANARY_BYTES]
