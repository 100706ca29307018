"""The engine process: the models, and the thread that draws, with an interpreter of
their own.

Python runs one thread of a process at a time. Ten thousand rows per second are written
to Redis while the next ones are drawn, and in a single process drawing would wait
for that. The worker starts this program (worker.engine_link) and talks to it over a
socket pair.

A message is (name, *arguments). The worker sends messages for Runner's inbox, and the
engine process sends lists of messages from its Outlet; before these comes `ready` with the
catalogue, or `refuse` with the reason. After `ready` the models are made ready one by
one (compiling.py).
"""

import gc
import os
import pickle
import select
import signal
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog
import torch
from pydantic import ValidationError

from model_core.allocator import keep_freed_memory
from model_core.errors import ModelError, PixelRNNError
from model_core.models import check_device, load_model
from model_core.models_directory import default_models_dir
from model_core.processors import available, default_threads
from model_core.sampling.compiled.threads import (
    drawn_by_threads,
    use_threads,
    used_by_threads,
)
from worker.contract import logs
from worker.contract.added import announced_origin, models_in, private_owner
from worker.engine.arrivals import Arrivals, Directory, refused_model
from worker.engine.assessment import make_pass
from worker.engine.cohort import Cohort
from worker.engine.compiling import make_ready
from worker.engine.deadlines import Deadlines
from worker.engine.examination import Examination
from worker.engine.examiner import Examiner
from worker.engine.failures import is_gpu_error
from worker.engine.gpu import wait_for_gpu
from worker.engine.inbox import Inbox
from worker.engine.kept import KeptWeights, default_directory
from worker.engine.kinds import OF_FILES
from worker.engine.model_pool import (
    FullPoolError,
    ModelPool,
    load_pool,
    models_at,
)
from worker.engine.offering import in_page_order, log_not_laid_out, offer
from worker.engine.runner import FetchedModel, Runner
from worker.engine.slot_plan import SlotPlan
from worker.engine.unloading import Unloading
from worker.orders.catalogue import Catalogue, kept_name
from worker.orders.claims import Outcome
from worker.orders.images import NewRow
from worker.orders.usage import Usage
from worker.process import crash, processors
from worker.process.due import Due
from worker.process.neighbours import Neighbours
from worker.process.processors import NoProcessorError
from worker.settings import EXIT_BAD_SETTINGS, Settings

SWITCH_INTERVAL_S = 0.0005
"""Seconds for which a compiling thread may keep the engine waiting; Python's default of
5 ms is several steps long."""


class _Worker:
    """The outlet to the worker. Reports of a turn are sent together, so that a job's
    last rows and its end are written at once."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._messages: list[tuple[Any, ...]] = []
        self._is_broken = False
        """After a lack of memory or a failure of the GPU, any state may be
        inconsistent: the process ends once its messages are sent."""

    def publish(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
        self._messages.append(("publish", rows))

    def progress(self, token: str, share: float, estimate: str = "") -> None:
        self._messages.append(("progress", token, share, estimate))

    def end(self, token: str, outcome: Outcome) -> None:
        self._messages.append(("end", token, outcome))

    def exhausted(self, token: str) -> None:
        self._messages.append(("exhausted", token))
        self._is_broken = True

    def card_failed(self, reason: str) -> None:
        if not self._is_broken:
            self._messages.append(("card_failed", reason))
        self._is_broken = True

    def report_usage(self, usage: Mapping[str, Usage], stepped_s: float) -> None:
        # Steps take all of the own thread's time; helpers measure theirs themselves.
        drawn_s = [stepped_s, *drawn_by_threads()[1:]]
        dropped = logs.lines.dropped
        self._messages += [
            ("used", usage),
            ("drew", drawn_s),
            ("lines_dropped", dropped),
        ]

    def report_model(self, word: str, *arguments: object) -> None:
        self._messages.append((word, *arguments))

    def send(self) -> None:
        if not self._messages:
            return
        messages = self._messages
        self._messages = []
        try:
            self._connection.send_bytes(pickle.dumps(messages))
        except OSError:
            _end_alone()
        if self._is_broken:
            os._exit(crash.EXIT_CRASHED)


def main(usable: Collection[int], neighbours: Neighbours | None) -> None:
    """Load the models, report them to the worker, draw until the worker says stop, and
    end the process. sys.argv has two descriptors: of this end of the socket pair, and
    of the memory for deadlines.

    usable: CPU cores that may be used.
    neighbours: the workers with which they are shared; None: with none that is known.
    """
    # Ctrl-C reaches both processes; the worker decides when to stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        settings = Settings()
    except ValidationError:
        # The worker reads the same settings, and prints what is wrong with them.
        sys.exit(EXIT_BAD_SETTINGS)
    connection = Connection(int(sys.argv[1]))
    deadlines = Deadlines(Due(int(sys.argv[2]), used_by_threads).within)
    logs.configure(settings.log_level)
    crash.end_with_any_thread()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    inbox = Inbox(connection, _end_alone)
    workers = neighbours.count() if neighbours else 1
    threads = _threads(settings, usable, workers)
    plan = SlotPlan(
        settings.slots,
        settings.express_slots,
        settings.slot_memory_mib,
        threads=threads,
    )
    try:
        processors.keep_to(settings.engine_cpus)
        threading.Thread(
            target=_end_with, args=(connection,), name="watch", daemon=True
        ).start()
        models_dir = settings.models_dir or default_models_dir()
        added = None if settings.added_dir is None else models_in(settings.added_dir)
        directory = Directory(models_dir, settings.models, added)
        torch.set_num_threads(settings.threads)
        check_device(settings.device)
        if settings.device != "cpu":
            wait_for_gpu(settings.device, deadlines.loading, tuple(usable))
        kept = KeptWeights(settings.kept_dir or default_directory(), settings.kept_mib)
        examination = Examination(
            kept, settings.slot_memory_mib, settings.model_mib, Examiner(usable)
        )
        further = directory.added_places()
        places = models_at(models_dir, settings.models) | further
        load = partial(examination.load, waiting=deadlines.loading)
        pool = load_pool(
            places,
            settings.device,
            plan,
            load,
            deadlines.loading,
            further,
            settings.loaded_models,
            directory.look_again if settings.models_look_s else None,
        )
    except (PixelRNNError, NoProcessorError) as error:
        connection.send(("refuse", str(error)))
    else:
        keep_freed_memory()
        gc.freeze()  # objects that exist by now stay, so collection skips them
        gc.enable()
        slots = {name: plan.slots + plan.express for name, plan in pool.plans.items()}
        cards = {
            name: card.model_copy(update=announced_origin(places[name]))
            for name, card in pool.cards.items()
        }
        refused = [
            refused_model(name, why, places[name], examination.repeats)
            for name, why in pool.refused.items()
        ]
        connection.send(
            (
                "ready",
                Catalogue(cards, slots, pool.numerics, threads, tuple(refused)),
            )
        )
        arguments = pool, settings, usable, inbox, examination, kept, places
        threading.Thread(
            target=_make_ready,
            args=arguments,
            name="compiling",
            daemon=True,
        ).start()
        if settings.models_look_s:
            looks = Examination(
                kept,
                settings.slot_memory_mib,
                settings.model_mib,
                Examiner(usable),
                examination.repeats,
            )
            offer_some = partial(offer_meanwhile, settings, usable, directory.place)
            arrivals = Arrivals(
                pool, kept, looks, directory, settings.device, inbox.put, offer_some
            )
            arguments = (settings.models_look_s,)
            threading.Thread(
                target=arrivals.follow, args=arguments, name="arrivals", daemon=True
            ).start()
        _draw(
            pool,
            _Worker(connection),
            inbox,
            settings,
            deadlines,
            kept,
            directory,
            threads,
        )
    connection.close()
    os._exit(0)  # without torch's exit handlers, for which the worker would wait


def _threads(settings: Settings, usable: Collection[int], workers: int) -> int:
    """Return the number of drawing threads.

    usable: the CPU cores before this process was pinned to some of them.
    workers: of this machine, which divide its cores. A container's quota is its own.
    """
    if settings.device != "cpu":
        return 1
    there = available(len(usable) or None)
    threads = settings.draw_threads or len(settings.engine_cpus)
    if threads > (len(settings.engine_cpus) or there):
        structlog.get_logger("engine").warning(
            "more_threads_than_processors", threads=threads, processors=there
        )
    has_quota = there < len(usable)
    return threads or default_threads(there, 1 if has_quota else workers)


def _make_ready(
    pool: ModelPool,
    settings: Settings,
    usable: Collection[int],
    inbox: Inbox,
    examination: Examination,
    kept: KeptWeights,
    places: Mapping[str, Path],
) -> None:
    cards = pool.cards

    def offer_all() -> None:
        cards = [card for card in pool.cards.values() if card.name in places]
        identities = {card.name: card.identity for card in in_page_order(cards)}
        offer_meanwhile(settings, usable, places.__getitem__, identities)

    def measure(name: str) -> None:
        examination.measure(name, places[name])

    def report(name: str) -> None:
        inbox.put("compiled", name)
        kept.keep(name, cards[name].identity, places[name])

    def refuse(name: str, reason: str) -> None:
        inbox.put("dropped", name)
        inbox.put(
            "refused",
            refused_model(name, reason, places[name], examination.repeats),
        )

    # Before a long compilation, models for browsers are what a client can use first.
    is_cold = any(card.cold for card in cards.values())
    if is_cold:
        offer_all()
    known = [name for name in cards if examination.knows(places[name])]
    try:
        make_ready(pool, places, usable, report, refuse, measure, known)
    except Exception as error:
        if not is_gpu_error(error):
            raise
        inbox.put("card_failed", str(error))
        return
    examination.end()
    if not is_cold:
        offer_all()


def offer_meanwhile(
    settings: Settings,
    usable: Collection[int],
    place: Callable[[str], Path],
    identities: Mapping[str, str],
) -> None:
    """Start a thread that prepares models for browsers, and return. Do nothing if the
    settings name no folder for them.

    usable: CPU cores; any if empty.
    place(name): returns a model's directory.
    identities: of the models, by name; those that only one key sees are left out.
    """
    folder, largest_mib = settings.portable_dir, settings.portable_mib
    if folder is None:
        return
    open_to_all = {
        place(name): identity
        for name, identity in identities.items()
        if not private_owner(place(name))
    }
    arguments = folder, open_to_all, usable, largest_mib
    offering = threading.Thread(
        target=offer, args=arguments, name="offering", daemon=True
    )
    try:
        offering.start()
    except RuntimeError as error:
        log_not_laid_out(folder, error)


def _draw(
    pool: ModelPool,
    outlet: _Worker,
    inbox: Inbox,
    settings: Settings,
    deadlines: Deadlines,
    kept: KeptWeights,
    directory: Directory,
    threads: int,
) -> None:
    runner = Runner(
        _cohorts(pool),
        outlet,
        lambda task: make_pass(task, pool.model(task.model), pool.model),
        settings.step_delay_s,
        inbox,
        pool.islands,
        deadlines,
        lambda *weights: _bring(pool, kept, directory, settings.device, *weights),
        lambda order: OF_FILES[order.kind](order, pool.model(order.model)),
        pool.field_cohort,
        pool.free_particles,
        pool,
        Unloading(pool, directory.is_added),
        begin=partial(use_threads, threads),
    )
    runner.start()
    runner.join()


def _bring(
    pool: ModelPool,
    kept: KeptWeights,
    directory: Directory,
    device: str,
    name: str,
    identity: str,
) -> FetchedModel | None:
    """Load a model that was exchanged and kept, or unloaded. Return None if none can be
    used, or if it is being made ready.

    identity: may be the SHA-256 of the weights.

    Raises FullPoolError if there is no room.
    """
    if pool.prioritise(name, identity):
        return None
    log = structlog.get_logger("weights")
    place = kept.find(name, identity)
    was_good = pool.was_unloaded(name, identity)
    if place is None and was_good and directory.is_added(name):
        place = directory.place(name)  # the copy was deleted (kept.py)
    if place is None:
        log.warning("weights_not_there", model=name, identity=identity)
        return None
    if pool.engine_name(name, identity) is None:
        # All drawing waits meanwhile, and this is tried again until there is room.
        pool.expect_room()
    try:
        model = load_model(place, device=device)
        if model.card.name != name or not model.card.answers_to(identity):
            raise ModelError(
                f"{place} is {model.card.name} with the identity {model.card.identity}"
            )
        card = pool.add(model)
    except FullPoolError:
        raise
    except (ModelError, OSError) as error:
        log.error("weights_unusable", model=name, reason=str(error))
        return None
    log.info("weights_brought", model=name, identity=identity)
    return card, _cohort(pool, kept_name(card))


def _end_with(connection: "Connection[Any, Any]") -> None:
    """End this process when the worker ends, also while models are loaded or during a
    long turn: the caller starts this in a thread."""
    watch = select.poll()
    # poll() always reports a closed pipe, whatever the event mask.
    watch.register(connection.fileno(), 0)
    watch.poll()
    _end_alone()


def _end_alone() -> None:
    os._exit(0)


def _cohorts(pool: ModelPool) -> dict[str, Cohort]:
    return {name: _cohort(pool, name) for name in pool.names()}


def _cohort(pool: ModelPool, name: str) -> Cohort:
    return Cohort(lambda: pool.engine(name), pool.plans[name].express)
