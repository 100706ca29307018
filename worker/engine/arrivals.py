"""Models that are added, changed or deleted in the models directories while the worker
runs.

A thread looks there every two seconds. A new model whose files did not change between
two looks is examined (examination.py), loaded and made ready while the drawing thread
draws from the others, and then reported to its inbox. Two threads do that for two
models at once, of different owners: a model that takes long delays only its owner's
models.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import structlog

from model_core.card import Card
from model_core.errors import ModelError
from model_core.models_directory import CARD, RECORDS, cards_in, weights_in
from worker.contract.added import (
    OWNER,
    announced_origin,
    drafts_in,
    name_of,
    owner_of,
    private_owner,
)
from worker.contract.cards import ExaminedDraft, ModelCard, RefusedModel
from worker.contract.fairness import Shares
from worker.engine.cohort import Cohort
from worker.engine.examination import Examination, Repeats
from worker.engine.examiner import InconclusiveError
from worker.engine.failures import is_gpu_error
from worker.engine.kept import KeptWeights
from worker.engine.model_pool import FullPoolError, ModelPool
from worker.engine.refusals import log_refusal
from worker.orders.catalogue import kept_name

Fingerprint = tuple[tuple[str, int, int], ...]
"""Name, time of change in nanoseconds and length of each file of a model."""

PLACES = 2
"""Models that are examined at once. Each takes a process, and part of a CPU core."""

ROOM_S = 30.0
"""Seconds to wait until another model is unloaded to make room: jobs may be using all
of them."""
ASK_FOR_ROOM_S = 0.2
"""Seconds between two requests to the engine's thread to make room."""

_DRAFT = "."
"""First character of a draft's directory; no model's name begins with it."""


class Directory:
    """The models in a directory and in the directory of added models, and the drafts of
    exchanges; it reports changes between two looks."""

    def __init__(
        self, path: Path, asked: Collection[str] = (), added: Path | None = None
    ) -> None:
        """Models that are there now count as known; drafts do not.

        path: the models directory.
        asked: the names to look for there, also among records; all models but no record
            if empty.
        added: the directory of added models. Its models belong to the others unless
            their names are taken, and its drafts appear as models named `.JOB`.
        """
        self._path = path
        self._asked = frozenset(asked)
        self._added = added
        self._of_added: frozenset[str] = frozenset()
        self._records: frozenset[str] = frozenset()
        """Names in `asked` that are those of records."""
        self._seen: dict[str, Fingerprint] = {}
        self._seen = self._look()
        # Drafts have to be examined, whether they came before this worker or later.
        self._settled = {
            name: found for name, found in self._seen.items() if not _is_draft(name)
        }

    def changes(self) -> tuple[list[str], list[str]]:
        """Look at the directories. Return the names of models that are new or changed,
        and of those that are gone: each change once, and only if two looks in a row
        found the same files. An unreachable directory changes nothing."""
        before = self._seen
        seen = self._look()
        self._seen = seen
        came = [
            name
            for name, found in seen.items()
            if before.get(name) == found != self._settled.get(name)
        ]
        gone = [
            name for name in self._settled if name not in seen and name not in before
        ]
        self._settled.update({name: seen[name] for name in came})
        for name in gone:
            del self._settled[name]
        return came, gone

    def look_again(self, name: str) -> None:
        """Let the next call of `changes` return this model as new, if it is still
        there."""
        self._settled.pop(name, None)

    def place(self, name: str) -> Path:
        """Return the directory of a model or draft, as of the last look."""
        is_in_added = _is_draft(name) or self.is_added(name)
        if self._added and is_in_added:
            return self._added / name
        if name in self._records:
            return self._path / RECORDS / name
        return self._path / name

    def added_places(self) -> dict[str, Path]:
        """Directory of each added model that was seen, by its name."""
        return {name: self.place(name) for name in self._seen if self.is_added(name)}

    def is_added(self, name: str) -> bool:
        """Return True if a user has added the model."""
        return name in self._of_added

    def _look(self) -> dict[str, Fingerprint]:
        is_away = self._added and self._of_added and not self._added.is_dir()
        if is_away or not self._path.is_dir():
            # A disk may be unmounted for a moment; its models stay.
            return self._seen
        names = {card.parent.name for card in cards_in(self._path)}
        cards_of_added = cards_in(self._added) if self._added else ()
        added = {card.parent.name for card in cards_of_added} - names
        self._of_added = (self._of_added | added) - names
        ours = {name for name in names if not self._asked or name in self._asked}
        # An upgrade may move a model that is asked for into the records, also while this
        # worker serves it.
        records = {card.parent.name for card in cards_in(self._path / RECORDS)}
        self._records = (self._asked & records) - names - self._of_added
        ours |= self._records
        drafts = drafts_in(self._added).values() if self._added else ()
        all_names = sorted(ours | added | {draft.name for draft in drafts})
        return {name: _fingerprint(self.place(name)) for name in all_names}


def _is_draft(name: str) -> bool:
    return name.startswith(_DRAFT)


def _fingerprint(directory: Path) -> Fingerprint:
    facts = []
    for file in sorted([directory / CARD, directory / OWNER, *weights_in(directory)]):
        try:
            state = file.stat()
        except OSError:  # it is being exchanged, or has no owner.json
            continue
        facts.append((file.name, state.st_mtime_ns, state.st_size))
    return tuple(facts)


def refused_model(
    name: str, reason: str, place: Path, repeats: Repeats
) -> RefusedModel:
    """Return what the worker announces about a model that it does not serve.

    reason: a sentence.
    place: the model's directory.
    repeats: whether it will be examined again; then `job` and `identity` are empty,
        because a job that added it waits for the final result.
    """
    origin = announced_origin(place)
    identity = ""
    if repeats.will_come(name):
        origin["job"] = ""
    else:
        with suppress(Exception):  # `reason` says what is wrong with the card
            identity = Card.read(place / CARD).identity
    return RefusedModel(name=name, reason=reason, identity=identity, **origin)


class Arrivals:
    """Examines and serves models that are added while the worker runs."""

    def __init__(
        self,
        pool: ModelPool,
        kept: KeptWeights,
        examination: Examination,
        directory: Directory,
        device: str,
        put: Callable[..., None],
        offer: Callable[[Mapping[str, str]], None],
    ) -> None:
        """directory: where models come from.
        device: on which they draw.
        put: puts a message into the drawing thread's inbox.
        offer: prepares models for browsers, given name -> identity."""
        self._pool = pool
        self._kept = kept
        self._examination = examination
        self._directory = directory
        self._device = device
        self._put = put
        self._offer = offer
        self._served = {card.name for card in pool.cards.values()}
        """Names of the models that are served, or were made ready at the start: other
        weights of theirs are not announced before they are known to be good."""
        self._changing = threading.Condition()
        """Protects the following attributes."""
        self._waiting: dict[str, str] = {}
        """Models and drafts that wait to be examined, in the order in which they came:
        name -> owner."""
        self._under_way: set[str] = set()
        self._gone: set[str] = set()
        """Those under way whose files were deleted meanwhile: they are dropped when
        their examination is over."""
        self._places = Shares(PLACES)
        self._turns: dict[str, int] = {}
        """Owner -> number of the owner's last examination."""
        self._log = structlog.get_logger("models")

    def follow(self, every_s: float) -> None:
        """Look at the directories every few seconds and handle changes. Never
        returns."""
        while True:
            time.sleep(every_s)
            self._put("unload_resting")
            try:
                self._note(*self._changes())
                self._kept.forget_old()
            except Exception as error:
                # A folder may vanish while it is read; the thread goes on.
                self._report(error)

    def look(self) -> None:
        """Look at the directories once, and handle the changes as `take` does."""
        self.take(*self._changes())

    def take(self, came: Iterable[str], gone: Iterable[str]) -> None:
        """Serve new models, examine drafts and drop deleted models; return when that is
        done.

        came, gone: as `Directory.changes` returns them.
        """
        self._note(came, gone)
        with self._changing:
            self._changing.wait_for(lambda: not (self._waiting or self._under_way))

    def _changes(self) -> tuple[list[str], list[str]]:
        for name in self._examination.repeats.due():
            self._directory.look_again(name)
        return self._directory.changes()

    def _report(self, error: Exception) -> None:
        if is_gpu_error(error):
            self._put("card_failed", str(error))
        else:
            self._log.error("models_not_looked_at", exc_info=error)

    def _note(self, came: Iterable[str], gone: Iterable[str]) -> None:
        with self._changing:
            for name in gone:
                self._waiting.pop(name, None)
                if name in self._under_way:
                    self._gone.add(name)
                else:
                    self._drop(name)
            for name in came:
                self._expect(name)
                self._waiting[name] = owner_of(self._directory.place(name)).owner
            self._begin()

    def _begin(self) -> None:
        """Begin as many examinations as there are places."""
        while (name := self._next()) is not None:
            owner = self._waiting.pop(name)
            self._places.add(owner, 1)
            self._turns[owner] = max(self._turns.values(), default=0) + 1
            self._under_way.add(name)
            thread = threading.Thread(
                target=self._work, args=(name, owner), name="arrivals", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:
                self._log.warning("examination_not_begun", error=repr(error))
                self._under_way.discard(name)
                self._places.give_back(owner, 1)
                self._waiting[name] = owner
                return

    def _next(self) -> str | None:
        """Return the name to examine next; None if no place is free. The owner comes
        first whose last examination was longest ago."""
        able = [
            name
            for name, owner in self._waiting.items()
            if name not in self._under_way and self._places.allow(owner, 1)
        ]
        turn = self._turns.get
        return min(able, key=lambda name: turn(self._waiting[name], 0), default=None)

    def _work(self, name: str, owner: str) -> None:
        try:
            self._take_one(name)
        except Exception as error:  # an outermost handler: other models go on
            self._report(error)
        with self._changing:
            self._under_way.discard(name)
            self._places.give_back(owner, 1)
            if name in self._gone:
                self._gone.discard(name)
                self._drop(name)
            self._begin()
            if not self._under_way:
                self._examination.end()
            self._changing.notify_all()

    def _drop(self, name: str) -> None:
        self._examination.repeats.forget(name)
        if _is_draft(name):
            self._put("draft_gone", name.removeprefix(_DRAFT))
            return
        self._served.discard(name)
        self._pool.forget(name)
        self._put("dropped", name)
        if self._directory.is_added(name):
            self._kept.forget_soon(name)
        self._log.info("model_removed", model=name)

    def _take_one(self, name: str) -> None:
        place = self._directory.place(name)
        if _is_draft(name):
            if (draft := self._examined(place)) is not None:
                self._put("examined", draft)
            return
        try:
            identity = self._serve(name)
        except Exception as error:  # any user may have put the files there
            reason = log_refusal(name, error, place)
            repeats = self._examination.repeats
            self._put("refused", refused_model(name, reason, place, repeats))
            return
        finally:
            self._pool.expected.pop(name, None)
        self._served.add(name)
        self._offer({name: identity})

    def _expect(self, name: str) -> None:
        """Announce a new model by its card alone, so that jobs for it wait."""
        place = self._directory.place(name)
        if _is_draft(name) or self._is_served(name):
            return
        try:
            read = Card.read(place / CARD)
            card = self._pool.card_before_loading(read)
        except Exception:  # `_serve` reports what is wrong with it
            return
        if read.name == name:
            # Other models may be examined before it for minutes.
            self._pool.expected[name] = read
            self._put("coming", card.model_copy(update=announced_origin(place)))

    def _is_served(self, name: str) -> bool:
        # A model that was refused at the start is no longer in the pool.
        return name in self._served and self._pool.has_known(name)

    def _serve(self, name: str) -> str:
        """Examine, load and serve a new model; return its identity. Raises the error
        that keeps it from being served."""
        began = time.monotonic()
        source = self._directory.place(name)
        read = self._examination.card(source)
        if read.name != name:
            raise ModelError(f"its card says {read.name!r}, and it lies in {name!r}")
        cohort = None
        called = self._pool.engine_name(name, read.identity)
        card = None if called is None else self._pool.renew(called, read)
        if called is None or card is None:
            card = self._loaded(name, read.identity, source)
            called = kept_name(card)
            cohort = Cohort(
                partial(self._pool.engine, called), self._pool.plans[called].express
            )
        now = {"compiling": False, "cold": False, **announced_origin(source)}
        self._put("served", card.model_copy(update=now), called, cohort)
        self._log.info(
            "model_served",
            model=name,
            identity=read.identity,
            seconds=round(time.monotonic() - began, 1),
        )
        return read.identity

    def _examined(self, place: Path) -> ExaminedDraft | None:
        """Examine a draft and leave its files unchanged. Return the result, or None if
        the examination will be repeated. The model that it is to replace is served
        meanwhile."""
        name = name_of(place) or ""
        reason = ""
        try:
            read = self._examination.card(place)
            if self._pool.engine_name(name, read.identity) is None:
                card = self._in_memory(name, read.identity, place)
                try:
                    # A job for these weights, served before, waits meanwhile.
                    with self._coming(kept_name(card)):
                        self._examination.measure(name, place)
                finally:
                    self._pool.remove(kept_name(card))
                # So that it is not examined again once it has the model's name.
                self._kept.keep(name, read.identity, place)
                # A cancelled exchange must not leave the weights here for a week.
                self._kept.forget_soon(name, read.identity)
        except Exception as error:  # any user may have uploaded the files
            reason = log_refusal(name, error, place)
            if self._examination.repeats.will_come(place.name):
                return None
        job = place.name.removeprefix(_DRAFT)
        return ExaminedDraft(
            job=job, name=name, reason=reason, owner=private_owner(place)
        )

    def _loaded(self, name: str, identity: str, source: Path) -> ModelCard:
        """Load and examine a model, make it ready and keep a copy; return its card."""
        card = self._in_memory(name, identity, source)
        try:
            with self._announced(card, source):
                self._examination.measure(name, source)
                self._pool.warm_up(kept_name(card))
        except BaseException:
            self._pool.remove(kept_name(card))
            raise
        self._kept.keep(name, identity, source)
        return card

    def _in_memory(self, name: str, identity: str, source: Path) -> ModelCard:
        """Load a model, after an examiner's process has loaded it; return its card.
        InconclusiveError is raised if there is no room for it."""
        if self._pool.is_full_for_good:
            raise ModelError(
                f"this worker holds {self._pool.most} models, all of them shipped: "
                "serve fewer, or raise PIXELRNN_LOADED_MODELS"
            )
        model = self._examination.load(name, source, self._device)
        if model.card.identity != identity:
            raise ModelError("it was exchanged while it was looked at")
        until = time.monotonic() + ROOM_S
        while True:
            try:
                # Shares of the memory for slots are computed one after the other.
                with self._changing:
                    return self._pool.add(model)
            except FullPoolError as full:
                if time.monotonic() >= until:
                    why = f"{full}, and jobs use all of them that could be unloaded"
                    late = InconclusiveError(why, is_passing=True)
                    raise self._examination.repeats.note(source.name, late) from None
            self._put("make_room")
            time.sleep(ASK_FOR_ROOM_S)

    @contextmanager
    def _announced(self, card: ModelCard, source: Path) -> Iterator[None]:
        """Context manager that announces a model while it is being examined, so that
        jobs for it wait."""
        # A served model must go on being served if its new weights are bad.
        if self._is_served(card.name) or not self._pool.is_new(card):
            yield
            return
        with self._coming(kept_name(card)):
            coming = {"compiling": True, **announced_origin(source)}
            self._put("coming", card.model_copy(update=coming))
            yield

    @contextmanager
    def _coming(self, called: str) -> Iterator[None]:
        """Context manager that lets jobs for a model wait for it."""
        with self._changing:
            self._pool.coming = (*self._pool.coming, called)
        try:
            yield
        finally:
            with self._changing:
                others = [each for each in self._pool.coming if each != called]
                self._pool.coming = tuple(others)
