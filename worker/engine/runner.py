"""The engine thread: follow what is in the inbox, then give one activity a turn, by the time that each has used.

It owns the activities; other threads only leave orders in its inbox. It knows no Redis and no queue.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from worker.contract.cards import ModelCard
from worker.engine.activities.activity import Activity, Broken, Outlet, Surroundings
from worker.engine.activities.files import Coded, Files
from worker.engine.activities.particles import ByParticles, NewRun
from worker.engine.activities.passes import Passes, Score
from worker.engine.activities.slots import Slots
from worker.engine.cohort import Cohort
from worker.engine.deadlines import IDLE_S, Deadlines
from worker.engine.failures import is_card_error
from worker.engine.gathering import Gathering
from worker.engine.inbox import Inbox, Message
from worker.engine.model_pool import FullPoolError, ModelPool
from worker.engine.turns import Turns
from worker.engine.unloading import Unloading
from worker.engine.usage_told import UsageTold
from worker.orders.catalogue import kept_name
from worker.orders.faults import drawing_failed
from worker.orders.order import Order

Brought = tuple[ModelCard, Cohort]
"""A model whose weights were exchanged, and its cohort."""

_AGAIN_S = 0.2
"""Seconds until a model that a job waits for is tried again, if there was no room."""


class Runner:
    """Carries out orders until told to stop.

    cohorts: one for each loaded model, by name. score: one pass (assessment.passed). inbox: where others than
    those with a Runner at hand leave orders. islands and free_particles: see ByParticles. coding: see Files.
    deadlines: told what begins and ends. field_cohort: see Slots. bring(name, identity): loads a model that was
    exchanged or unloaded; FullPoolError if there is no room. pool and unloading: the models in memory, and which of
    them leave it; without them none does. begin: called first, in the thread that draws.
    """

    def __init__(
        self,
        cohorts: Mapping[str, Cohort],
        outlet: Outlet,
        score: Score,
        step_delay_s: float = 0.0,
        inbox: Inbox | None = None,
        islands: NewRun | None = None,
        deadlines: Deadlines | None = None,
        bring: Callable[[str, str], Brought | None] = lambda name, identity: None,
        coding: Coded | None = None,
        field_cohort: Callable[[str, int], Cohort] | None = None,
        free_particles: Callable[[str], None] = lambda model: None,
        pool: ModelPool | None = None,
        unloading: Unloading | None = None,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
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
        self._usage = UsageTold(cohorts, outlet.used)
        self._serving = {name: name for name in cohorts}
        self._gathering = Gathering(outlet)
        around = self._around = Surroundings(
            self._gathering,
            self._deadlines,
            self._usage,
            self._pause,
            self._serving.values(),
        )
        passes = Passes(around, score)
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
            "coming": partial(outlet.tell, "coming"),
            "refused": partial(outlet.tell, "refused"),
            "card_failed": outlet.card_failed,
            "examined": partial(outlet.tell, "examined"),
            "draft_gone": partial(outlet.tell, "draft_gone"),
            "unload_resting": self._propose,
            "make_room": partial(self._propose, needs_room=True),
            "unload": self._unload,
            "stop": self._stop,
        }
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until it has stopped."""
        self._thread.join(timeout_s)

    def submit(self, order: Order) -> None:
        self._inbox.put("submit", order)

    def withdraw(self, token: str) -> None:
        """Do no more for this claim from the next step on."""
        self._inbox.put("withdraw", token)

    def stop(self) -> None:
        """End after the step that is being made; rows drawn so far have been handed on."""
        self._inbox.put("stop")

    def _run(self) -> None:
        self._begin()
        while not self._stopping:
            self._follow_orders()
            if ready := {
                name: activity
                for activity in self._activities
                for name in activity.busy()
            }:
                self._take_turn(self._turns.next(list(ready)), ready)
            for token in self._gathering.failed():
                self._forget(token)
            for order in self._gathering.next_ones():
                self._follow(("submit", order))
            self._fetch_again()
            self._usage.now_and_then()
            self._outlet.send()
        self._usage.tell()
        self._usage.log()
        self._outlet.send()

    def _take_turn(self, name: str, ready: Mapping[str, Activity]) -> None:
        began = time.perf_counter()
        self._deadlines.opening()
        held = ready[name].orders_under(name)
        try:
            ready[name].turn(name)
        except Exception as error:  # the engine's edge: whatever nobody foresaw ends these jobs, and not the process
            for order in held:
                self._break_off(order, error)
        self._deadlines.end()
        self._turns.charge(name, time.perf_counter() - began)

    def _follow_orders(self) -> None:
        """Carry out what is in the inbox; with nothing to do, wait for it."""
        idle = not any(activity.busy() for activity in self._activities)
        if idle:
            self._usage.tell()
            self._outlet.send()
        while True:
            if idle:
                self._deadlines.idle()
            message = self._inbox.next(IDLE_S if idle else 0.0)
            if message is not None:
                self._follow(message)
                idle = False  # what it may have said goes out
            elif not idle or self._waits_for_room:
                break
        self._outlet.send()

    def _follow(self, message: Message) -> None:
        word, *arguments = message
        try:
            self._words[word](*arguments)
        except Exception as error:  # the engine's edge, as in a turn
            if word == "submit":
                self._break_off(arguments[0], error)
            elif is_card_error(error):
                self._outlet.card_failed(str(error))
            else:
                self._around.log.exception("word_failed", word=word)

    def _break_off(self, order: Broken, error: Exception) -> None:
        self._forget(order.claim.token)
        self._around.broke_off(order, error, drawing_failed)

    def _pause(self) -> None:
        if self._step_delay_s:
            time.sleep(self._step_delay_s)

    def _accept(self, order: Order) -> None:
        if self._unloading is not None:
            self._unloading.used(order.model)
        for each in self._gathering.opened(order):
            next(
                activity
                for activity in self._activities
                if isinstance(each, activity.orders)
            ).accept(each)

    def _fetch(self, name: str, identity: str) -> None:
        """Bring a model that was exchanged or unloaded, while all drawing waits: it takes a moment, and happens once
        after an exchange. If there is no room, it is tried again until there is."""
        if self._has_told(name, identity):
            return
        self._deadlines.loading()
        try:
            brought = self._bring(name, identity)
        except FullPoolError:
            self._waits_for_room[name, identity] = None
            self._try_again_at = time.monotonic() + _AGAIN_S
            self._propose(needs_room=True)
            return
        if brought is None:
            return
        card, cohort = brought
        called = kept_name(card)
        self._slots.add(called, cohort)
        self._usage.add(called)
        if self._unloading is not None:
            self._unloading.ready(called, asked_for=True)
        if not self._is_served(card):
            self._rest(called)
        self._outlet.tell("brought", card, called)

    def _has_told(self, name: str, identity: str) -> bool:
        """Tell the worker that this model is in memory, if it is: the worker has missed
        that, or was about to give it up."""
        if self._pool is None or self._unloading is None:
            return False
        called = self._pool.engine_name(name, identity)
        if called is None or not self._unloading.is_ready(called):
            return False
        self._keep(called)
        return True

    def _is_served(self, card: ModelCard) -> bool:
        """Return True if new jobs of this name are for this model: it was unloaded while
        it was served."""
        return self._serving.get(card.name) == kept_name(card)

    def _fetch_again(self) -> None:
        """Try to bring the models that had no room."""
        if not self._waits_for_room or time.monotonic() < self._try_again_at:
            return
        waiting = list(self._waits_for_room)
        self._waits_for_room.clear()
        for weights in waiting:
            self._fetch(*weights)

    def _propose(self, needs_room: bool = False) -> None:
        """Tell the worker which models may be unloaded."""
        if self._unloading is None:
            return
        found = self._unloading.proposals(self._serving, self._models(), needs_room)
        for called, proposal in found.items():
            self._outlet.tell("unloadable", called, proposal)

    def _models(self) -> set[str]:
        """Return the names of all models that jobs use."""
        used = self._gathering.models()
        return used.union(*(activity.models() for activity in self._activities))

    def _unload(self, called: str, proposal: int) -> None:
        """Unload a model that the worker has given up, unless jobs came for it before,
        or it was told since that the model is here."""
        if self._unloading is None or self._pool is None:
            return
        is_open = self._unloading.is_open(called, proposal)
        if not is_open or called in self._models():
            self._keep(called)
            return
        card = self._pool.cards[called]
        if self._serving.get(card.name) == called:
            self._serving[card.name] = kept_name(card)  # its name when it comes again
        self._slots.remove(called)
        self._usage.remove(called)
        self._unloading.unloaded(called)
        self._pool.unload(called)
        self._try_again_at = 0.0
        self._around.log.info("model_unloaded", model=card.name, identity=card.identity)

    def _keep(self, called: str) -> None:
        """Tell the worker that a model stays, or is here: it may have given it up."""
        if self._unloading is None or self._pool is None:
            return
        self._unloading.withdraw(called)
        if called in self._pool.cards:
            self._outlet.tell("brought", self._pool.cards[called], called)

    def _compiled(self, model: str) -> None:
        """It is said first, because somebody may wait for it."""
        if self._unloading is not None:
            self._unloading.ready(model)
        self._outlet.tell("compiled", model)
        self._outlet.send()
        self._slots.prepare(model)

    def _serve(self, card: ModelCard, called: str, cohort: Cohort | None) -> None:
        """A model has come, or other weights of one. cohort: None where they have been here before."""
        self._retire(card.name, but=called)
        if cohort is not None:
            self._slots.add(called, cohort)
            self._usage.add(called)
            if self._unloading is not None:
                self._unloading.ready(called)
        self._serving[card.name] = called
        if called not in self._slots:  # unloaded since somebody looked
            self._serving[card.name] = kept_name(card)
            unloaded = card.model_copy(update={"unloaded": True})
            self._outlet.tell("served", unloaded, kept_name(card))
            return
        if self._unloading is not None:
            self._unloading.withdraw(called)
        self._outlet.tell("served", card, called)
        self._outlet.send()
        self._slots.prepare(called)

    def _drop(self, model: str) -> None:
        """A model is gone; jobs that were accepted for it end."""
        self._retire(model)
        self._outlet.tell("dropped", model)

    def _retire(self, model: str, but: str = "") -> None:
        called = self._serving.pop(model, but)
        if called != but:
            self._rest(called)

    def _rest(self, called: str) -> None:
        """These weights are served to no new jobs."""
        self._slots.rest(called)
        self._by_particles.rest(called)

    def _forget(self, token: str) -> None:
        """Free everything the claim holds here."""
        for each in (token, *self._gathering.close(token)):
            for activity in self._activities:
                activity.forget(each)

    def _stop(self) -> None:
        self._stopping = True
