"""Files of models with labels: each image is coded with its own, and comes back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_core import Model, decode, encode, sample, untrained
from model_core.codec import codec
from model_core.codec.codec import encoding
from model_core.codec.container import pack_labels, unpack_labels
from model_core.components import Member
from model_core.errors import DataError
from model_core.measures.likelihood import component_nats
from model_core.networks import PixelNetwork
from model_core.sampling.stages import CodingStage, coding_stage
from tests.labelled_models import labelled


@settings(deadline=None)
@given(st.integers(1, 64), st.integers(0, 700), st.integers(0, 2**32))
def test_labels_take_log2_of_their_number(count: int, images: int, seed: int) -> None:
    """In bits, up to a byte for each 256; what follows is left alone, and what is cut off is refused."""
    labels = np.random.default_rng(seed).integers(0, count, images)
    packed = pack_labels(labels, count)
    assert len(packed) <= images * np.log2(count) / 8 + images // 256 + 1
    found, rest = unpack_labels(packed + b"rest", images, count)
    assert (found.tolist(), rest) == (labels.tolist(), b"rest")
    if packed:
        with pytest.raises(DataError, match="ends within the labels"):
            unpack_labels(packed[:-1], images, count)


def test_many_labels_are_compared_in_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 40 labels 16 at most take the memory of a slot, and the computation pauses
    after each row: an engine must not be away for a whole image under all labels."""
    model = untrained("mnist-row-lstm", seed=1, labels=40, height=5, width=4, hidden=4)
    images = torch.randint(0, 2, (2, 1, 5, 4), generator=torch.Generator())
    slots = []

    def stage_of(network: PixelNetwork, count: int) -> CodingStage:
        slots.append(count)
        return coding_stage(network, count)

    monkeypatch.setattr(codec, "coding_stage", stage_of)
    steps = encoding(model, images)
    pauses = 0
    while True:
        try:
            pauses += next(steps) == 0
        except StopIteration as end:
            data = end.value
            break
    assert max(slots) == 16
    groups = 3
    assert pauses >= len(images) * groups * 5
    assert data == encode(model, images)
    assert torch.equal(decode(model, data), images)


@pytest.mark.parametrize("members", [1, 2])
def test_images_come_back_in_as_many_bits_as_their_labels_say(members: int) -> None:
    """Within 0.1 % of the nats under the likeliest label, and log2 of their number; another label costs more."""
    sizes = {
        "height": 6,
        "width": 6,
        "channels": 3,
        "values": 5,
        "hidden": 6,
        "head": 6,
    }
    first, second = labelled(seed=1, **sizes), labelled(seed=2, **sizes)
    turned = Member(second.members[0].network, "rotate_180")
    model = Model((first.members[0], turned)[:members], first.card)
    images = sample(model, 300, seed=3)
    data = encode(model, images)
    assert torch.equal(decode(model, data), images)
    nats = min(
        float(
            component_nats(model.components[3 * k : 3 * k + 3], images)
            .double()
            .amin(0)
            .sum()
        )
        for k in range(members)
    )
    bits = nats / np.log(2) * 1.001 + len(images) * np.log2(3)
    assert len(data) * 8 <= bits + 8 * 120
    of_one = encode(model, images, label="b")
    assert torch.equal(decode(model, of_one), images)
    assert len(of_one) > len(data)


def test_a_label_that_the_model_lacks_is_damage() -> None:
    """A number too large for the labels of its images."""
    with pytest.raises(DataError, match="a label is none of the model's"):
        unpack_labels(b"\xff", 1, 3)
