"""A stage of several threads draws the bytes of one thread, and takes the memory that is
planned for it."""

import os
import threading
import time
import warnings
from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_core import Model, sample
from model_core.distribution import NOT_FINITE
from model_core.image_request import ImageRequest
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.compiled.threaded import ThreadedStage, threaded_bytes
from model_core.sampling.compiled.threads import (
    MOST_THREADS,
    drawn_by_threads,
    run_together,
    threads_in_use,
    use_threads,
)
from model_core.sampling.engine import Engine
from model_core.sampling.noise import image_noise
from model_core.sampling.stage import Drawing
from model_core.sampling.stages import compiled_stage
from tests.labelled_models import labelled
from tests.model_core.drawn import (
    COUNTS,
    arrays_of,
    by_particles,
    coded,
    drawn_in_company,
    expect_same,
    threads,
)
from tests.model_core.lively import PRESETS, H, W, lively, plain, scales
from tests.model_core.lively import drawing as given_drawing
from tests.posterior.tiny import mixture

SEVERAL = COUNTS[1:]
SIZE = {"height": 6, "width": 9}


@pytest.fixture(autouse=True)
def handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand over the steps of small networks, too, which are not worth it."""
    monkeypatch.setattr(ThreadedStage, "worth_s", 0.0)


def small(preset: str) -> Model:
    return lively(preset, torch.float32, **SIZE)


def drawing(i: int, temperature: float = 1.0) -> Drawing:
    noise = torch.from_numpy(image_noise(5, i, H, W, 3))
    return Drawing(noise, temperature)


def finished(
    stage: CompiledStage | ThreadedStage, slots: Collection[int]
) -> list[NDArray]:
    """Step until the images in these slots are done; return them."""
    left = len(slots)
    while left:
        left -= sum(row.is_last for row in stage.step())
    return [stage.image(slot).numpy().copy() for slot in slots]


@pytest.mark.parametrize("preset", PRESETS)
def test_images_have_the_bytes_of_one_thread_in_any_company(preset: str) -> None:
    """Joining and leaving at different times, weighed, hot, and resumed from a state that
    another thread's stage keeps."""
    model = small(preset)
    expected = drawn_in_company(model, 1)
    for count, every in product(SEVERAL, (1, 4)):
        expect_same(drawn_in_company(model, count, every), expected)
    alone = sample(model, 1, 9, first=6)[0].numpy()
    np.testing.assert_array_equal(expected["plain too"][0], alone)


@pytest.mark.parametrize(
    "model",
    [
        scales(),
        labelled("mnist-row-lstm", **SIZE),
        mixture("none", "rotate_180"),
    ],
    ids=["scales", "labels", "mixture"],
)
def test_other_models_have_the_bytes_of_one_thread(model: Model) -> None:
    """Two scales, labels that are chosen by what is given, and two members."""
    expected = drawn_in_company(model, 1)
    for count in SEVERAL:
        with threads(count):  # label_choice asks for its own stage
            expect_same(drawn_in_company(model, count), expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_fields_of_two_widths_have_the_bytes_of_one_thread(preset: str) -> None:
    """Drawn in turns, window by window, each in an engine of its own."""
    model = small(preset)

    def fields(count: int) -> list[NDArray[np.uint8]]:
        engines, rows = [], dict[tuple[int, int], list[NDArray[np.uint8]]]()
        for width in (11, 14):
            wide, windows = model.field(width, 15)
            engine = Engine(wide, 3, threads=count)
            for i in range(3):
                engine.admit(ImageRequest(5, i, windows=windows))
            engines.append(engine)
        while any(engine.busy for engine in engines):
            for k, engine in enumerate(engines):
                for row in engine.step():
                    rows.setdefault((k, row.ticket), []).append(row.values)
        return [np.stack(each, 1) for _, each in sorted(rows.items())]

    expected = fields(1)
    assert [image.shape[1:] for image in expected] == [(15, 11)] * 3 + [(15, 14)] * 3
    for count in SEVERAL:
        for image, other in zip(fields(count), expected, strict=True):
            np.testing.assert_array_equal(image, other)


@pytest.mark.parametrize("preset", PRESETS)
def test_files_have_the_bytes_of_one_thread(preset: str) -> None:
    """Encoded and decoded: the number of lanes does not depend on that of threads."""
    model = small(preset)
    images = sample(model, 7, 3)
    expected = coded(model, 1, images)
    for count in SEVERAL:
        assert coded(model, count, images) == expected


@pytest.mark.parametrize("preset", PRESETS)
def test_completions_by_particles_have_the_bytes_of_one_thread(preset: str) -> None:
    """Particles are copied from one thread's stage to another's; images, receipt and mean
    are the same."""
    model = small(preset)
    images, receipt, mean = by_particles(model, 1, 12)
    for count in SEVERAL:
        others, its, of_it = by_particles(model, count, 12)
        np.testing.assert_array_equal(others, images)
        np.testing.assert_array_equal(of_it, mean)
        assert its == receipt


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("given", [0, 2])
def test_images_that_begin_together_are_those_that_begin_one_by_one(
    preset: str, given: int
) -> None:
    """With the state of an image that has passed the given rows, and with none. They are
    spread over the threads alike."""
    network, slots = plain(lively(preset, torch.float32)), range(1, 6)
    first = given_drawing(0, given)
    others = [first.with_noise(drawing(slot).noise, None) for slot in slots]
    images, loads = [], []
    for together, count in product((False, True), (1, 2, 3)):
        stage = ThreadedStage(network, 6, count)
        stage.open(0, first)
        if given:
            stage.advance([0], given - 1, W)
        if together and given:
            stage.fork_all(0, slots, others)
        elif together:
            stage.open_all(slots, others)
        for slot, other in zip(slots, others, strict=True):
            if given and not together:
                stage.fork(0, slot, other)
            elif not together:
                stage.open(slot, other)
        loads.append(stage.fullest)
        stage.hold(0, H, 0)
        images.append(finished(stage, range(6)))
    assert loads[:3] == loads[3:]
    for each in images[1:]:
        np.testing.assert_array_equal(each, images[0])


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("within", [0, 5])
def test_image_goes_on_from_another_threads_image(preset: str, within: int) -> None:
    """`copy` between two stages, at the end of a row and in the midst of one."""
    network, slots = plain(lively(preset, torch.float32)), range(6)
    images = []
    for stage in (CompiledStage(network, 6), ThreadedStage(network, 6, 2)):
        for slot in slots:
            stage.open(slot, drawing(slot))
            stage.hold(slot, 2, within)
        while stage.step():
            pass
        stage.copy([0, 4, 3], [5, 1, 2])
        if isinstance(stage, ThreadedStage):
            assert stage._places[0].stage != stage._places[5].stage
            assert stage._places[4].stage != stage._places[1].stage
        for slot in slots:
            stage.hold(slot, H, 0)
        images.append(finished(stage, slots))
    np.testing.assert_array_equal(images[1], images[0])


def test_rows_come_in_the_order_of_slots_and_only_of_images_that_are_drawn() -> None:
    """Whichever thread was first."""
    stage = ThreadedStage(plain(lively("mnist-row-lstm", torch.float32)), 9, 4)
    for slot in (8, 3, 5, 0, 7, 1):
        stage.open(slot, drawing(slot))
    stage.close(5)
    while rows := stage.step():
        slots = [row.slot for row in rows]
        assert slots == sorted(slots)
        assert 5 not in slots
    assert stage.busy == 0


@pytest.mark.parametrize("count", [2, 3, 8])
def test_images_are_spread_evenly_whoever_leaves(count: int) -> None:
    """After any opening and closing, with states that are kept in closed slots, no stage
    has two images more than the share of each."""
    network = plain(lively("mnist-pixelcnn", torch.float32))
    slots, kept = 4 * count, 4
    stage = ThreadedStage(network, slots + kept, count)
    random = np.random.default_rng(count)
    active: set[int] = set()
    for turn in range(400):
        vacant = [slot for slot in range(slots) if slot not in active]
        if vacant and (not active or random.random() < 0.6):
            slot = int(random.choice(vacant))
            stage.open(slot, drawing(slot))
            active.add(slot)
        else:
            slot = int(random.choice(sorted(active)))
            if turn % 7 == 0:  # as Drawings keeps the state after given rows
                place = slots + turn % kept
                stage.fork(slot, place, drawing(slot))
                stage.close(place)
            stage.close(slot)
            active.remove(slot)
        assert stage.busy == len(active)
        assert stage.fullest <= -(-slots // count) + 1


def test_no_thread_is_begun_without_pixels_for_a_tile() -> None:
    """A Diagonal BiLSTM draws one pixel of an image at a time, four as fast as two: five
    images are the first that need two threads. A PixelCNN draws three of each image."""
    diagonal = ThreadedStage(
        plain(lively("mnist-diagonal-bilstm", torch.float32)), 12, 3
    )
    rows = ThreadedStage(plain(lively("mnist-pixelcnn", torch.float32)), 12, 3)
    loads = {diagonal: list[list[int]](), rows: list[list[int]]()}
    for stage, seen in loads.items():
        for slot in range(9):
            stage.open(slot, drawing(slot))
            seen.append([each.busy for each in stage._stages])
    assert loads[diagonal][3] == [4, 0, 0]
    assert loads[diagonal][4] == [4, 1, 0]
    assert loads[diagonal][8] == [4, 4, 1]
    assert loads[rows][1] == [1, 1, 0]
    assert loads[rows][8] == [3, 3, 3]


def test_lone_image_stays_with_the_thread_that_asks() -> None:
    """Nothing is handed over, and no thread is waited for."""
    stage = ThreadedStage(plain(lively("mnist-row-lstm", torch.float32)), 8, 4)
    before = drawn_by_threads()[1:]
    stage.open(6, drawing(6))
    finished(stage, [6])
    assert drawn_by_threads()[1:] == before


def test_short_steps_stay_with_the_thread_that_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All stages are advanced, one after the other."""
    monkeypatch.setattr(ThreadedStage, "worth_s", 1e9)
    stage = ThreadedStage(plain(lively("mnist-row-lstm", torch.float32)), 8, 4)
    before = drawn_by_threads()[1:]
    for slot in range(4):
        stage.open(slot, drawing(slot))
    finished(stage, range(4))
    assert drawn_by_threads()[1:] == before


@pytest.mark.parametrize("broken", [0, 1])
def test_logits_that_are_not_finite_are_raised_once_all_threads_are_back(
    broken: int,
) -> None:
    """In the thread that asks or in another; a stage made then draws the right bytes."""
    network = plain(lively("mnist-row-lstm", torch.float32))
    stage = ThreadedStage(network, 2, 2)
    for slot in (0, 1):
        stage.open(slot, drawing(slot, float("nan") if slot == broken else 1.0))
    with pytest.raises(FloatingPointError, match=NOT_FINITE[:20]):
        finished(stage, (0, 1))
    images = []
    for again in (ThreadedStage(network, 2, 2), CompiledStage(network, 2)):
        for slot in (0, 1):
            again.open(slot, drawing(slot))
        images.append(finished(again, (0, 1)))
    np.testing.assert_array_equal(*images)


def test_exception_is_raised_after_all_calls_are_over() -> None:
    """One in another thread, one in this thread, and both: the others end first, and the
    threads make further calls."""
    over: list[str] = []

    def slowly(name: str) -> Callable[[], int]:
        def call() -> int:
            time.sleep(0.05)
            over.append(name)
            return 7

        return call

    def broken() -> int:
        raise MemoryError("a call that fails")

    for own, handed in [
        ([slowly("own")], [broken, slowly("other")]),
        ([broken], [slowly("other"), slowly("third")]),
        ([broken], [broken, slowly("other")]),
    ]:
        over.clear()
        with pytest.raises(MemoryError):
            run_together(own, handed)
        assert len(over) == sum(call is not broken for call in (*own, *handed))
    results = run_together([slowly("own")], [slowly("other")])
    assert [result for result, _ in results] == [7, 7]


def test_two_threads_may_ask_at_the_same_time() -> None:
    """Each waits for its own calls alone."""
    found: list[list[int]] = []

    def ask(number: int) -> None:
        for _ in range(50):
            calls = [lambda part=part: 10 * number + part for part in range(3)]
            results = [result for result, _ in run_together(calls[:1], calls[1:])]
            if results != [10 * number + part for part in range(3)]:
                found.append(results)

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(30)
    assert not found
    assert not any(thread.is_alive() for thread in asking)


def test_number_of_threads_belongs_to_the_thread_that_names_it() -> None:
    """What is drawn beside it, to warm up, stays on one thread."""
    seen = []
    with threads(3):
        assert threads_in_use() == 3
        other = threading.Thread(target=lambda: seen.append(threads_in_use()))
        other.start()
        other.join()
    assert seen == [1]
    for wrong in (0, MOST_THREADS + 1):
        with pytest.raises(ValueError, match="drawing threads"):
            use_threads(wrong)


def test_forked_process_starts_threads_of_its_own() -> None:
    """It has none of its parent's, for which it would wait for ever."""
    network = plain(lively("mnist-row-lstm", torch.float32))

    def drawn() -> bytes:
        stage = ThreadedStage(network, 2, 2)
        for slot in (0, 1):
            stage.open(slot, drawing(slot))
        return np.stack(finished(stage, (0, 1))).tobytes()

    expected = drawn()
    with warnings.catch_warnings():
        # Python 3.12 and later warn of a fork beside threads, which is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(0 if drawn() == expected else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("count", [1, 2, 8])
def test_planned_bytes_are_those_of_the_arrays(preset: str, count: int) -> None:
    """Of all stages together, each with its scratch slot and one slot more."""
    network = plain(small(preset))
    stage = compiled_stage(network, 20, count)
    stages = stage._stages if isinstance(stage, ThreadedStage) else [stage]
    assert threaded_bytes(network, 20, count) == sum(map(arrays_of, stages))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("count", COUNTS)
def test_images_are_advanced_together_as_step_by_step(preset: str, count: int) -> None:
    """To the midst of a row, to its end and to the image's, with ln p of the slots that
    are asked for, in their order; rows that are given whole, and one image that is."""
    network, asked = plain(lively(preset, torch.float32)), [5, 0, 3, 2]
    known, keep = torch.zeros(3, H, W, dtype=torch.int64), torch.zeros(H, W)
    keep[:2], keep[2, 1::2] = 1, 1
    whole, every = torch.ones(H, W, dtype=torch.bool), compiled_stage(network, 6, count)
    single = CompiledStage(network, 6)
    for stage in (every, single):
        for slot in range(6):
            given = whole if slot == 3 else keep.bool()
            its = replace(drawing(slot), known=known, keep=given, weighed=whole)
            stage.open(slot, its)
    for stop in [(1, W), (2, 3), (3, W), (H - 1, W)]:
        found = every.advance(range(6), *stop)
        for slot in range(6):
            single.hold(slot, *stop)
        while single.step():
            pass
        expected = [single.log_p(slot) for slot in range(6)]
        np.testing.assert_array_equal(found, expected)
        again = every.advance(asked, *stop)
        np.testing.assert_array_equal(again, [expected[slot] for slot in asked])
        images = np.stack([single.image(slot).numpy() for slot in asked])
        np.testing.assert_array_equal(every.images(asked), images)
    assert every.busy == single.busy == 0
