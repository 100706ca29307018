"""Code many images through one network. Each slot is a lane, which codes its images one
after the other into one stream of bytes.

Image i of n belongs to lane i % L of L lanes. So small images share the end of a
stream. Encoding and decoding run the same compiled steps; when encoding, all pixels are
given and weighed, when decoding, none is.
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
"""A computation that pauses about once per row. It yields the number of images that
were finished since the last pause, and returns a T."""
_FIRST_BYTES = 8
"""Bytes of code in the decoder's register."""
TEMPERATURE = 1.0
"""Temperature of the probabilities: those of the model as it is."""


class EncodingLane:
    """The encoder of one stream: for each image, `before_image`, the image's steps,
    then `after_image`; at the end `finish`."""

    def __init__(self) -> None:
        self._registers = np.zeros(REGISTERS, np.uint64)
        self._registers[RANGE] = WHOLE
        self._code = bytearray()

    def before_image(self) -> Coder:
        """Return the state with which the next image is encoded."""
        return Coder(self._registers, np.zeros(0, np.uint8))

    def after_image(self, coder: Coder) -> None:
        """Append the bytes that an image's steps wrote.

        coder: the state after them.
        """
        self._registers = coder.registers
        place = int(coder.registers[PLACE])
        self._code += coder.code[:place].tobytes()
        self._registers[PLACE] = 0

    def finish(self) -> bytes:
        """Return the whole stream. It ends with the fewest bytes that, followed by
        zeros, lie within the coder's interval; zeros at the end are left out."""
        low = int(self._registers[LOW])
        length = int(self._registers[RANGE])
        for free_bits in range(56, -1, -8):
            number = -(-low >> free_bits) << free_bits
            if number < low + length:
                return (bytes(self._code) + number.to_bytes(8, "big")).rstrip(b"\0")
        raise AssertionError("an interval is never empty")


class DecodingLane:
    """The decoder of one stream: for each image, `before_image`, the image's steps,
    then `after_image`. After its end the stream continues with zeros."""

    def __init__(self, code: bytes, image_values: int) -> None:
        """code: the stream.
        image_values: number of values of each image."""
        self._code = code
        self._most = BYTES_A_VALUE * image_values
        self._registers = np.zeros(REGISTERS, np.uint64)
        self._registers[RANGE] = WHOLE
        first = code[:_FIRST_BYTES].ljust(_FIRST_BYTES, b"\0")
        self._registers[READ] = int.from_bytes(first, "big")
        self._at = _FIRST_BYTES

    def before_image(self) -> Coder:
        """Return the state with which the next image is decoded."""
        # The steps of one image read at most `_most` bytes.
        following = self._code[self._at : self._at + self._most]
        padded = following.ljust(self._most, b"\0")
        return Coder(self._registers, np.frombuffer(padded, np.uint8))

    def after_image(self, coder: Coder) -> None:
        """Skip the bytes that an image's steps read.

        coder: the state after them.
        """
        self._registers = coder.registers
        self._at += int(coder.registers[PLACE])
        self._registers[PLACE] = 0


class LaneCoder:
    """Encodes and decodes images with one network. Each lane takes one of its stage's
    slots."""

    def __init__(self, stage: CodingStage, config: NetworkConfig) -> None:
        """stage: used by nothing else while images are coded."""
        self._stage = stage
        self._shape = config.channels, config.height, config.width
        self._all = torch.ones(self._shape[1:], dtype=torch.bool)
        # Drawing needs noise, but a coder decides all values.
        self._noise = torch.zeros(
            *self._shape[1:], config.channels, dtype=torch.float64
        )

    def encode(
        self, values: Values, lanes: int, labels: Labels = None
    ) -> Steps[list[bytes]]:
        """Encode images (n, C, H, W), and return the bytes of each lane.

        lanes: their number.
        labels: (n,), one for each image, in a model with labels.
        """
        streams = [EncodingLane() for _ in range(lanes)]
        given: dict[str, Any] = {"keep": self._all, "weighed": self._all}

        def drawing(i: int, coder: Coder) -> Drawing:
            known = torch.from_numpy(values[i].astype(np.int64))
            return Drawing(
                self._noise,
                TEMPERATURE,
                known,
                coder=coder,
                label=_label_at(labels, i),
                **given,
            )

        yield from self._code(len(values), streams, drawing, lambda i, slot: None)
        return [stream.finish() for stream in streams]

    def decode(
        self, streams: list[bytes], count: int, labels: Labels = None
    ) -> Steps[Values]:
        """Decode `count` images, and return them (count, C, H, W).

        streams: the bytes of each lane.
        labels: (count,), one for each image, in a model with labels.
        """
        lanes = [DecodingLane(stream, int(np.prod(self._shape))) for stream in streams]
        values = np.zeros((count, *self._shape), np.uint8)

        def drawing(i: int, coder: Coder) -> Drawing:
            label = _label_at(labels, i)
            return Drawing(self._noise, TEMPERATURE, coder=coder, label=label)

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
        """Code `count` images, each lane in a slot of its own, all lanes side by side.

        drawing: returns the drawing of image i with a coder's state.
        image_ended: called with an image's index and its slot, when the image is
            complete.
        """
        stage = self._stage
        image_in = list(range(len(lanes)))  # index of the image in each slot
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
                slot = row.slot
                lane = lanes[slot]
                lane.after_image(stage.coder(slot))
                image_ended(image_in[slot], slot)
                ended += 1
                image_in[slot] += len(lanes)
                if image_in[slot] < count:
                    stage.open(slot, drawing(image_in[slot], lane.before_image()))
            yield ended - before


def _label_at(labels: Labels, i: int) -> int | None:
    return None if labels is None else int(labels[i])


def finished(
    steps: Steps[T], on_images: Callable[[int], None] = lambda count: None
) -> T:
    """Run a computation to its end, and return its result.

    on_images: called with the number of images that were finished since the last call.
    """
    while True:
        try:
            on_images(next(steps))
        except StopIteration as end:
            return end.value
