"""Choose the stage that draws from a network or a model, and count the memory that it
takes."""

from weakref import WeakKeyDictionary

import torch

from model_core.compiled import is_kept
from model_core.models import Model
from model_core.networks import MultiScaleNetwork, Network, PixelNetwork
from model_core.sampling.blocks import cards
from model_core.sampling.blocks.card_check import open_card
from model_core.sampling.blocks.stage import BlockStage
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.compiled.threaded import SPARE, ThreadedStage, threaded_bytes
from model_core.sampling.compiled.threads import threads_in_use
from model_core.sampling.main_memory import in_main_memory
from model_core.sampling.plain.stage import PlainStage
from model_core.sampling.stage import Stage

STAGES: tuple[type[Stage], ...] = (BlockStage, CompiledStage, PlainStage)
"""All kinds of stage, the fastest first. The last one can draw from every network."""

CodingStage = CompiledStage | ThreadedStage | BlockStage
"""A stage that can also encode and decode images."""

SEAT_BYTES, WEIGHTS_WORTH = 8 * 2**20, 4
"""Maximum bytes of the state of images that one thread draws side by side; and the same
as a multiple of the weights' size. The larger of the two counts."""
FEWEST, MOST = 4, 16
"""Bounds of the number of images that one thread draws side by side."""

_seats: WeakKeyDictionary[Model, int] = WeakKeyDictionary()
"""Answers of `seats`: counting the bytes of a slot takes a twentieth of the time of 16
small images."""


def networks_of(network: Network) -> list[PixelNetwork]:
    """Return the parts of a network in the order in which an image passes through them:
    two for a Multi-Scale network, else the network itself."""
    return (
        [network.small, network.large]
        if isinstance(network, MultiScaleNetwork)
        else [network]
    )


def stage_for(network: Network) -> type[Stage]:
    """Return the fastest kind of stage that can draw from all parts of a network, on
    the device of its weights.

    The first call for a card opens and checks it.
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

    slots: images that it can draw side by side.
    threads: maximum number of threads that draw; default: the number that the calling
        thread passed to `threads.use_threads`. Only compiled code uses more than one.
    whole: the network of which this one is a part. All parts are drawn by the same kind
        of stage.
    spare: additional slots of each thread, if there are several (threaded.SPARE).
    """
    stage = stage_for(whole or network)
    if stage is CompiledStage:
        return compiled_stage(network, slots, threads, spare)
    return stage(network, slots)


def compiled_stage(
    network: PixelNetwork, slots: int, threads: int | None = None, spare: int = SPARE
) -> CompiledStage | ThreadedStage:
    """Return a new stage of compiled code for a network that it can draw from;
    arguments as for `new_stage`. It draws in threads if more than one may be used and
    there is more than one slot."""
    network = in_main_memory(network)
    threads = min(threads or threads_in_use(), slots)
    if threads == 1:
        return CompiledStage(network, slots)
    return ThreadedStage(network, slots, threads, spare)


def coding_stage(network: PixelNetwork, slots: int) -> CodingStage:
    """Return a new stage, as `new_stage` does, that can also encode and decode. Raises
    AssertionError if the network's numerics are not `cpu-compiled`, so that it has no
    codec."""
    stage = new_stage(network, slots)
    assert isinstance(stage, CodingStage)
    return stage


def numerics_of(model: Model) -> str:
    """Return the name of the arithmetic that draws from a model: `cpu-compiled` or
    `cpu-torch`.

    Both draw with the same noise, and with either of them the bytes of a request are
    always the same, whether processors or a card draw. The last digits of their logits
    differ, which changes a drawn value now and then.
    """
    return _first_for(_all_of(model)).numerics


def reason_for_processors(model: Model) -> str | None:
    """Return a sentence that says why the processors draw a model whose weights are on
    a card; None if the card draws, or if the weights are on a CPU. The first call for a
    card opens and checks it."""
    for network in _all_of(model):
        open_card(_device(network))
        reason = cards.reason_for_processors(network)
        if reason is not None:
            return reason
    return None


def compiled_loops(model: Model) -> str | None:
    """Return the name of the compiled loops that must exist before the first image of a
    model is drawn, which is its kind of network; None if it is drawn in plain torch.

    A card needs them too, because its results are compared with theirs.
    """
    return loops_of(*(member.network for member in model.members))


def loops_of(*networks: Network) -> str | None:
    """Return the same as `compiled_loops` for networks of one config."""
    every = [each for network in networks for each in networks_of(network)]
    return None if _first_for(every) is PlainStage else networks[0].config.network


def guide_bytes(model: Model) -> int:
    """Return the bytes of state that each particle of a completion takes for those of the
    model's guides that are not also members of the mixture."""
    return sum(stage_for(part).slot_bytes(part) for part in _guides_of(model))


def is_cold(model: Model) -> bool:
    """Return True if something must be compiled before the first image of a model is
    drawn, because neither the installation nor an earlier process has left it
    compiled.

    For a model on a card, the first call opens and checks the card, which takes seconds
    and raises torch.AcceleratorError or RuntimeError if the card fails.
    """
    loops = compiled_loops(model)
    return loops is not None and not is_kept(loops)


def slot_bytes(model: Model) -> int:
    """Return the bytes that each additional slot adds to the arrays of an engine for
    this model."""
    networks = _all_of(model)
    stage = _first_for(networks)
    return sum(stage.slot_bytes(network) for network in networks)


def scratch_bytes(model: Model) -> int:
    """Return the bytes of the arrays that an engine for this model has in each thread
    in addition to those of its slots."""
    return sum(_scratch_bytes(network) for network in _all_of(model))


def guide_scratch_bytes(model: Model) -> int:
    """Return the same as `scratch_bytes` for the model's guides that are not
    members."""
    return sum(_scratch_bytes(network) for network in _guides_of(model))


def _scratch_bytes(network: PixelNetwork) -> int:
    """Return the bytes of a thread's arrays for a network, without slots."""
    if stage_for(network) is not CompiledStage:
        return 0
    return threaded_bytes(network, 0, 1)


def draws_in_threads(model: Model) -> bool:
    """Return True if several threads may draw from a model: compiled code can use
    several, a card and plain torch only one."""
    return _first_for(_all_of(model)) is CompiledStage


def threads_of(stage: Stage) -> int:
    """Return the maximum number of threads in which a stage draws."""
    return stage.threads if isinstance(stage, ThreadedStage) else 1


def stage_bytes(model: Model, slots: int, threads: int = 1) -> int:
    """Return the bytes of all arrays of an engine for this model with this many slots
    and threads; weights do not count. It is too large for more threads than slots, of
    which an engine would use only as many as slots."""
    networks = _all_of(model)
    if _first_for(networks) is CompiledStage:
        return sum(threaded_bytes(network, slots, threads) for network in networks)
    return slots * slot_bytes(model)


def seats(model: Model) -> int:
    """Return the number of images that one thread best draws side by side.

    On processors that is 16, or a smaller multiple of four if the state of 16 images
    would not fit into the processor's caches. Large weights raise it, because all
    images share one read of them. A card draws one image in each of its blocks. The
    answer is kept for each model.
    """
    if model not in _seats:
        _seats[model] = _count_seats(model)
    return _seats[model]


def _count_seats(model: Model) -> int:
    """Return `seats`, computed anew."""
    stage = _first_for(_all_of(model))
    if stage is BlockStage:
        card = cards.card_at(_device(_all_of(model)[0]))
        assert card is not None
        return card.driver.blocks
    return MOST if stage is PlainStage else _seats_in_caches(model)


def _seats_in_caches(model: Model) -> int:
    """Return the number of images whose state fits into the processor's caches, within
    FEWEST and MOST."""
    weights = sum(
        p.numel() * p.element_size()
        for network in _all_of(model)
        for p in network.parameters()
    )
    room = max(SEAT_BYTES, WEIGHTS_WORTH * weights)
    return max(FEWEST, min(MOST, room // slot_bytes(model) // FEWEST * FEWEST))


def _all_of(model: Model) -> list[PixelNetwork]:
    """Return the networks of all members."""
    return [
        network for member in model.members for network in networks_of(member.network)
    ]


def _guides_of(model: Model) -> list[PixelNetwork]:
    """Return the networks of the guides that are not members."""
    own = [guide.network for guide in model.guides if guide not in model.members]
    return [part for network in own for part in networks_of(network)]


def _first_for(networks: list[PixelNetwork]) -> type[Stage]:
    """Return the fastest kind of stage that can draw from all these networks."""
    for network in networks:
        open_card(_device(network))
    return next(
        stage
        for stage in STAGES
        if all(stage.can(network, _device(network)) for network in networks)
    )


def _device(network: PixelNetwork) -> torch.device:
    return network.input.bias.device
