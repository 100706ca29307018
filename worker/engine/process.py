"""The engine's process: the models, and the thread that draws, with an interpreter of their own.

Python runs one thread of a process at a time. Ten thousand rows a second are written to Redis while the next ones are
drawn, and in one process the engine would wait for that; here it does not. The worker starts this program
(worker.engine_link) and is its only company, over a socket pair that no one else has.

A message is (word, *arguments). The worker sends what comes into Runner's inbox, the engine what its Outlet is told;
before that comes `ready` with the catalogue, or `refuse` with the reason.
"""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

from model_core.errors import ModelError
from worker.contract import logs
from worker.engine.cohort import Cohort, Engine
from worker.engine.deadlines import Deadlines
from worker.engine.islands import Islands
from worker.engine.model_pool import ModelPool, SlotPlan, load_pool
from worker.engine.runner import Inbox, Runner
from worker.engine.scoring import passed
from worker.orders.catalogue import Catalogue
from worker.orders.claims import Outcome
from worker.orders.usage import Usage
from worker.process import crash, processors
from worker.process.due import Due
from worker.process.processors import NoProcessorError
from worker.settings import Settings

SWITCH_INTERVAL_S = 0.0005
"""How long the thread that hears of new jobs may keep the engine waiting; Python's 5 ms are several steps."""


class _Worker:
    """The other end, as the engine thread's outlet."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection

    def publish(self, rows: Mapping[str, Sequence[str]]) -> None:
        self._tell("publish", rows)

    def progress(self, token: str, share: float) -> None:
        self._tell("progress", token, share)

    def end(self, token: str, outcome: Outcome) -> None:
        self._tell("end", token, outcome)

    def used(self, usage: Mapping[str, Usage]) -> None:
        self._tell("used", usage)

    def _tell(self, *message: object) -> None:
        try:
            self._connection.send_bytes(pickle.dumps(message))
        except OSError:
            _end_alone()


def main() -> None:
    """argv: the descriptors of our end of the pair, and of the memory in which we say by when we are back."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C reaches both: the worker says when to stop
    settings, connection = Settings(), Connection(int(sys.argv[1]))
    deadlines = Deadlines(Due(int(sys.argv[2])).within)
    logs.configure(settings.log_level)
    crash.end_with_any_thread()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    inbox = Inbox()
    plan = SlotPlan(settings.slots, settings.express_slots, settings.slot_memory_mib)
    try:
        threading.Thread(
            target=_listen, args=(connection, inbox, settings.engine_cpus), name="listener", daemon=True
        ).start()
        processors.keep_to(settings.engine_cpus)
        pool = load_pool(
            settings.models_dir, settings.models, settings.device, plan, settings.threads, deadlines.loading
        )
    except (ModelError, NoProcessorError) as error:
        connection.send(("refuse", str(error)))
    else:
        slots = {name: plan.slots + plan.express for name, plan in pool.plans.items()}
        connection.send(("ready", Catalogue(pool.cards, slots, pool.numerics)))
        _draw(pool, _Worker(connection), inbox, settings.step_delay_s, deadlines)
    connection.close()
    sys.stderr.flush()
    os._exit(0)  # without torch's leave-taking, for which the worker would wait


def _draw(pool: ModelPool, outlet: _Worker, inbox: Inbox, delay_s: float, deadlines: Deadlines) -> None:
    """Until the worker says stop."""
    runner = Runner(
        _cohorts(pool),
        outlet,
        lambda task: passed(task, pool.model(task.model)),
        delay_s,
        inbox,
        Islands(pool.islands),
        deadlines,
    )
    runner.start()
    runner.join()


def _listen(connection: "Connection[Any, Any]", inbox: Inbox, engine_cpus: Collection[int]) -> None:
    """From the beginning, so that a worker which is killed while the models are loaded leaves nothing behind. Where
    there is another processor than the engine's: what is heard is unpacked there, while the engine draws."""
    processors.keep_off(engine_cpus)
    try:
        while True:
            inbox.put(connection.recv())
    except (EOFError, OSError):
        _end_alone()


def _end_alone() -> None:
    """The worker is gone: nobody wants what is drawn here, and its jobs go on elsewhere."""
    os._exit(0)


def _cohorts(pool: ModelPool) -> dict[str, Cohort]:
    def engines(name: str) -> Callable[[], Engine]:
        return lambda: pool.engine(name)

    return {name: Cohort(engines(name), card.height, pool.plans[name].express) for name, card in pool.cards.items()}


if __name__ == "__main__":
    main()
