"""Many images at once from one model, a mixture too: each is drawn by one member, in that member's orientation."""

import math
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


@dataclass
class _Weighed:
    """An image of which ln p under all components of the model is asked for."""

    asked: ImageRequest
    components: Mapping[tuple[int, int | None], float]
    """By member and label, ln of its share."""
    drawn_by: tuple[int, int | None]
    rows: list[NDArray[np.uint8]] = field(default_factory=list)
    """Its rows (C, W) so far, from the top down."""


class Engine:
    """Draws up to `slots` images side by side. The rows of an image come from the top down.

    A member that was trained on turned images completes no upright row before the last: its images come whole.
    kept, threads: see NetworkEngine.
    """

    def __init__(
        self,
        model: Model,
        slots: int = 16,
        kept: int = 0,
        threads: int | None = None,
    ) -> None:
        self._members = model.members
        self._engines = [
            NetworkEngine(member.network, slots, kept, threads)
            for member in model.members
        ]
        only_upright = [member.orientation for member in model.members] == ["none"]
        self._alone = self._engines[0] if only_upright else None
        """The engine of a model that is one network of upright images: its tickets are ours, and its rows final."""
        self._slots = slots
        self._next_ticket = 0
        self._priors, self._given = (
            [label.prior for label in model.card.labels],
            model.label,
        )
        self._labels: dict[int, int | None] = {}  # of our tickets
        self._last_shares: tuple[Any, list[float]] = None, self._priors
        self._places: dict[
            int, tuple[int, int]
        ] = {}  # member, and its engine's ticket, by our ticket
        self._tickets: list[dict[int, int]] = [
            {} for _ in self._engines
        ]  # ours, by that of a member's engine
        self._weighed: dict[
            int, _Weighed
        ] = {}  # images that other components weigh too, by our ticket
        self._scorers: dict[int, NetworkEngine] = {}  # of one slot, by member
        self._turned: dict[
            int, NDArray[np.uint8]
        ] = {}  # images (C, H, W) of turned members so far

    @property
    def free(self) -> int:
        """How many more images could join now."""
        return self._slots - self.busy

    @property
    def busy(self) -> int:
        """How many images are being drawn."""
        return len(self._places)

    @property
    def load(self) -> int:
        """How many images the busiest thread draws: a step takes as long as for so
        many. The members draw one after the other."""
        return sum(engine.load for engine in self._engines)

    def admit(self, request: ImageRequest) -> int:
        """Seat an image and return its ticket; there must be a free slot."""
        assert self.free
        k = request.member
        if k is None:
            k = chosen_member(request.seed, request.sample, len(self._members))
        asked_label = request.label if request.label is not None else self._given
        asked, request = request, self._for_member(k, request)
        if self._priors and request.label is None:
            request = replace(request, label=self._label(k, request))
        inner = self._engines[k].admit(request)
        ticket, self._next_ticket = self._next_ticket, self._next_ticket + 1
        self._places[ticket], self._tickets[k][inner] = (k, inner), ticket
        self._labels[ticket] = request.label
        if request.weighed:
            components = self._components(asked, asked_label)
            if len(components) > 1:
                self._weighed[ticket] = _Weighed(asked, components, (k, request.label))
        return ticket

    def label(self, ticket: int) -> int | None:
        """The label of an image that is being drawn, chosen or asked for; None where the model has none."""
        return self._labels[ticket]

    def _label(self, k: int, request: ImageRequest) -> int:
        """The label of an image that member k draws, in its orientation."""
        if self._given is not None:
            return self._given
        return chosen_label(request.seed, request.sample, self._shares(k, request))

    def _shares(self, k: int, request: ImageRequest) -> list[float]:
        """How likely each label is; kept, because the images of a completion all ask the same."""
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
                label_shares(network, self._priors, known, given, request.temperature),
            )
        return self._last_shares[1]

    def withdraw(self, ticket: int) -> None:
        """Free the slot of an image that nobody wants any more."""
        k, inner = self._places[ticket]
        self._engines[k].withdraw(inner)
        self._left(ticket)

    def step(self) -> list[DrawnRow]:
        """Advance every image; returns the rows that became final. With its last row an image leaves.

        Raises FloatingPointError when a network gives logits that are not finite.
        """
        if self._alone is not None:
            rows = self._by_all(self._alone.step())
        else:
            rows = [
                row
                for k, engine in enumerate(self._engines)
                if engine.busy
                for row in self._by_all(self._drawn(k, engine))
            ]
        for row in rows:
            if row.is_last:
                self._left(row.ticket)
        return rows

    def _drawn(self, k: int, engine: NetworkEngine) -> list[DrawnRow]:
        """A step of one member: its final rows, with our tickets and the right way up."""
        rows = [
            row._replace(ticket=self._tickets[k][row.ticket]) for row in engine.step()
        ]
        if self._members[k].orientation == "none":
            return rows
        return [upright for row in rows for upright in self._collect(k, row)]

    def _collect(self, k: int, row: DrawnRow) -> list[DrawnRow]:
        """All rows of a turned image, turned back, once its last one is here; none before."""
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
    ) -> dict[tuple[int, int | None], float]:
        """The components of which an image may be a draw, by member and label, each with
        ln of its share. label: the one that was asked for."""
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

    def _by_all(self, rows: list[DrawnRow]) -> list[DrawnRow]:
        """The rows, of which the last of an image says ln p under all components."""
        return [
            row._replace(log_p=self._mixed(row)) if row.ticket in self._weighed else row
            for row in rows
        ]

    def _mixed(self, row: DrawnRow) -> float | None:
        """Keep a row of an image; with its last one, return ln p of the mixture."""
        weighed = self._weighed[row.ticket]
        if row.of_small:
            return None
        weighed.rows.append(row.values)
        if not row.is_last:
            return None
        assert row.log_p is not None
        del self._weighed[row.ticket]
        image = np.stack(weighed.rows, axis=1)  # (C, H, W)
        log_ps = []
        for (k, label), log_share in weighed.components.items():
            log_p = row.log_p
            if (k, label) != weighed.drawn_by:
                log_p = self._log_p_by(k, label, image, weighed.asked)
            log_ps.append(log_share + log_p)
        return log_sum(np.array(log_ps))

    def _log_p_by(
        self,
        k: int,
        label: int | None,
        image: NDArray[np.uint8],
        asked: ImageRequest,
    ) -> float:
        """ln p of an upright image (C, H, W) under one member and label, at the
        temperature at which it was drawn."""
        if k not in self._scorers:
            self._scorers[k] = NetworkEngine(self._members[k].network, 1)
        scorer = self._scorers[k]
        every = np.ones(image.shape[1:], np.bool_)
        given = replace(
            asked,
            known=image.astype(np.int64),
            keep=every,
            label=label,
            known_small=None,
        )
        scorer.admit(self._for_member(k, given))
        while True:
            for row in scorer.step():
                if row.is_last:
                    assert row.log_p is not None
                    return row.log_p

    def _left(self, ticket: int) -> None:
        k, inner = self._places.pop(ticket)
        del self._tickets[k][inner]
        self._turned.pop(ticket, None)
        self._weighed.pop(ticket, None)
        del self._labels[ticket]

    def _for_member(self, k: int, request: ImageRequest) -> ImageRequest:
        """The request in the member's orientation."""
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
    """The network that draws the small image, and what its label is chosen by: known (C, s, s), and where it was given
    when the image was asked for (s, s)."""
    every = slice(None, None, network.config.factor)
    known = None if request.known is None else request.known[:, every, every]
    given = None if request.label_from is None else request.label_from[every, every]
    return network.small, known if request.small is None else request.small, given
