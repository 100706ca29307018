"""Stand-ins for parts that are slow or need a network; each keeps the interface of the real one."""

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_core.image_request import ImageRequest
from worker.contract.cards import ModelCard
from worker.contract.events import RowDrawn, row_entry
from worker.contract.jobs import JobSpec
from worker.orders.claims import Outcome
from worker.orders.images import NewRow
from worker.orders.usage import Usage

HEIGHT, WIDTH, CHANNELS, VALUES = 4, 3, 1, 256


def fake_card(name: str = "fake") -> ModelCard:
    """The card of what FakeEngine draws."""
    return ModelCard(
        name=name,
        network="fake",
        height=HEIGHT,
        width=WIDTH,
        channels=CHANNELS,
        values=VALUES,
        parameters=0,
        data="none",
        digest="0" * 64,
    )


def job_spec(card: ModelCard, **changes: Any) -> JobSpec:
    """A job of one image by this model, with these changes."""
    shape = "height", "width", "channels", "small_height", "small_width"
    fields = {name: getattr(card, name) for name in shape}
    fields |= {"id": "j", "kind": "sample", "model": card.name, "digest": card.digest}
    fields |= {"seed": 1, "n": 1, "temperature": 1}
    return JobSpec.model_validate(fields | changes)


def fake_value(seed: int, sample: int, y: int, x: int) -> int:
    """What FakeEngine draws there: a pure function of the place, as the product promises."""
    return (seed * 7 + sample * 31 + y * 11 + x) % VALUES


def fake_row(seed: int, sample: int, y: int) -> bytes:
    """The pixel bytes of one drawn row."""
    return bytes(fake_value(seed, sample, y, x) for x in range(WIDTH))


@dataclass(frozen=True)
class FakeRow:
    ticket: int
    y: int
    values: NDArray[np.uint8]  # (C, W)
    is_last: bool
    of_small: bool = False
    log_p: float | None = None


@dataclass
class _Image:
    request: ImageRequest
    y: int = 0
    x: int = 0
    values: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((CHANNELS, HEIGHT, WIDTH), np.int64)
    )


class FakeEngine:
    """model_core.sampling.engine.Engine without a network: one pixel an image and step, given rows at once."""

    def __init__(self, slots: int = 4, fail_at_step: int | None = None) -> None:
        self._slots = slots
        self._images: dict[int, _Image] = {}
        self._tickets = 0
        self._fail_at_step = fail_at_step
        self.steps = 0
        self.most_busy = 0

    @property
    def free(self) -> int:
        return self._slots - len(self._images)

    @property
    def busy(self) -> int:
        return len(self._images)

    @property
    def load(self) -> int:
        return self.busy

    def admit(self, request: ImageRequest) -> int:
        assert self.free > 0
        if request.seed == 666:
            raise ValueError("this seed is not accepted")
        self._tickets += 1
        self._images[self._tickets] = _Image(request)
        return self._tickets

    def withdraw(self, ticket: int) -> None:
        del self._images[ticket]

    def step(self) -> list[FakeRow]:
        self.steps += 1
        self.most_busy = max(self.most_busy, self.busy)
        if self.steps == self._fail_at_step:
            raise FloatingPointError("logits are not finite")
        return [row for ticket in list(self._images) for row in self._advance(ticket)]

    def _advance(self, ticket: int) -> list[FakeRow]:
        image, rows = self._images[ticket], []
        while image.y < HEIGHT:
            given = image.request.keep is not None and bool(
                image.request.keep[image.y].all()
            )
            if given:
                assert image.request.known is not None
                image.values[:, image.y] = image.request.known[:, image.y]
            else:
                self._draw(image)
            if not given and image.x < WIDTH:
                break
            rows.append(
                FakeRow(
                    ticket,
                    image.y,
                    image.values[:, image.y].astype(np.uint8),
                    is_last=image.y == HEIGHT - 1,
                )
            )
            image.y, image.x = image.y + 1, 0
            if not given:
                break
        if image.y == HEIGHT:
            del self._images[ticket]
        return rows

    @staticmethod
    def _draw(image: _Image) -> None:
        request = image.request
        if (
            request.keep is not None
            and request.keep[image.y, image.x]
            and request.known is not None
        ):
            image.values[:, image.y, image.x] = request.known[:, image.y, image.x]
        else:
            image.values[:, image.y, image.x] = fake_value(
                request.seed, request.sample, image.y, image.x
            )
        image.x += 1


class Outlet:
    """worker.engine.runner.Outlet that keeps what the runner hands on."""

    def __init__(self) -> None:
        self.rows: dict[str, list[RowDrawn]] = {}
        self.ends: dict[str, list[Outcome]] = {}
        self.out_of_memory: list[str] = []
        self.gpu_failures: list[str] = []
        self.order: list[str] = []
        self.shares: dict[str, list[float]] = {}
        self.estimates: dict[str, list[str]] = {}
        self.usage: dict[str, Usage] = {}
        self.stepped_s = 0.0
        self.cards: list[ModelCard] = []
        self.changed = threading.Condition()

    def publish(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
        with self.changed:
            for token, entries in rows.items():
                self.rows.setdefault(token, []).extend(
                    RowDrawn.model_validate_json(row_entry(*entry)) for entry in entries
                )
            self.changed.notify_all()

    def progress(self, token: str, share: float, estimate: str = "") -> None:
        with self.changed:
            self.shares.setdefault(token, []).append(share)
            self.estimates.setdefault(token, []).extend([estimate] if estimate else [])

    def end(self, token: str, outcome: Outcome) -> None:
        with self.changed:
            self.ends.setdefault(token, []).append(outcome)
            self.order.append(token)
            self.changed.notify_all()

    def exhausted(self, token: str) -> None:
        with self.changed:
            self.out_of_memory.append(token)
            self.changed.notify_all()

    def card_failed(self, reason: str) -> None:
        with self.changed:
            self.gpu_failures.append(reason)
            self.changed.notify_all()

    def send(self) -> None:
        """It hears everything at once."""

    def report_usage(self, usage: Mapping[str, Usage], stepped_s: float) -> None:
        with self.changed:
            self.usage = copy.deepcopy(dict(usage))
            self.stepped_s = stepped_s
            self.changed.notify_all()

    def report_model(self, word: str, *arguments: object) -> None:
        with self.changed:
            self.cards += [
                card
                for card in arguments
                if isinstance(card, ModelCard) and word == "brought"
            ]
            self.changed.notify_all()

    def wait(self, condition: Callable[[], bool], timeout_s: float = 10) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout=timeout_s)

    def pixels(self, token: str, sample: int) -> bytes:
        rows = [row for row in self.rows[token] if row.sample == sample]
        assert [row.y for row in rows] == list(range(HEIGHT - len(rows), HEIGHT))
        return b"".join(row.pixel_bytes() for row in rows)
