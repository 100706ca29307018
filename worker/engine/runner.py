"""The thread of the engine process that draws: it handles the messages in its inbox,
then gives one activity a turn, by the time that each has used.

It owns the activities; other threads only put messages into its inbox. It uses no Redis
and no queue.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from worker.contract.cards import ModelCard
from worker.engine.activities.activity import (
    Activity,
    ClaimedOrder,
    Outlet,
    Surroundings,
)
from worker.engine.activities.files import CodingFunction, Files
from worker.engine.activities.particles import ByParticles, NewRun
from worker.engine.activities.passes import Passes, Score
from worker.engine.activities.slots import Slots
from worker.engine.cohort import Cohort
from worker.engine.deadlines import IDLE_S, Deadlines
from worker.engine.failures import is_gpu_error
from worker.engine.gathering import Gathering
from worker.engine.inbox import Inbox, Message
from worker.engine.model_pool import FullPoolError, ModelPool
from worker.engine.scheduler import Turns
from worker.engine.unloading import Unloading
from worker.engine.usage_reports import UsageReports
from worker.orders.catalogue import kept_name
from worker.orders.faults import drawing_failed
from worker.orders.order import Order

FetchedModel = tuple[ModelCard, Cohort]

_AGAIN_S = 0.2
"""Seconds until a model for which a job waits is tried again, if there was no room."""


class Runner:
    """Carries out orders in a thread of its own until it is stopped."""

    def __init__(
        self,
        cohorts: Mapping[str, Cohort],
        outlet: Outlet,
        score: Score,
        step_delay_s: float = 0.0,
        inbox: Inbox | None = None,
        islands: NewRun | None = None,
        deadlines: Deadlines | None = None,
        bring: Callable[[str, str], FetchedModel | None] = lambda name, identity: None,
        coding: CodingFunction | None = None,
        field_cohort: Callable[[str, int], Cohort] | None = None,
        free_particles: Callable[[str], None] = lambda model: None,
        pool: ModelPool | None = None,
        unloading: Unloading | None = None,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        """cohorts: model name -> cohort, for each loaded model.
        score: makes one pass (assessment.make_pass).
        step_delay_s: pause between steps, for tests.
        islands, free_particles: see `new_run` and `free` of ByParticles.
        deadlines: set before each turn.
        bring(name, identity): loads a model and returns its card and cohort; None if
            there is no such model. Raises FullPoolError if there is no room.
        coding: see Files.
        field_cohort: see Slots.
        pool, unloading: the models in memory, and the rule by which idle ones are
            unloaded. Default: nothing is unloaded.
        begin: called first, in the thread that draws."""
        self._begin = begin
        self._bring = bring
        self._pool = pool
        self._unloading = unloading
        self._waits_for_room: dict[tuple[str, str], None] = {}
        """Models that jobs wait for, by name and identity, in the order of asking."""
        self._try_again_at = 0.0
        self._outlet = outlet
        self._step_delay_s = step_delay_s
        self._inbox = inbox or Inbox()
        self._deadlines = deadlines or Deadlines()
        self._turns = Turns()
        self._usage = UsageReports(cohorts, outlet.report_usage)
        self._serving = {name: name for name in cohorts}
        self._gathering = Gathering(outlet)
        around = self._around = Surroundings(
            self._gathering,
            self._deadlines,
            self._usage,
            self._pause,
            self._serving.values(),
        )
        passes = Passes(around, score, *([] if pool is None else [pool.passes]))
        self._slots = Slots(around, cohorts, passes.accept, field_cohort)
        self._by_particles = ByParticles(around, passes.accept, islands, free_particles)
        self._activities: list[Activity] = [self._slots, self._by_particles, passes]
        if coding is not None:
            self._activities.append(Files(around, coding))
        self._stopping = False
        self._words: dict[str, Callable[..., None]] = {
            "submit": self._accept,
            "withdraw": self._forget,
            "bring": self._fetch,
            "compiled": self._compiled,
            "served": self._serve,
            "dropped": self._drop,
            "coming": partial(outlet.report_model, "coming"),
            "refused": partial(outlet.report_model, "refused"),
            "card_failed": outlet.card_failed,
            "examined": partial(outlet.report_model, "examined"),
            "draft_gone": partial(outlet.report_model, "draft_gone"),
            "unload_resting": self._propose,
            "make_room": partial(self._propose, needs_room=True),
            "unload": self._unload,
            "stop": self._stop,
        }
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> None:
        self._thread.join(timeout_s)

    def submit(self, order: Order) -> None:
        """Carry out an order. Any thread may call it."""
        self._inbox.put("submit", order)

    def withdraw(self, token: str) -> None:
        """Do no more for the claim of this token, from the next turn on. Any thread may
        call it."""
        self._inbox.put("withdraw", token)

    def stop(self) -> None:
        """End the thread after the current turn; rows drawn so far are published. Any
        thread may call it."""
        self._inbox.put("stop")

    def _run(self) -> None:
        self._begin()
        while not self._stopping:
            self._follow_orders()
            ready = {
                name: activity
                for activity in self._activities
                for name in activity.busy()
            }
            if ready:
                self._take_turn(self._turns.next(list(ready)), ready)
            for token in self._gathering.take_failed():
                self._forget(token)
            for order in self._gathering.take_next():
                self._follow(("submit", order))
            self._fetch_again()
            self._usage.now_and_then()
            self._outlet.send()
        self._usage.report()
        self._usage.log()
        self._outlet.send()

    def _take_turn(self, name: str, ready: Mapping[str, Activity]) -> None:
        began = time.perf_counter()
        self._deadlines.opening()
        held = ready[name].orders_under(name)
        try:
            ready[name].turn(name)
        except Exception as error:
            # An error that no activity handled ends its jobs, and not the process.
            for order in held:
                self._break_off(order, error)
        self._deadlines.end()
        self._turns.charge(name, time.perf_counter() - began)

    def _follow_orders(self) -> None:
        """Handle the messages in the inbox; if there is no work, wait for one."""
        idle = not any(activity.busy() for activity in self._activities)
        if idle:
            self._usage.report()
            self._outlet.send()
        while True:
            if idle:
                self._deadlines.idle()
            message = self._inbox.next(IDLE_S if idle else 0.0)
            if message is not None:
                self._follow(message)
                idle = False  # handle the others without waiting, then send reports
            elif not idle or self._waits_for_room:
                break
        self._outlet.send()

    def _follow(self, message: Message) -> None:
        word, *arguments = message
        try:
            self._words[word](*arguments)
        except Exception as error:
            if word == "submit":
                self._break_off(arguments[0], error)
            elif is_gpu_error(error):
                self._outlet.card_failed(str(error))
            else:
                self._around.log.exception("word_failed", word=word)

    def _break_off(self, order: ClaimedOrder, error: Exception) -> None:
        self._forget(order.claim.token)
        self._around.report_failure(order, error, drawing_failed)

    def _pause(self) -> None:
        if self._step_delay_s:
            time.sleep(self._step_delay_s)

    def _accept(self, order: Order) -> None:
        if self._unloading is not None:
            self._unloading.mark_used(order.model)
        for each in self._gathering.begin(order):
            able = (
                activity
                for activity in self._activities
                if isinstance(each, activity.orders)
            )
            next(able).accept(each)

    def _fetch(self, name: str, identity: str) -> None:
        """Load a model that was exchanged or unloaded, or try again later if there is
        no room."""
        if self._repeats_report(name, identity):
            return
        # All drawing waits for this moment, which comes once after an exchange.
        self._deadlines.loading()
        try:
            fetched = self._bring(name, identity)
        except FullPoolError:
            self._waits_for_room[name, identity] = None
            self._try_again_at = time.monotonic() + _AGAIN_S
            self._propose(needs_room=True)
            return
        if fetched is None:
            return
        card, cohort = fetched
        called = kept_name(card)
        self._slots.add(called, cohort)
        self._usage.add(called)
        if self._unloading is not None:
            self._unloading.mark_ready(called, asked_for=True)
        if not self._is_served(card):
            self._free_if_idle(called)
        self._outlet.report_model("brought", card, called)

    def _repeats_report(self, name: str, identity: str) -> bool:
        """Report a model that is in memory once more, and return True; else return
        False."""
        if self._pool is None or self._unloading is None:
            return False
        called = self._pool.engine_name(name, identity)
        if called is None or not self._unloading.is_ready(called):
            return False
        # The worker has missed the report, or was about to give the model up.
        self._keep(called)
        return True

    def _is_served(self, card: ModelCard) -> bool:
        # Then it was unloaded while it was served.
        return self._serving.get(card.name) == kept_name(card)

    def _fetch_again(self) -> None:
        if not self._waits_for_room or time.monotonic() < self._try_again_at:
            return
        waiting = list(self._waits_for_room)
        self._waits_for_room.clear()
        for weights in waiting:
            self._follow(("bring", *weights))

    def _propose(self, needs_room: bool = False) -> None:
        if self._unloading is None:
            return
        found = self._unloading.proposals(self._serving, self._models(), needs_room)
        for called, proposal in found.items():
            self._outlet.report_model("unloadable", called, proposal)

    def _models(self) -> set[str]:
        used = self._gathering.models()
        return used.union(*(activity.models() for activity in self._activities))

    def _unload(self, called: str, proposal: int) -> None:
        """Unload a model that the worker has given up, unless it is needed again."""
        if self._unloading is None or self._pool is None:
            return
        is_open = self._unloading.is_open(called, proposal)
        # Jobs may have come before the worker gave it up, or a newer report since.
        if not is_open or called in self._models():
            self._keep(called)
            return
        card = self._pool.cards[called]
        if self._serving.get(card.name) == called:
            self._serving[card.name] = kept_name(card)  # its name once loaded again
        self._slots.remove(called)
        self._usage.remove(called)
        self._unloading.mark_unloaded(called)
        self._pool.unload(called)
        self._try_again_at = 0.0
        self._around.log.info("model_unloaded", model=card.name, identity=card.identity)

    def _keep(self, called: str) -> None:
        if self._unloading is None or self._pool is None:
            return
        self._unloading.withdraw(called)
        if called in self._pool.cards:
            self._outlet.report_model("brought", self._pool.cards[called], called)

    def _compiled(self, model: str) -> None:
        if self._unloading is not None:
            self._unloading.mark_ready(model)
        # Sent before the engine is made, because a job may wait for the report.
        self._outlet.report_model("compiled", model)
        self._outlet.send()
        self._slots.prepare(model)

    def _serve(self, card: ModelCard, called: str, cohort: Cohort | None) -> None:
        """Serve a new model, or new weights of one.

        cohort: None for weights that have been in memory before.
        """
        self._retire(card.name, but=called)
        if cohort is not None:
            self._slots.add(called, cohort)
            self._usage.add(called)
            if self._unloading is not None:
                self._unloading.mark_ready(called)
        self._serving[card.name] = called
        if called not in self._slots:  # unloaded after its card was read
            self._serving[card.name] = kept_name(card)
            unloaded = card.model_copy(update={"unloaded": True})
            self._outlet.report_model("served", unloaded, kept_name(card))
            return
        if self._unloading is not None:
            self._unloading.withdraw(called)
        self._outlet.report_model("served", card, called)
        self._outlet.send()
        self._slots.prepare(called)

    def _drop(self, model: str) -> None:
        """Stop serving a model; jobs that were accepted for it still run."""
        self._retire(model)
        self._outlet.report_model("dropped", model)

    def _retire(self, model: str, but: str = "") -> None:
        """Stop serving a model's weights, unless they are `but`."""
        called = self._serving.pop(model, but)
        if called != but:
            self._free_if_idle(called)

    def _free_if_idle(self, called: str) -> None:
        self._slots.free_if_idle(called)
        self._by_particles.free_if_idle(called)

    def _forget(self, token: str) -> None:
        for each in (token, *self._gathering.close(token)):
            for activity in self._activities:
                activity.forget(each)

    def _stop(self) -> None:
        self._stopping = True
