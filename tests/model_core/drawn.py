"""What is drawn in a number of threads: the same calls for small and for served models."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from model_core import complete, decode, encode
from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.compiled.threads import use_threads
from model_core.sampling.compiled.weights import prepared
from model_core.sampling.engine import Engine

COUNTS = (1, 2, 3, 8)
"""Numbers of threads: one, as many as this machine may have, one that divides no batch,
and more than there are images for."""

Drawn = dict[str, tuple[NDArray[np.uint8], float | None]]
"""Images (C, H, W) and their ln p, by name."""


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let this thread's stages draw in so many threads within."""
    use_threads(count)
    try:
        yield
    finally:
        use_threads(1)


def given_rows(model: Model, rows: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return known (C, H, W) and keep (H, W) of a picture whose first rows are given,
    and one pixel behind them."""
    config = model.config
    shape = config.channels, config.height, config.width
    generator = torch.Generator().manual_seed(4)
    known = torch.randint(0, config.values, shape, generator=generator).numpy()
    keep = np.zeros(shape[1:], np.bool_)
    keep[:rows] = True
    keep[rows : rows + 1, 2] = True
    return known, keep


def requests(model: Model) -> dict[str, ImageRequest]:
    """Return requests of all ways in which an image is drawn in a slot, by name."""
    known, keep = given_rows(model, model.config.height // 2)
    member = 1 if len(model.members) > 1 else None
    label = 1 if model.config.labels else None
    completed = ImageRequest(
        7, 4, known=known, keep=keep, label_from=keep, member=member
    )
    return {
        "plain": ImageRequest(7, 0),
        "hot": ImageRequest(7, 1, 1.3),
        "weighed": ImageRequest(7, 2, weighed=True),
        "labelled": ImageRequest(7, 3, 0.8, label=label),
        "completed": completed,
        "completed again": replace(completed, sample=5, temperature=0.9),
        "plain too": ImageRequest(9, 6),
    }


def drawn_in_company(model: Model, count: int, every: int = 3, slots: int = 5) -> Drawn:
    """Draw all requests in an engine of so many threads. Each joins some steps after the
    one before, when a slot is free; one image is withdrawn on its way."""
    engine = Engine(model, slots, kept=2, threads=count)
    waiting, named = list(requests(model).items()), dict[int, str]()
    images: dict[str, list[NDArray[np.uint8]]] = {}
    log_p: dict[str, float | None] = {}
    engine.withdraw(engine.admit(ImageRequest(11, 0)))
    unwanted = engine.admit(ImageRequest(11, 1))
    steps = 0
    while waiting or engine.busy:
        if waiting and engine.free and (steps % every == 0 or not engine.busy):
            name, request = waiting.pop(0)
            named[engine.admit(request)] = name
        for row in engine.step():
            if row.of_small or row.ticket == unwanted:
                continue
            images.setdefault(named[row.ticket], []).append(row.values)
            if row.is_last:
                log_p[named[row.ticket]] = row.log_p
        steps += 1
        if steps == 1:
            engine.withdraw(unwanted)
    return {name: (np.stack(rows, 1), log_p[name]) for name, rows in images.items()}


def expect_same(drawn: Drawn, expected: Drawn) -> None:
    """Fail unless both have the same images, byte for byte, with the same ln p."""
    assert drawn.keys() == expected.keys()
    for name, (image, log_p) in expected.items():
        np.testing.assert_array_equal(drawn[name][0], image, name)
        assert drawn[name][1] == log_p, name


def coded(model: Model, count: int, images: torch.Tensor) -> bytes:
    """Encode images in so many threads, and expect them back in as many."""
    with threads(count):
        data = encode(model, images)
        assert torch.equal(decode(model, data), images)
    return data


def by_particles(
    model: Model, count: int, particles: int, label: int | None = None
) -> tuple[NDArray[np.int64], object, NDArray[np.float64] | None]:
    """Complete a picture with a hole in its midst: the images, the receipt, the mean."""
    known, keep = given_rows(model, model.config.height)
    keep[1:3, 1:5] = False
    with threads(count):
        done = complete(
            model,
            torch.from_numpy(known),
            torch.from_numpy(keep),
            2,
            5,
            particles=particles,
            label=label,
            most_scores=0,
        )
    mean = None if done.mean is None else np.asarray(done.mean)
    return done.values.numpy(), done.receipt, mean


def arrays_of(stage: CompiledStage) -> int:
    """Return the bytes of the arrays that belong to a stage alone."""
    weights = {id(array) for array in stage._shared if isinstance(array, np.ndarray)}
    layers = stage._layers._asdict()
    of_kind = set(layers) - set(prepared(stage._network).weights)
    parts = [*stage._state, *stage._front, *{id(a): a for a in stage._places}.values()]
    parts += [layers[name] for name in of_kind]
    return sum(
        part.nbytes
        for part in parts
        if isinstance(part, np.ndarray) and id(part) not in weights
    )
