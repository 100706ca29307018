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
from worker.engine.turns import Turns
from worker.engine.usage_told import UsageTold
from worker.orders.catalogue import kept_name
from worker.orders.faults import drawing_failed
from worker.orders.order import Order

Brought = tuple[ModelCard, Cohort]
"""A model whose weights were exchanged, and its cohort."""


class Runner:
    """Carries out orders until told to stop.

    cohorts: one for each loaded model, by name. score: one pass (assessment.passed). inbox: where others than
    those with a Runner at hand leave orders. islands and free_particles: see ByParticles. coding: see Files.
    deadlines: told what begins and ends. field_cohort: see Slots. bring(name, identity): loads a model that was
    exchanged.
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
    ) -> None:
        self._bring = bring
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
            elif not idle:
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
        for each in self._gathering.opened(order):
            next(
                activity
                for activity in self._activities
                if isinstance(each, activity.orders)
            ).accept(each)

    def _fetch(self, name: str, identity: str) -> None:
        """Bring a model that was exchanged, while all drawing waits: it takes a moment, and happens once after an
        exchange."""
        self._deadlines.loading()
        if (brought := self._bring(name, identity)) is not None:
            card, cohort = brought
            self._slots.add(kept_name(card), cohort)
            self._rest(kept_name(card))
            self._usage.add(kept_name(card))
            self._outlet.tell("brought", card)

    def _compiled(self, model: str) -> None:
        """It is said first, because somebody may wait for it."""
        self._outlet.tell("compiled", model)
        self._outlet.send()
        self._slots.prepare(model)

    def _serve(self, card: ModelCard, called: str, cohort: Cohort | None) -> None:
        """A model has come, or other weights of one. cohort: None where they have been here before."""
        self._retire(card.name, but=called)
        if cohort is not None:
            self._slots.add(called, cohort)
            self._usage.add(called)
        self._serving[card.name] = called
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
