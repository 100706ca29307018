"""Choose the stage that draws from a network or a model, and count the memory that it
takes.

With weights on a GPU, the first call of almost any function here opens the GPU and
checks it for the network (`stage_for`).
"""

from weakref import WeakKeyDictionary

import torch

from model_core.compiled import is_kept
from model_core.models import Model
from model_core.networks import MultiScaleNetwork, Network, PixelNetwork
from model_core.sampling.blocks import gpus
from model_core.sampling.blocks.gpu_check import open_gpu
from model_core.sampling.blocks.stage import BlockStage
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.compiled.threaded import SPARE, ThreadedStage, threaded_bytes
from model_core.sampling.compiled.threads import threads_in_use
from model_core.sampling.main_memory import in_main_memory
from model_core.sampling.plain import PlainStage
from model_core.sampling.stage import Stage

STAGES: tuple[type[Stage], ...] = (BlockStage, CompiledStage, PlainStage)
"""All kinds of stage, the fastest first. The last one can draw from every network."""

CodingStage = CompiledStage | ThreadedStage | BlockStage
"""A stage that can also encode and decode images."""

SEAT_BYTES, WEIGHTS_WORTH = 8 * 2**20, 4
"""Maximum bytes of the state of images that one thread draws side by side; and the same
limit as a multiple of the weights' size. The larger of the two counts."""
FEWEST, MOST = 4, 16
"""Bounds of the number of images that one thread draws side by side."""

_seats: WeakKeyDictionary[Model, int] = WeakKeyDictionary()
"""Answers of `seats`: counting the bytes of a slot takes a twentieth of the time of 16
small images."""


def networks_of(network: Network) -> list[PixelNetwork]:
    """Return the networks of one scale of which a network consists, in the order in
    which an image passes through them: two for a Multi-Scale network."""
    return (
        [network.small, network.large]
        if isinstance(network, MultiScaleNetwork)
        else [network]
    )


def stage_for(network: Network) -> type[Stage]:
    """Return the fastest kind of stage that can draw from all parts of a network, on
    the device of its weights.

    The first call for weights on a GPU takes seconds and compiles missing loops. A GPU
    that computes other bits than the CPU, or whose packages are missing, does not draw.
    """
    return _first_for(networks_of(network))


def new_stage(
    network: PixelNetwork,
    slots: int,
    threads: int | None = None,
    whole: Network | None = None,
    spare: int = SPARE,
) -> Stage:
    """Return a new stage that draws from a network.

    slots: number of images that it can draw side by side.
    threads: maximum number of threads that draw, which only compiled code uses;
        default: the number that the calling thread passed to `threads.use_threads`,
        else 1.
    whole: the network of which this one is a part. All parts are drawn by the same kind
        of stage. Default: the network itself.
    spare: additional slots of each thread's stage, if there are several threads, since
        images do not end in the order in which they were distributed.
    """
    stage = stage_for(whole or network)
    if stage is CompiledStage:
        return compiled_stage(network, slots, threads, spare)
    return stage(network, slots)


def compiled_stage(
    network: PixelNetwork, slots: int, threads: int | None = None, spare: int = SPARE
) -> CompiledStage | ThreadedStage:
    """Return a new stage of compiled code, for a network that `CompiledStage.can` draw.

    slots: number of images that it can draw side by side.
    threads: maximum number of drawing threads.
    spare: slots of each thread in addition to its share of all slots.
    """
    network = in_main_memory(network)
    threads = min(threads or threads_in_use(), slots)
    if threads == 1:
        return CompiledStage(network, slots)
    return ThreadedStage(network, slots, threads, spare)


def coding_stage(network: PixelNetwork, slots: int) -> CodingStage:
    """Return a new stage that can also encode and decode images with a range coder, for
    a network that has compiled code."""
    stage = new_stage(network, slots)
    assert isinstance(stage, CodingStage)
    return stage


def numerics_of(model: Model) -> str:
    """Return the name of the arithmetic that draws from a model: `cpu-compiled` or
    `cpu-pass`. The last digits of their logits differ, which changes a drawn value now
    and then."""
    return _first_for(_all_of(model)).numerics


def reason_for_processors(model: Model) -> str | None:
    """Return a sentence that says why the CPU draws a model whose weights are on a GPU;
    None if the GPU draws, or if the weights are on the CPU."""
    for network in _all_of(model):
        open_gpu(_device(network))
        reason = gpus.reason_for_processors(network)
        if reason is not None:
            return reason
    return None


def compiled_loops(model: Model) -> str | None:
    """Return the kind of network, such as `row-lstm`, whose compiled loops must exist
    before the first image of a model is drawn; None if the model is drawn in plain
    torch."""
    # On a GPU too, whose results are compared with theirs.
    return loops_of(*(member.network for member in model.members))


def loops_of(*networks: Network) -> str | None:
    """Return the kind of network, such as `row-lstm`, whose compiled loops draw from
    these networks, at least one, all of one kind; None if they are drawn in plain
    torch."""
    every = [each for network in networks for each in networks_of(network)]
    return None if _first_for(every) is PlainStage else networks[0].config.network


def guide_bytes(model: Model) -> int:
    """Return the bytes of state that each particle of a completion takes for those of
    the model's guides that are not members."""
    return sum(stage_for(part).slot_bytes(part) for part in _guides_of(model))


def is_cold(model: Model) -> bool:
    """Return True if something must be compiled before the first image of a model is
    drawn, because neither the installation nor an earlier process has left it compiled."""
    loops = compiled_loops(model)
    return loops is not None and not is_kept(loops)


def slot_bytes(model: Model) -> int:
    """Return the bytes that one more slot adds to an engine's arrays."""
    networks = _all_of(model)
    stage = _first_for(networks)
    return sum(stage.slot_bytes(network) for network in networks)


def scratch_bytes(model: Model) -> int:
    """Return the bytes of an engine's arrays for each thread, in addition to those of
    its slots; 0 on a GPU and in plain torch."""
    return sum(_scratch_bytes(network) for network in _all_of(model))


def guide_scratch_bytes(model: Model) -> int:
    """Return the bytes of arrays for each thread (`scratch_bytes`) of the guides that
    are not members."""
    return sum(_scratch_bytes(network) for network in _guides_of(model))


def _scratch_bytes(network: PixelNetwork) -> int:
    if stage_for(network) is not CompiledStage:
        return 0
    return threaded_bytes(network, 0, 1)


def draws_in_threads(model: Model) -> bool:
    """Return True if several threads may draw from a model."""
    return _first_for(_all_of(model)) is CompiledStage


def threads_of(stage: Stage) -> int:
    """Return the maximum number of threads in which a stage draws."""
    return stage.threads if isinstance(stage, ThreadedStage) else 1


def stage_bytes(model: Model, slots: int, threads: int = 1) -> int:
    """Return the bytes of all arrays of an engine with this many slots and threads;
    weights do not count. With more threads than slots the result is too large."""
    networks = _all_of(model)
    if _first_for(networks) is CompiledStage:
        return sum(threaded_bytes(network, slots, threads) for network in networks)
    return slots * slot_bytes(model)


def seats(model: Model) -> int:
    """Return the number of images that one thread best draws side by side.

    Compiled code: 16, or a smaller multiple of four, at least 4, if the state of 16
    images takes more than 8 MiB and more than four times the size of the weights. Plain
    torch: 16. GPU: the number of blocks that run at the same time, each of which draws
    an image.
    """
    if model not in _seats:
        _seats[model] = _count_seats(model)
    return _seats[model]


def _count_seats(model: Model) -> int:
    stage = _first_for(_all_of(model))
    if stage is BlockStage:
        gpu = gpus.gpu_at(_device(_all_of(model)[0]))
        assert gpu is not None
        return gpu.driver.blocks
    return MOST if stage is PlainStage else _seats_in_caches(model)


def _seats_in_caches(model: Model) -> int:
    # More images would not fit into the CPU's caches; but with large weights it pays
    # to draw more, because all images share one read of them.
    weights = sum(
        p.numel() * p.element_size()
        for network in _all_of(model)
        for p in network.parameters()
    )
    room = max(SEAT_BYTES, WEIGHTS_WORTH * weights)
    return max(FEWEST, min(MOST, room // slot_bytes(model) // FEWEST * FEWEST))


def _all_of(model: Model) -> list[PixelNetwork]:
    return [
        network for member in model.members for network in networks_of(member.network)
    ]


def _guides_of(model: Model) -> list[PixelNetwork]:
    own = [guide.network for guide in model.guides if guide not in model.members]
    return [part for network in own for part in networks_of(network)]


def _first_for(networks: list[PixelNetwork]) -> type[Stage]:
    for network in networks:
        open_gpu(_device(network))
    return next(
        stage
        for stage in STAGES
        if all(stage.can(network, _device(network)) for network in networks)
    )


def _device(network: PixelNetwork) -> torch.device:
    return network.input.bias.device
