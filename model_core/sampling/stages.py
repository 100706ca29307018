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
from model_core.sampling.plain import PlainStage
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
    """Return the networks of one scale of which a network consists, in the order in
    which an image passes through them: those of the small and the large image for a
    Multi-Scale network, else the network itself."""
    return (
        [network.small, network.large]
        if isinstance(network, MultiScaleNetwork)
        else [network]
    )


def stage_for(network: Network) -> type[Stage]:
    """Return the fastest kind of stage (a class; see sampling/stage.py) that can draw
    from all parts of a network, on the device of its weights.

    For weights on a card, the first call opens the card and checks it for the network:
    that takes seconds, compiles missing loops, and raises torch.AcceleratorError or
    RuntimeError if the card fails, FloatingPointError if the network gives logits that
    are not finite. A card that cannot be used because a package is missing, or that
    gives other bits than the processors, does not draw; the first of these gives a
    warning.
    """
    return _first_for(networks_of(network))


def new_stage(
    network: PixelNetwork,
    slots: int,
    threads: int | None = None,
    whole: Network | None = None,
    spare: int = SPARE,
) -> Stage:
    """Return a new stage that draws from a network: it has numbered slots, each for one
    image. For weights on a card it may open and check the card first, with the errors
    of `stage_for`.

    slots: number of images that it can draw side by side.
    threads: maximum number of threads that draw; default: the number that the calling
        thread passed to `threads.use_threads`, else 1. Only compiled code uses more
        than one.
    whole: the network of which this one is a part. All parts are drawn by the same kind
        of stage. Default: the network itself.
    spare: additional slots of each thread's stage, if there are several threads: images
        do not end in the order in which they were distributed.
    """
    stage = stage_for(whole or network)
    if stage is CompiledStage:
        return compiled_stage(network, slots, threads, spare)
    return stage(network, slots)


def compiled_stage(
    network: PixelNetwork, slots: int, threads: int | None = None, spare: int = SPARE
) -> CompiledStage | ThreadedStage:
    """Return a new stage of compiled code for a network from which that can draw
    (`CompiledStage.can`); arguments as for `new_stage`. Weights on a card are copied to
    main memory. It is a ThreadedStage if more than one thread may be used and there is
    more than one slot, else a CompiledStage."""
    network = in_main_memory(network)
    threads = min(threads or threads_in_use(), slots)
    if threads == 1:
        return CompiledStage(network, slots)
    return ThreadedStage(network, slots, threads, spare)


def coding_stage(network: PixelNetwork, slots: int) -> CodingStage:
    """Return a new stage, as `new_stage` does and with its errors, that can also encode
    and decode images with a range coder.

    Raises AssertionError if the network is drawn in plain torch, which has no codec.
    """
    stage = new_stage(network, slots)
    assert isinstance(stage, CodingStage)
    return stage


def numerics_of(model: Model) -> str:
    """Return the name of the arithmetic that draws from a model: `cpu-compiled` or
    `cpu-pass`.

    Both draw with the same noise, and with either of them the bytes of a request are
    always the same, whether processors or a card draw. The last digits of their logits
    differ, which changes a drawn value now and then.

    For weights on a card it may open and check the card first, with the errors of
    `stage_for`.
    """
    return _first_for(_all_of(model)).numerics


def reason_for_processors(model: Model) -> str | None:
    """Return a sentence that says why the processors draw a model whose weights are on
    a card; None if the card draws, or if the weights are on a CPU.

    The first call for a card opens and checks it: that takes seconds, and raises
    torch.AcceleratorError or RuntimeError if the card fails, FloatingPointError if a
    network gives logits that are not finite.
    """
    for network in _all_of(model):
        open_card(_device(network))
        reason = cards.reason_for_processors(network)
        if reason is not None:
            return reason
    return None


def compiled_loops(model: Model) -> str | None:
    """Return the name of the compiled loops that must exist before the first image of a
    model is drawn, which is its kind of network, such as `row-lstm`; None if it is
    drawn in plain torch.

    A card needs them too, because its results are compared with theirs. For weights on
    a card it may open and check the card first, with the errors of `stage_for`.
    """
    return loops_of(*(member.network for member in model.members))


def loops_of(*networks: Network) -> str | None:
    """Return the name of the compiled loops (a kind of network) that draw from all
    these networks, which have one kind; None if they are drawn in plain torch. At least
    one network. For weights on a card it may open and check the card first, with the
    errors of `stage_for`."""
    every = [each for network in networks for each in networks_of(network)]
    return None if _first_for(every) is PlainStage else networks[0].config.network


def guide_bytes(model: Model) -> int:
    """Return the bytes of state that each particle of a completion (an image that is
    drawn beside others) takes for the model's guides, networks that only propose
    images, except those that are also members of the mixture: the sum over the guides.

    For weights on a card it may open and check the card first, with the errors of
    `stage_for`.
    """
    return sum(stage_for(part).slot_bytes(part) for part in _guides_of(model))


def is_cold(model: Model) -> bool:
    """Return True if something must be compiled before the first image of a model is
    drawn, because neither the installation nor an earlier process has left it compiled.

    For weights on a card, the first call opens and checks the card, which takes
    seconds, compiles what is missing, and raises torch.AcceleratorError or RuntimeError
    if the card fails, FloatingPointError if a network gives logits that are not finite.
    """
    loops = compiled_loops(model)
    return loops is not None and not is_kept(loops)


def slot_bytes(model: Model) -> int:
    """Return the bytes that each additional slot (image that is drawn beside others)
    adds to the arrays of an engine for this model, of all its networks together; on a
    card, these are in the card's memory.

    For weights on a card it may open and check the card first, with the errors of
    `stage_for`.
    """
    networks = _all_of(model)
    stage = _first_for(networks)
    return sum(stage.slot_bytes(network) for network in networks)


def scratch_bytes(model: Model) -> int:
    """Return the bytes of the arrays that an engine for this model has for each thread
    in addition to those of its slots, of all its networks together; 0 on a card and in
    plain torch.

    For weights on a card it may open and check the card first, with the errors of
    `stage_for`.
    """
    return sum(_scratch_bytes(network) for network in _all_of(model))


def guide_scratch_bytes(model: Model) -> int:
    """Return the same as `scratch_bytes` for the model's guides (networks that only
    propose images) that are not members."""
    return sum(_scratch_bytes(network) for network in _guides_of(model))


def _scratch_bytes(network: PixelNetwork) -> int:
    """Return the bytes of a thread's arrays for a network, without slots."""
    if stage_for(network) is not CompiledStage:
        return 0
    return threaded_bytes(network, 0, 1)


def draws_in_threads(model: Model) -> bool:
    """Return True if several threads may draw from a model: compiled code can use
    several, a card and plain torch only one. For weights on a card it may open and
    check the card first, with the errors of `stage_for`."""
    return _first_for(_all_of(model)) is CompiledStage


def threads_of(stage: Stage) -> int:
    """Return the maximum number of threads in which a stage draws; 1 except for a
    ThreadedStage."""
    return stage.threads if isinstance(stage, ThreadedStage) else 1


def stage_bytes(model: Model, slots: int, threads: int = 1) -> int:
    """Return the bytes of all arrays of an engine for this model with this many slots
    and threads; weights do not count. It is too large for more threads than slots, of
    which an engine would use only as many as slots. Without compiled code, `threads`
    does not matter.

    For weights on a card it may open and check the card first, with the errors of
    `stage_for`.
    """
    networks = _all_of(model)
    if _first_for(networks) is CompiledStage:
        return sum(threaded_bytes(network, slots, threads) for network in networks)
    return slots * slot_bytes(model)


def seats(model: Model) -> int:
    """Return the number of images that one thread best draws side by side.

    Compiled code: 16, or a smaller multiple of four, at least 4, if the state of 16
    images takes more than 8 MiB and more than four times the size of the weights. More
    would not fit into the processor's caches; but with large weights it pays to draw
    more, because all images share one read of them. In plain torch always 16. On a
    card: the number of blocks that run at the same time, each of which draws an image.

    The answer is kept for each model. For weights on a card it may open and check the
    card first, with the errors of `stage_for`.
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
