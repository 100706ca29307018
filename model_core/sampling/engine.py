"""Draw many images of one model side by side. Images join and leave between any two
steps; each is at a row of its own.

    Engine      requests, tickets, labels and members of a mixture (this file)
    Drawings    slots of one stage: fields, and given rows that are shared (drawings.py)
    Stage       arithmetic (stage.py)

Each image is drawn by one member, in the orientation of that member. A Multi-Scale
network draws a small image with a first stage, then the image around it with a second.

The bytes of an image depend only on its request and on the weights: not on the other
images, on the slot, or on when it joined.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.components import Member
from model_core.elementary import log, log_count, log_sum
from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.networks import MultiScaleNetwork, PixelNetwork
from model_core.orientation import Orientation, turn, turn_back
from model_core.sampling.compiled.threaded import ThreadedStage
from model_core.sampling.drawings import Drawings
from model_core.sampling.label_choice import label_shares
from model_core.sampling.main_memory import in_main_memory
from model_core.sampling.noise import chosen_label, chosen_member
from model_core.sampling.request_drawing import first_drawing, large_drawing, small_of
from model_core.sampling.stages import networks_of, new_stage, stage_for, threads_of

_Component = tuple[int, int | None]
"""A member with a label."""


class DrawnRow(NamedTuple):
    """A row of an image that will not change any more.

    ticket: the number of the image that `admit` returned.
    y: index of the row, from the top.
    values: (C, W), 0..V-1.
    of_small: True for a row of the small image of a Multi-Scale model, which is drawn
        before the image itself.
    is_last: True for the last row of the whole image, with which it leaves.
    log_p: with the last row of an image that was requested with `weighed`: ln p of the
        whole image, its small image included unless the request has it.
    """

    ticket: int
    y: int
    values: NDArray[np.uint8]
    of_small: bool = False
    is_last: bool = False
    log_p: float | None = None


@dataclass
class _Weighed:
    """An image whose ln p under all components of the model is requested.

    asked: the request, upright.
    log_shares: ln of each component's share of the mixture.
    drawn_by: the component that draws it.
    rows: its rows (C, W) so far, from the top down.
    log_ps: ln p of the image under each component that has scored it.
    """

    asked: ImageRequest
    log_shares: Mapping[_Component, float]
    drawn_by: _Component
    rows: list[NDArray[np.uint8]] = field(default_factory=list)
    log_ps: dict[_Component, float] = field(default_factory=dict)

    def next_component(self) -> _Component | None:
        left = (one for one in self.log_shares if one not in self.log_ps)
        return next(left, None)

    def log_p(self) -> float:
        terms = [
            share + self.log_ps[component]
            for component, share in self.log_shares.items()
        ]
        return log_sum(np.array(terms))


@dataclass
class _Seat:
    """An image that is being drawn, or scored by the components that did not draw it.

    request: in the member's orientation, with the label.
    log_p: ln p of its stages that are complete, if the request asks for it.
    turned: (C, H, W), the rows so far of a turned image.
    """

    member: int
    slot: int
    request: ImageRequest
    log_p: float = 0.0
    turned: NDArray[np.uint8] | None = None


class _Member:
    """A member of the model: its stages, which have the same slots, and the tickets of
    the images in them."""

    def __init__(
        self,
        member: Member,
        slots: int,
        kept: int,
        threads: int | None,
    ) -> None:
        # The small image and labels reach the large network through main memory, even
        # if a GPU draws: only there are the last digits always the same.
        self.network = in_main_memory(member.network)
        self.orientation: Orientation = member.orientation
        # Slots after those of images hold the kept states.
        spare = range(slots, slots + kept * stage_for(member.network).keeps_closed)
        self.stages = [
            new_stage(part, slots + len(spare), threads, member.network)
            for part in networks_of(member.network)
        ]
        self.drawings = [Drawings(stage, spare) for stage in self.stages]
        self.vacant = list(range(slots - 1, -1, -1))
        self.ticket_of: dict[int, int] = {}

    @property
    def load(self) -> int:
        """Number of images that the busiest thread draws."""
        drawn = sum(
            stage.fullest for stage in self.stages if isinstance(stage, ThreadedStage)
        )
        threads = max(map(threads_of, self.stages))
        return max(drawn, -(-len(self.ticket_of) // threads))

    def begin(self, slot: int, request: ImageRequest, small: Tensor | None) -> None:
        """Begin an image; the small image (C, s, s) of a Multi-Scale model may be there
        already."""
        if small is None:
            self.drawings[0].open(slot, first_drawing(self.network, request))
        else:
            assert isinstance(self.network, MultiScaleNetwork)
            self.drawings[-1].open(slot, large_drawing(self.network, request, small))

    def leave(self, slot: int) -> None:
        for drawings in self.drawings:
            drawings.close(slot)
        del self.ticket_of[slot]
        self.vacant.append(slot)


class Engine:
    """Draws up to `slots` images of a model side by side. Call `admit` for each image
    and `step` until `busy` is 0. An instance is used by one thread at a time.

    The rows of an image come from the top down. A member that was trained on turned
    images completes no upright row before its last one: all rows of its images come
    with the same step.
    """

    def __init__(
        self,
        model: Model,
        slots: int = 16,
        kept: int = 0,
        threads: int | None = None,
    ) -> None:
        """model: its `label`, if any, is the label of all images that are requested
            without one.
        slots: images that can be drawn at the same time, by all members together. Each
            member has arrays for as many.
        kept: how many of the states after given rows each member keeps for later images
            that begin with the same rows. Each takes the memory of a slot.
        threads: maximum number of threads that draw; default: the number that the
            calling thread passed to `threads.use_threads`, else 1. Only compiled code
            uses more than one.
        """
        self._model = model
        self._members = [
            _Member(member, slots, kept, threads) for member in model.members
        ]
        self._slots = slots
        self._next_ticket = 0
        self._priors = [label.prior for label in model.card.labels]
        self._last_shares: tuple[Any, list[float]] = None, self._priors
        self._seats: dict[int, _Seat] = {}  # by ticket
        # By ticket: images whose ln p under other components is needed, too.
        self._weighed: dict[int, _Weighed] = {}
        # The last rows of those that are drawn and not yet scored by all components.
        self._unweighed: deque[DrawnRow] = deque()
        # The component by which the first of them is being scored, and the image's
        # ticket in the engine that does that.
        self._scoring: tuple[_Component, int] | None = None
        self._scorers: dict[int, Engine] = {}  # of one slot and member, by member

    @property
    def free(self) -> int:
        """Number of images that `admit` would accept now."""
        return self._slots - self.busy

    @property
    def busy(self) -> int:
        """Number of images that are being drawn, or scored by the components that did
        not draw them."""
        return len(self._seats)

    @property
    def load(self) -> int:
        """Number of images that the busiest thread draws, summed over the members,
        which draw one after the other, plus one if an image is being scored. The time
        of a step grows with it."""
        drawn = sum(member.load for member in self._members)
        return drawn + bool(self._unweighed)

    def admit(self, request: ImageRequest) -> int:
        """Begin an image, and return its ticket: a number that no other image of this
        engine has. A slot must be free (`free`). Its first rows are drawn by the next
        `step`.

        The member and the label are those of the request, or are chosen by its noise.
        Choosing a label for an image with given pixels takes a pass over them for each
        label.
        """
        assert self.free
        k = request.member
        if k is None:
            k = chosen_member(request.seed, request.sample, len(self._members))
        asked = request
        asked_label = request.label if request.label is not None else self._model.label
        request = self._for_member(k, request)
        if self._priors and request.label is None:
            request = replace(request, label=self._label(k, request))
        components = self._components(asked, asked_label) if request.weighed else {}

        member = self._members[k]
        slot = member.vacant.pop()
        ticket = self._next_ticket
        self._next_ticket += 1
        member.ticket_of[slot] = ticket
        try:
            with torch.inference_mode():
                member.begin(slot, request, small_of(request))
        except BaseException:
            member.leave(slot)
            raise
        self._seats[ticket] = _Seat(k, slot, request)
        if len(components) > 1:
            self._weighed[ticket] = _Weighed(asked, components, (k, request.label))
        return ticket

    def label(self, ticket: int) -> int | None:
        """Return the index of the label of an image that is being drawn, whether it was
        requested or chosen; None if the model has no labels."""
        return self._seats[ticket].request.label

    def withdraw(self, ticket: int) -> None:
        """Stop drawing an image and free its slot; its rows are lost. Raises KeyError
        if no such image is being drawn."""
        seat = self._seats[ticket]
        drawn = [row for row in self._unweighed if row.ticket == ticket]
        if not drawn:
            self._members[seat.member].leave(seat.slot)
        elif drawn[0] is self._unweighed[0] and self._scoring is not None:
            (k, _), scored = self._scoring
            self._scorers[k].withdraw(scored)
            self._scoring = None
        for row in drawn:
            self._unweighed.remove(row)
        self._forget(ticket)

    def step(self) -> list[DrawnRow]:
        """Advance every image, and return the rows that became final. With its last row
        an image leaves, and its slot is free. The list may be empty.

        The last row of an image that was requested with `weighed` carries ln p of the
        whole image, at the request's temperature, summed over all members and labels
        that the request leaves open. It comes later than the
        others: every component that did not draw the image scores it first, one step at
            a time.

        After FloatingPointError, raised if logits are not finite, the engine cannot be
        used any more.
        """
        rows: list[DrawnRow] = []
        with torch.inference_mode():
            for member in self._members:
                if member.ticket_of:
                    rows += self._step_member(member)
        if self._weighed:
            rows = [row for row in rows if not self._is_kept(row)]
            rows += self._weighed_further()
        for row in rows:
            if row.is_last:
                self._forget(row.ticket)
        return rows

    def _step_member(self, member: _Member) -> list[DrawnRow]:
        """Advance one member, and return its final rows, upright."""
        rows = []
        for drawings in member.drawings:
            of_small = drawings is not member.drawings[-1]
            for row in drawings.step():
                ticket = member.ticket_of[row.slot]
                is_last = row.is_last and not of_small
                log_p = None
                if row.is_last:
                    seat = self._seats[ticket]
                    if seat.request.weighed:
                        seat.log_p += drawings.log_p(row.slot)
                        log_p = seat.log_p if is_last else None
                    if of_small:
                        small = drawings.image(row.slot)
                        member.begin(row.slot, seat.request, small)
                    else:
                        member.leave(row.slot)
                rows.append(
                    DrawnRow(ticket, row.y, row.values, of_small, is_last, log_p)
                )
        if member.orientation == "none":
            return rows
        return [upright for row in rows for upright in self._collect(member, row)]

    def _collect(self, member: _Member, row: DrawnRow) -> list[DrawnRow]:
        """Keep a row of a turned image; with its last row, return all its rows,
        upright."""
        C, W = row.values.shape
        seat = self._seats[row.ticket]
        if seat.turned is None:
            seat.turned = np.empty((C, member.network.config.height, W), np.uint8)
        seat.turned[:, row.y] = row.values
        if not row.is_last:
            return []
        upright = turn_back(seat.turned, member.orientation)
        last = upright.shape[1] - 1
        return [
            DrawnRow(
                row.ticket,
                y,
                upright[:, y].copy(),
                is_last=y == last,
                log_p=row.log_p if y == last else None,
            )
            for y in range(last + 1)
        ]

    # The label of an image.

    def _label(self, k: int, request: ImageRequest) -> int:
        """Return the label of an image that member k draws: the model's, or one chosen
        by the noise. The request is in the member's orientation."""
        if self._model.label is not None:
            return self._model.label
        return chosen_label(request.seed, request.sample, self._shares(k, request))

    def _shares(self, k: int, request: ImageRequest) -> list[float]:
        """Return the probability of each label of an image that member k draws."""
        network = self._model.members[k].network
        known = request.known
        given = request.label_from
        if isinstance(network, MultiScaleNetwork):
            network, known, given = _first_stage(network, request)
        if known is None or given is None:
            return self._priors
        known = known * given
        # The last answer is kept, because all images of a completion ask for the same
        # one.
        asked = k, known.tobytes(), given.tobytes(), request.temperature
        if self._last_shares[0] != asked:
            self._last_shares = (
                asked,
                label_shares(
                    network,
                    self._priors,
                    known,
                    given,
                    request.temperature,
                    self._slots,
                ),
            )
        return self._last_shares[1]

    def _for_member(self, k: int, request: ImageRequest) -> ImageRequest:
        """Return the request with its given pixels in the orientation of member k."""
        orientation = self._members[k].orientation
        if orientation == "none":
            return request
        given = {
            "known": request.known,
            "keep": request.keep,
            "label_from": request.label_from,
        }
        return replace(
            request,
            **{
                name: turn(part, orientation)
                for name, part in given.items()
                if part is not None
            },
        )

    # ln p of an image under all components.

    def _components(
        self, asked: ImageRequest, label: int | None
    ) -> dict[_Component, float]:
        """Return the components that may have drawn an image, by member and label, with
        ln of the share of each.

        label: the label that was requested or is the model's; None if the noise chooses
            it.
        """
        members = range(len(self._members)) if asked.member is None else [asked.member]
        if label is not None or not self._priors:
            return {(k, label): 0.0 - log_count(members) for k in members}
        found = {}
        for k in members:
            shares = self._shares(k, self._for_member(k, asked))
            whole = math.fsum(shares)
            for number, share in enumerate(shares):
                if share > 0:
                    log_share = float(log(np.array(share / whole)))
                    found[k, number] = log_share - log_count(members)
        return found

    def _is_kept(self, row: DrawnRow) -> bool:
        """Note a row of a weighed image. Return True for its last row, which is kept
        until the image is scored by all components."""
        weighed = self._weighed.get(row.ticket)
        if weighed is None or row.of_small:
            return False
        weighed.rows.append(row.values)
        if row.is_last:
            assert row.log_p is not None
            weighed.log_ps[weighed.drawn_by] = row.log_p
            self._unweighed.append(row)
        return row.is_last

    def _weighed_further(self) -> list[DrawnRow]:
        """Advance by one step the scoring of the image that has been drawn for the
        longest. Return its last row, with ln p under all components, if that was the
        last step."""
        if not self._unweighed:
            return []
        row = self._unweighed[0]
        weighed = self._weighed[row.ticket]
        if self._scoring is None:
            self._scoring = self._begin_scoring(weighed)
        component, _ = self._scoring
        for scored in self._scorers[component[0]].step():
            if scored.is_last:
                assert scored.log_p is not None
                weighed.log_ps[component] = scored.log_p
                self._scoring = None
        if self._scoring is not None or weighed.next_component() is not None:
            return []
        self._unweighed.popleft()
        return [row._replace(log_p=weighed.log_p())]

    def _begin_scoring(self, weighed: _Weighed) -> tuple[_Component, int]:
        """Begin to score a drawn image by one more component, at the temperature of its
        request. Return the component and the image's ticket in the engine that scores."""
        component = weighed.next_component()
        assert component is not None
        k, label = component
        if k not in self._scorers:
            alone = replace(self._model, members=(self._model.members[k],))
            self._scorers[k] = Engine(alone, 1)
        image = np.stack(weighed.rows, axis=1)  # (C, H, W)
        given = replace(
            weighed.asked,
            known=image.astype(np.int64),
            keep=np.ones(image.shape[1:], np.bool_),
            member=0,
            label=label,
            known_small=None,
        )
        return component, self._scorers[k].admit(given)

    def _forget(self, ticket: int) -> None:
        del self._seats[ticket]
        self._weighed.pop(ticket, None)


def _first_stage(
    network: MultiScaleNetwork, request: ImageRequest
) -> tuple[PixelNetwork, NDArray[np.integer] | None, NDArray[np.bool_] | None]:
    """Return the network that draws the small image, and the pixels by which its label
    is chosen: values (C, s, s), and which of them were given with the request (s, s).
    """
    every = slice(None, None, network.config.factor)
    known = None if request.known is None else request.known[:, every, every]
    given = None if request.label_from is None else request.label_from[every, every]
    return network.small, known if request.small is None else request.small, given
