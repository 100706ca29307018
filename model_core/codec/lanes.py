"""Many images through one network: each slot is a lane, which codes its images one after the other into one stream.

Image i of n goes into lane i % L. Tiny images so share the ends of their streams. Encoding and decoding run the same
compiled steps: of the one all pixels are given and weighed, of the other none.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.compiled.range_coder import (
    BYTES_A_VALUE,
    LOW,
    PLACE,
    RANGE,
    READ,
    REGISTERS,
    WHOLE,
    Coder,
)
from model_core.config import NetworkConfig
from model_core.sampling.stage import Drawing
from model_core.sampling.stages import CodingStage

Values = NDArray[np.uint8]
Labels = NDArray[np.int64] | None
T = TypeVar("T")
Steps = Generator[int, None, T]
"""A computation that pauses after every row or so, says how many images are done since the last time, and ends in T."""
_FIRST_BYTES = 8
TEMPERATURE = 1.0


class EncodingLane:
    """Puts out the bytes of one image after the other."""

    def __init__(self) -> None:
        self._registers = np.zeros(REGISTERS, np.uint64)
        self._registers[RANGE] = WHOLE
        self._code = bytearray()

    def before_image(self) -> Coder:
        """The state that the next image is encoded with."""
        return Coder(self._registers, np.zeros(0, np.uint8))

    def after_image(self, coder: Coder) -> None:
        """Keep what was put out."""
        self._registers, place = coder.registers, int(coder.registers[PLACE])
        self._code += coder.code[:place].tobytes()
        self._registers[PLACE] = 0

    def finish(self) -> bytes:
        """All bytes, the last of them the shortest that lies in the interval, whatever follows; zeros follow."""
        low, length = int(self._registers[LOW]), int(self._registers[RANGE])
        for free_bits in range(56, -1, -8):
            number = -(-low >> free_bits) << free_bits
            if number < low + length:
                return (bytes(self._code) + number.to_bytes(8, "big")).rstrip(b"\0")
        raise AssertionError("an interval is never empty")


class DecodingLane:
    """Takes in the bytes of one image after the other; behind the last are zeros."""

    def __init__(self, code: bytes, image_values: int) -> None:
        """image_values: how many values each image has."""
        self._code = code
        self._most = BYTES_A_VALUE * image_values
        self._registers = np.zeros(REGISTERS, np.uint64)
        self._registers[RANGE] = WHOLE
        self._registers[READ] = int.from_bytes(
            code[:_FIRST_BYTES].ljust(_FIRST_BYTES, b"\0"), "big"
        )
        self._at = _FIRST_BYTES

    def before_image(self) -> Coder:
        """The state that the next image is decoded with."""
        following = self._code[self._at : self._at + self._most].ljust(
            self._most, b"\0"
        )
        return Coder(self._registers, np.frombuffer(following, np.uint8))

    def after_image(self, coder: Coder) -> None:
        """Go on behind what was taken in."""
        self._registers, place = coder.registers, int(coder.registers[PLACE])
        self._at += place
        self._registers[PLACE] = 0


class LaneCoder:
    """Codes the images of one network in as many lanes as its stage has slots, at most."""

    def __init__(self, stage: CodingStage, config: NetworkConfig) -> None:
        """stage: nobody else's while images are coded."""
        self._stage = stage
        self._shape = config.channels, config.height, config.width
        self._all = torch.ones(self._shape[1:], dtype=torch.bool)
        self._noise = torch.zeros(
            *self._shape[1:], config.channels, dtype=torch.float64
        )

    def encode(
        self, values: Values, lanes: int, labels: Labels = None
    ) -> Steps[list[bytes]]:
        """Images (n, C, H, W) -> the bytes of each lane; labels: those of the images, if they have any."""
        streams = [EncodingLane() for _ in range(lanes)]
        given: dict[str, Any] = {"keep": self._all, "weighed": self._all}

        def drawing(i: int, coder: Coder) -> Drawing:
            known = torch.from_numpy(values[i].astype(np.int64))
            return Drawing(
                self._noise,
                TEMPERATURE,
                known,
                coder=coder,
                label=_of(labels, i),
                **given,
            )

        yield from self._code(len(values), streams, drawing, lambda i, slot: None)
        return [stream.finish() for stream in streams]

    def decode(
        self, streams: list[bytes], count: int, labels: Labels = None
    ) -> Steps[Values]:
        """The bytes of each lane -> images (count, C, H, W), of these labels, if they have any."""
        lanes = [DecodingLane(stream, int(np.prod(self._shape))) for stream in streams]
        values = np.zeros((count, *self._shape), np.uint8)

        def drawing(i: int, coder: Coder) -> Drawing:
            return Drawing(self._noise, TEMPERATURE, coder=coder, label=_of(labels, i))

        def image_ended(i: int, slot: int) -> None:
            values[i] = self._stage.image(slot).numpy()

        yield from self._code(count, lanes, drawing, image_ended)
        return values

    def _code(
        self,
        count: int,
        lanes: list[EncodingLane] | list[DecodingLane],
        drawing: Callable[[int, Coder], Drawing],
        image_ended: Callable[[int, int], None],
    ) -> Steps[None]:
        """Let each lane's slot code its images, all lanes side by side."""
        stage, at = self._stage, list(range(len(lanes)))
        for slot, lane in enumerate(lanes):
            stage.open(slot, drawing(slot, lane.before_image()))
        ended = 0
        while ended < count:
            before = ended
            with torch.inference_mode():
                rows = stage.step()
            for row in rows:
                if not row.is_last:
                    continue
                slot, lane = row.slot, lanes[row.slot]
                lane.after_image(stage.coder(slot))
                image_ended(at[slot], slot)
                ended, at[slot] = ended + 1, at[slot] + len(lanes)
                if at[slot] < count:
                    stage.open(slot, drawing(at[slot], lane.before_image()))
            yield ended - before


def _of(labels: Labels, i: int) -> int | None:
    return None if labels is None else int(labels[i])


def finished(
    steps: Steps[T], on_images: Callable[[int], None] = lambda count: None
) -> T:
    """Run a computation to its end without a pause; returns its result. on_images hears of the images that are done."""
    while True:
        try:
            on_images(next(steps))
        except StopIteration as end:
            return end.value
