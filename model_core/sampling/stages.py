"""The stage that draws from a model: the first of a list that can."""

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
"""The fastest first; the last can draw from every network."""

CodingStage = CompiledStage | ThreadedStage | BlockStage
"""A stage that can code images as well."""

SEAT_BYTES, WEIGHTS_WORTH = 8 * 2**20, 4
"""Bytes that the state of images drawn side by side may take, or so many times the weights' if that is more."""
FEWEST, MOST = 4, 16

_seats: WeakKeyDictionary[Model, int] = WeakKeyDictionary()
"""Answers of `seats`: to count the bytes of a slot takes a twentieth of the time of 16 small images."""


def networks_of(network: Network) -> list[PixelNetwork]:
    """Networks in the order in which an image passes them."""
    return (
        [network.small, network.large]
        if isinstance(network, MultiScaleNetwork)
        else [network]
    )


def stage_for(network: Network) -> type[Stage]:
    """Draws from every network that an image of this one passes."""
    return _first_for(networks_of(network))


def new_stage(
    network: PixelNetwork,
    slots: int,
    threads: int | None = None,
    whole: Network | None = None,
    spare: int = SPARE,
) -> Stage:
    """Return a stage that draws from a network.

    threads: the most threads that it draws in; by default those in use in this thread
    (`compiled.threads.use_threads`). Only compiled code is drawn in several. whole: the
    network that it is a part of, all of which is drawn by stages of one kind. spare: see
    threaded.SPARE.
    """
    stage = stage_for(whole or network)
    if stage is CompiledStage:
        return compiled_stage(network, slots, threads, spare)
    return stage(network, slots)


def compiled_stage(
    network: PixelNetwork, slots: int, threads: int | None = None, spare: int = SPARE
) -> CompiledStage | ThreadedStage:
    """Do as `new_stage`, for a network from which compiled code can draw."""
    network = in_main_memory(network)
    threads = min(threads or threads_in_use(), slots)
    if threads == 1:
        return CompiledStage(network, slots)
    return ThreadedStage(network, slots, threads, spare)


def coding_stage(network: PixelNetwork, slots: int) -> CodingStage:
    """Do as `new_stage`, for a network that has a codec: one drawn with cpu-compiled."""
    stage = new_stage(network, slots)
    assert isinstance(stage, CodingStage)
    return stage


def numerics_of(model: Model) -> str:
    """Return the name of the arithmetic that draws from a model: `cpu-compiled` or `cpu-torch`.

    Both draw with the same noise, and within one of them the bytes of a request are always the same, whether processors
    or a card draw. Between them the last digits of the logits differ, which turns a draw now and then.
    """
    return _first_for(_all_of(model)).numerics


def reason_for_processors(model: Model) -> str | None:
    """Return why the processors draw a model in place of a card; None if the card draws, or if there is none."""
    for network in _all_of(model):
        open_card(_device(network))
        reason = cards.reason_for_processors(network)
        if reason is not None:
            return reason
    return None


def compiled_loops(model: Model) -> str | None:
    """Name of the compiled loops that must be there before the first image of a model is drawn: those of its kind of
    network; None if it is drawn from in plain torch. A card needs them too, since it is compared with them."""
    return loops_of(*(member.network for member in model.members))


def loops_of(*networks: Network) -> str | None:
    """The same of networks of one config."""
    every = [each for network in networks for each in networks_of(network)]
    return None if _first_for(every) is PlainStage else networks[0].config.network


def guide_bytes(model: Model) -> int:
    """Bytes that each particle of its guides takes, beside its members'."""
    return sum(stage_for(part).slot_bytes(part) for part in _guides_of(model))


def is_cold(model: Model) -> bool:
    """True if something must be compiled before the first image of a model is drawn: no wheel, image or earlier process
    left it."""
    loops = compiled_loops(model)
    return loops is not None and not is_kept(loops)


def slot_bytes(model: Model) -> int:
    """Bytes that each further slot adds to the arrays of an engine on this model."""
    networks = _all_of(model)
    stage = _first_for(networks)
    return sum(stage.slot_bytes(network) for network in networks)


def scratch_bytes(model: Model) -> int:
    """Bytes of the arrays that an engine on this model has beside those of its slots,
    in each thread."""
    return sum(_scratch_bytes(network) for network in _all_of(model))


def guide_scratch_bytes(model: Model) -> int:
    """The same of the guides that are no members."""
    return sum(_scratch_bytes(network) for network in _guides_of(model))


def _scratch_bytes(network: PixelNetwork) -> int:
    if stage_for(network) is not CompiledStage:
        return 0
    return threaded_bytes(network, 0, 1)


def draws_in_threads(model: Model) -> bool:
    """Return True if several threads may draw from a model: compiled code does, and a card needs one."""
    return _first_for(_all_of(model)) is CompiledStage


def threads_of(stage: Stage) -> int:
    """Return the most threads in which a stage draws."""
    return stage.threads if isinstance(stage, ThreadedStage) else 1


def stage_bytes(model: Model, slots: int, threads: int = 1) -> int:
    """Bytes of all arrays of an engine of so many slots that draws in so many threads."""
    networks = _all_of(model)
    if _first_for(networks) is CompiledStage:
        return sum(threaded_bytes(network, slots, threads) for network in networks)
    return slots * slot_bytes(model)


def seats(model: Model) -> int:
    """The number of images that one thread best draws side by side: 16, or fewer, a multiple of four, where the state
    of 16 would not fit into the processor's caches. Large weights raise it, because all images share one read of
    them."""
    if model not in _seats:
        _seats[model] = _count_seats(model)
    return _seats[model]


def _count_seats(model: Model) -> int:
    stage = _first_for(_all_of(model))
    if stage is BlockStage:
        card = cards.card_at(_device(_all_of(model)[0]))
        assert card is not None
        return card.driver.blocks
    return MOST if stage is PlainStage else _seats_in_caches(model)


def _seats_in_caches(model: Model) -> int:
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
    """Networks of the guides that are no members."""
    own = [guide.network for guide in model.guides if guide not in model.members]
    return [part for network in own for part in networks_of(network)]


def _first_for(networks: list[PixelNetwork]) -> type[Stage]:
    for network in networks:
        open_card(_device(network))
    return next(
        stage
        for stage in STAGES
        if all(stage.can(network, _device(network)) for network in networks)
    )


def _device(network: PixelNetwork) -> torch.device:
    return network.input.bias.device
