"""Completions by the engine in JavaScript, held against Python's: a part of benchmarks/portable.py.

Holes of five shapes in image 0 of seed 0, four images each; in colour, where windows have hundreds of values, one each.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model_core import sample
from model_core.models import Model
from model_core.posterior.completion import Completion, complete

Request = dict[str, Any]
Facts = dict[str, Any]
Ask = Callable[[Sequence[Request]], Facts]
"""Lets the engine carry out requests: `module`, `completions`, and `ms` where processor time is known."""
OF_EACH, OF_EACH_IN_COLOUR = 4, 1


def holes(height: int, width: int) -> list[NDArray[np.bool_]]:
    """keep (H, W): the lower, upper and left half, the centre, and a random half of the pixels are not given."""
    rng = np.random.default_rng(2016)
    lower, upper, left, centre = (np.ones((height, width), np.bool_) for _ in range(4))
    lower[height // 2 :], upper[: height // 2], left[:, : width // 2] = (
        False,
        False,
        False,
    )
    centre[height // 4 : -(height // 4), width // 4 : -(width // 4)] = False
    return [lower, upper, left, centre, rng.random((height, width)) < 0.5]


def compared(model: Model, ask: Ask) -> Facts:
    """How many values, figures of receipts and of marginals differ from Python's, and both sides' processor time."""
    (known,), config = sample(model, 1, 0), model.config
    n = OF_EACH if config.channels == 1 else OF_EACH_IN_COLOUR
    shapes = holes(config.height, config.width)
    complete(
        model, known, torch.from_numpy(shapes[-1]), 0, seed=0
    )  # until the loops are loaded
    since = time.process_time()
    expected = [
        complete(model, known, torch.from_numpy(keep), n, seed=0) for keep in shapes
    ]
    native_ms = 1000 * (time.process_time() - since)
    asked = {"known": known.ravel().tolist(), "n": n, "seed": 0}
    found = ask([asked | {"keep": keep.ravel().tolist()} for keep in shapes])
    each = zip(found["completions"], expected, strict=True)
    values, receipts, marginals = np.sum(
        [_differing(*pair) for pair in each], 0
    ).tolist()
    images = n * len(shapes)
    facts = {
        "images": images,
        "values": images * known.numel(),
        "differ": values,
        "module": found["module"],
    }
    facts |= {"receipts_differ": receipts, "marginals_differ": marginals}
    return (
        facts | {"ms": found["ms"] / images, "native_ms": native_ms / images}
        if "ms" in found
        else facts
    )


def _differing(found: Facts, expected: Completion) -> tuple[int, int, int]:
    values = np.array([image["values"] for image in found["images"]]).reshape(
        expected.values.shape
    )
    receipt = json.loads(json.dumps(expected.receipt.to_dict()))
    assert expected.mean is not None
    assert expected.entropy_bits is not None
    maps = zip(
        (expected.mean, expected.entropy_bits),
        (found["mean"], found["entropyBits"]),
        strict=True,
    )
    return (
        int((values != expected.values.numpy()).sum()),
        sum(found["receipt"].get(name) != fact for name, fact in receipt.items()),
        sum(int((np.array(its) != of.numpy().ravel()).sum()) for of, its in maps),
    )
