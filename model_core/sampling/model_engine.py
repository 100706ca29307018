"""Draw many images of one model side by side. Each image of a mixture is drawn by one
member network, in the orientation of that member."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_core.elementary import log, log_count, log_sum
from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.networks import MultiScaleNetwork, PixelNetwork
from model_core.orientation import turn, turn_back
from model_core.sampling.engine import DrawnRow, NetworkEngine
from model_core.sampling.label_choice import label_shares
from model_core.sampling.noise import chosen_label, chosen_member

_Component = tuple[int, int | None]
"""A member with a label."""


@dataclass
class _Weighed:
    """An image whose ln p under all components of the model is asked for."""

    asked: ImageRequest
    """The request, upright."""
    log_shares: Mapping[_Component, float]
    """ln of each component's share of the mixture."""
    drawn_by: _Component
    """The component that draws it."""
    rows: list[NDArray[np.uint8]] = field(default_factory=list)
    """Its rows (C, W) so far, from the top down."""
    log_ps: dict[_Component, float] = field(default_factory=dict)
    """ln p of the image under each component by which it has been scored."""

    def next_component(self) -> _Component | None:
        """Return a component by which the image has not been scored; None if there is
        none."""
        left = (one for one in self.log_shares if one not in self.log_ps)
        return next(left, None)

    def log_p(self) -> float:
        """Return ln p of the image under the mixture."""
        terms = [
            share + self.log_ps[component]
            for component, share in self.log_shares.items()
        ]
        return log_sum(np.array(terms))


class Engine:
    """Draws up to `slots` images of a model side by side. Call `admit` for each image
    and `step` until `busy` is 0.

    The model may be a mixture of several networks, its members, each of which has an
    orientation; each image is drawn by one of them. The rows of an image come from the
    top down. A member that was trained on turned images completes no upright row before
    its last one: all rows of its images come with the same step. An instance is used by
    one thread at a time. If a card draws, methods raise torch.AcceleratorError if it
    fails.
    """

    def __init__(
        self,
        model: Model,
        slots: int = 16,
        kept: int = 0,
        threads: int | None = None,
    ) -> None:
        """Make an engine for each member, without an image.

        model: its `label`, if any, is the label of all images that are requested
            without one.
        slots: images that can be drawn at the same time, by all members together. Each
            member's engine has as many.
        kept: how many of the states after given rows each member's engine keeps for
            later images that begin with the same rows. Each takes the memory of a slot.
            A stage in plain torch keeps none.
        threads: maximum number of threads that draw; default: the number that the
            calling thread passed to `threads.use_threads`, else 1. Only compiled code
            uses more than one.

        For weights on a card it may open and check the card first, which takes seconds
        and raises torch.AcceleratorError or RuntimeError if the card fails,
        FloatingPointError if a network gives logits that are not finite.
        """
        self._members = model.members
        self._engines = [
            NetworkEngine(member.network, slots, kept, threads)
            for member in model.members
        ]
        only_upright = [member.orientation for member in model.members] == ["none"]
        # The engine of a model that is one network of upright images: its rows are
        # final, and its tickets are the same as ours.
        self._alone = self._engines[0] if only_upright else None
        self._slots = slots
        self._next_ticket = 0
        self._priors = [label.prior for label in model.card.labels]
        self._given = model.label
        self._labels: dict[int, int | None] = {}  # by our ticket
        self._last_shares: tuple[Any, list[float]] = None, self._priors
        # By our ticket: the member, and the ticket of the member's engine.
        self._places: dict[int, tuple[int, int]] = {}
        # For each member: our ticket, by the ticket of the member's engine.
        self._tickets: list[dict[int, int]] = [{} for _ in self._engines]
        # By our ticket: images whose ln p under other components is needed, too.
        self._weighed: dict[int, _Weighed] = {}
        # The last rows of those that are drawn and not yet scored by all components.
        self._unweighed: deque[DrawnRow] = deque()
        # The component by which the first of them is being scored, the engine that does
        # that, and the image's ticket there.
        self._scoring: tuple[_Component, NetworkEngine, int] | None = None
        self._scorers: dict[int, NetworkEngine] = {}  # of one slot, by member
        # By our ticket: images (C, H, W) of turned members so far, still turned.
        self._turned: dict[int, NDArray[np.uint8]] = {}

    @property
    def free(self) -> int:
        """Number of images that `admit` would accept now."""
        return self._slots - self.busy

    @property
    def busy(self) -> int:
        """Number of images that are being drawn, or scored by the components that did
        not draw them."""
        return len(self._places)

    @property
    def load(self) -> int:
        """Number of images that the busiest thread draws, added up over the members,
        which draw one after the other, and one that is scored. The time of a step grows
        with it."""
        drawn = sum(engine.load for engine in self._engines)
        return drawn + bool(self._unweighed)

    def admit(self, request: ImageRequest) -> int:
        """Begin an image, and return its ticket: a number that no other image of this
        engine has.

        The member and the label are those of the request, or are chosen by its noise.
        Choosing a label for an image with given pixels takes a pass over them for each
        label. The first rows are drawn by the next `step`.

        Raises AssertionError if no slot is free, IndexError for a member that the model
        does not have, RuntimeError for such a label, FloatingPointError if a pass over
        given pixels gives logits that are not finite.
        """
        assert self.free
        k = request.member
        if k is None:
            k = chosen_member(request.seed, request.sample, len(self._members))
        asked_label = request.label if request.label is not None else self._given
        asked = request
        request = self._for_member(k, request)
        if self._priors and request.label is None:
            request = replace(request, label=self._label(k, request))
        inner = self._engines[k].admit(request)
        ticket, self._next_ticket = self._next_ticket, self._next_ticket + 1
        self._places[ticket] = k, inner
        self._tickets[k][inner] = ticket
        self._labels[ticket] = request.label
        if request.weighed:
            components = self._components(asked, asked_label)
            if len(components) > 1:
                self._weighed[ticket] = _Weighed(asked, components, (k, request.label))
        return ticket

    def label(self, ticket: int) -> int | None:
        """Return the index of the label of an image that is being drawn, whether it was
        requested or chosen; None if the model has no labels. Raises KeyError if no such
        image is being drawn."""
        return self._labels[ticket]

    def _label(self, k: int, request: ImageRequest) -> int:
        """Return the label of an image that member k draws: the model's, or one chosen
        by the noise. The request is in the member's orientation."""
        if self._given is not None:
            return self._given
        return chosen_label(request.seed, request.sample, self._shares(k, request))

    def _shares(self, k: int, request: ImageRequest) -> list[float]:
        """Return the probability of each label of an image that member k draws.

        The last answer is kept, because all images of a completion ask for the same
        one.
        """
        network, known, given = (
            self._members[k].network,
            request.known,
            request.label_from,
        )
        if isinstance(network, MultiScaleNetwork):
            network, known, given = _first_stage(network, request)
        if known is None or given is None:
            return self._priors
        known = known * given
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

    def withdraw(self, ticket: int) -> None:
        """Stop drawing an image and free its slot; its rows are lost. Raises KeyError
        if no such image is being drawn."""
        k, inner = self._places[ticket]
        drawn = [row for row in self._unweighed if row.ticket == ticket]
        if not drawn:
            self._engines[k].withdraw(inner)
        elif drawn[0] is self._unweighed[0] and self._scoring is not None:
            _, scorer, scored = self._scoring
            scorer.withdraw(scored)
            self._scoring = None
        for row in drawn:
            self._unweighed.remove(row)
        self._left(ticket)

    def step(self) -> list[DrawnRow]:
        """Advance every image, and return the rows that became final. With its last row
        an image leaves, and its slot is free.

        The rows of each image come from the top down; an image of a turned member comes
        whole. The list may be empty. The last row of an image that was requested with
        `weighed` says its ln p: at the temperature of the request, under the mixture of
        all members and labels that the request and the model leave open. That takes a
        pass over the image for each of these that did not draw it. A step is one step
        of one such pass, too, and the last row comes after all of them.

        Raises FloatingPointError if a network gives logits that are not finite; the
        engine cannot be used after that.
        """
        rows = [
            row
            for k, engine in enumerate(self._engines)
            if engine.busy
            for row in self._drawn(k, engine)
        ]
        if self._weighed:
            rows = [row for row in rows if not self._is_kept(row)]
            rows += self._weighed_further()
        for row in rows:
            if row.is_last:
                self._left(row.ticket)
        return rows

    def _drawn(self, k: int, engine: NetworkEngine) -> list[DrawnRow]:
        """Advance one member, and return its final rows upright, with the tickets of
        this engine."""
        if engine is self._alone:
            return engine.step()
        rows = [
            row._replace(ticket=self._tickets[k][row.ticket]) for row in engine.step()
        ]
        if self._members[k].orientation == "none":
            return rows
        return [upright for row in rows for upright in self._collect(k, row)]

    def _collect(self, k: int, row: DrawnRow) -> list[DrawnRow]:
        """Keep a row of a turned image; with its last row, return all its rows,
        upright."""
        C, W = row.values.shape
        image = self._turned.setdefault(
            row.ticket, np.empty((C, self._engines[k].height, W), np.uint8)
        )
        image[:, row.y] = row.values
        if not row.is_last:
            return []
        log_p = row.log_p
        upright = turn_back(image, self._members[k].orientation)
        H = upright.shape[1]
        return [
            DrawnRow(
                row.ticket,
                y,
                upright[:, y].copy(),
                is_last=y == H - 1,
                log_p=log_p if y == H - 1 else None,
            )
            for y in range(H)
        ]

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
        component, scorer, _ = self._scoring
        for scored in scorer.step():
            if scored.is_last:
                assert scored.log_p is not None
                weighed.log_ps[component] = scored.log_p
                self._scoring = None
        if self._scoring is not None or weighed.next_component() is not None:
            return []
        self._unweighed.popleft()
        return [row._replace(log_p=weighed.log_p())]

    def _begin_scoring(
        self, weighed: _Weighed
    ) -> tuple[_Component, NetworkEngine, int]:
        """Begin to score a drawn image by one more component, at the temperature of its
        request. Return the component, the engine that scores, and its ticket there."""
        component = weighed.next_component()
        assert component is not None
        k, label = component
        if k not in self._scorers:
            self._scorers[k] = NetworkEngine(self._members[k].network, 1)
        scorer = self._scorers[k]
        image = np.stack(weighed.rows, axis=1)  # (C, H, W)
        given = replace(
            weighed.asked,
            known=image.astype(np.int64),
            keep=np.ones(image.shape[1:], np.bool_),
            label=label,
            known_small=None,
        )
        return component, scorer, scorer.admit(self._for_member(k, given))

    def _left(self, ticket: int) -> None:
        """Forget an image that is complete or withdrawn."""
        k, inner = self._places.pop(ticket)
        del self._tickets[k][inner]
        self._turned.pop(ticket, None)
        self._weighed.pop(ticket, None)
        del self._labels[ticket]

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
