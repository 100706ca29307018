"""Does this machine compute what the one did that encoded? Answered by one fixed image, before any other is decoded."""

import hashlib

import numpy as np

from model_core.codec.container import CANARY_BYTES
from model_core.codec.lanes import LaneCoder, finished
from model_core.config import NetworkConfig
from model_core.sampling.noise import image_noise
from model_core.sampling.stages import CodingStage


def canary(stage: CodingStage, config: NetworkConfig) -> bytes:
    """A digest of the state that a network is in once a fixed image of noise is encoded, every bit of it, and of the
    image's code. The stage must be a new one, whose slots have all been empty."""
    noise = image_noise(0, 0, config.height, config.width, config.channels)
    values = (noise * config.values).astype(np.uint8).transpose(2, 0, 1)
    labels = np.zeros(1, np.int64) if config.labels else None
    (code,) = finished(LaneCoder(stage, config).encode(values[None], 1, labels))
    digest = hashlib.sha256(code)
    for kept in stage.kept(0):
        digest.update(kept.astype("<f4").tobytes())
    return digest.digest()[:CANARY_BYTES]
