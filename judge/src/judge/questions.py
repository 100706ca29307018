"""Questions to the model: every call of `nats` is made here.

Images are arrays `(N, D)` of values in the order of generation, so that `[:, :t]` is
the past of the variable at place t. Only this module knows how they lie in memory.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from judge.errors import CannotJudgeError
from judge.places import Places

Nats = Callable[[np.ndarray], np.ndarray]
"""Integers `(N, *shape)` -> -ln p of each variable, of the same shape."""

TABLE_NUMBERS = 1 << 25
"""Numbers that one table of -ln p may hold: 256 MiB in double precision."""


class Questions:
    """The model under test.

    Args:
        nats: the model. If it has a method `table`, which maps integers `(N, *shape)`
            to -ln p of every value, `(N, *shape, V)`, rows can be read from it.
        places: the variables and their order.
        values: values of one variable, V.
        batch: images in one call.
        tolerance: nats by which a probability may exceed 1, for rounding.
    """

    def __init__(
        self, nats: Nats, places: Places, values: int, batch: int, tolerance: float
    ) -> None:
        self._nats = nats
        self._table = getattr(nats, "table", None)
        self._tolerance = tolerance
        self.places = places
        self.values = values
        self.batch = batch
        if self._table is not None:
            # Such a model computes its table for each answer, so this bounds its memory.
            images = TABLE_NUMBERS // (places.count * values)
            self.batch = max(1, min(batch, images))
        self.asked = 0
        self.impossible: dict[int, float] = {}
        """Place -> the first answer there that is no -ln of a probability."""

    @property
    def has_table(self) -> bool:
        """True if the model gives -ln p of every value at once."""
        return self._table is not None

    def ask(self, images: np.ndarray) -> np.ndarray:
        """Return -ln p of each variable of images `(N, D)`, in double precision.

        Raises:
            CannotJudgeError: the model raised, or its answer has a wrong form.
        """
        parts = [
            self._ask_once(images[start : start + self.batch])
            for start in range(0, len(images), self.batch)
        ]
        answers = np.concatenate(parts)
        self._note_impossible(answers)
        return answers

    def ask_every_value(self, image: np.ndarray, place: int) -> np.ndarray:
        """Return -ln p of every value at `place` of one image `(D,)`: V questions."""
        images = np.repeat(image[None], self.values, axis=0)
        images[:, place] = np.arange(self.values)
        return self.ask(images)[:, place]

    def read_rows(self, images: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return from the model's table, for each image `(N, D)`, -ln p of every value
        at its place: `(N, V)`."""
        rows = []
        for start in range(0, len(images), self.batch):
            table = self._read_table(images[start : start + self.batch])
            some = places[start : start + self.batch]
            rows.append(table[np.arange(len(some)), self.places.order[some]])
        return np.concatenate(rows).astype(np.float64)

    def row_given_past(self, image: np.ndarray, place: int) -> np.ndarray:
        """Return -ln p of every value at `place`, given only the values before it.

        The values from `place` on are replaced by zeros, as a decoder would do that
        does not know them yet.
        """
        past = np.zeros_like(image)
        past[:place] = image[:place]
        if self.has_table:
            return self.read_rows(past[None], np.array([place]))[0]
        return self.ask_every_value(past, place)

    def _ask_once(self, images: np.ndarray) -> np.ndarray:
        answer = self._call(self._nats, images)
        in_memory = self.places.to_memory(images)
        _check_form(answer, in_memory.shape, "nats")
        return self.places.to_generated(answer).astype(np.float64)

    def _read_table(self, images: np.ndarray) -> np.ndarray:
        """Return the table of images `(N, D)` as it lies in memory: `(N, D, V)`."""
        answer = self._call(self._table, images)
        expected = (len(images), *self.places.shape, self.values)
        _check_form(answer, expected, "nats.table")
        return answer.reshape(len(images), self.places.count, self.values)

    def _call(self, function: Any, images: np.ndarray) -> Any:
        self.asked += len(images)
        in_memory = self.places.to_memory(images)
        # The model gets a copy of its own, so that it cannot change our images.
        try:
            return function(in_memory.copy())
        # A model that calls sys.exit would end the process with an exit status of its
        # own, which would be taken for a verdict.
        except (Exception, SystemExit) as error:
            raise CannotJudgeError(
                f"the model raised {type(error).__name__}: {error}; it was asked about "
                f"integers 0 to {self.values - 1} of shape {in_memory.shape}"
            ) from error

    def _note_impossible(self, answers: np.ndarray) -> None:
        # Infinity is allowed: it means that a value has probability 0.
        wrong = np.isnan(answers) | (answers < -self._tolerance)
        for image, place in np.argwhere(wrong):
            self.impossible.setdefault(int(place), float(answers[image, place]))


def distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return by how much nats differ, relative to their size if that is above 1.

    Two equal infinities, and two NaN, do not differ.
    """
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        gap = np.abs(one - other)
    size = np.fmin(np.abs(one), np.abs(other))
    size = np.where(np.isfinite(size), size, 1.0)
    gap = np.where(np.isnan(gap), np.inf, gap) / np.maximum(1.0, size)
    return np.where(same, 0.0, gap)


def _check_form(answer: Any, shape: tuple[int, ...], name: str) -> None:
    if not isinstance(answer, np.ndarray):
        raise CannotJudgeError(
            f"{name} returned {type(answer).__name__}, expected a NumPy array"
        )
    if answer.shape != shape:
        raise CannotJudgeError(
            f"{name} returned an array of shape {answer.shape}, expected {shape}"
        )
    if answer.dtype not in (np.float32, np.float64):
        raise CannotJudgeError(
            f"{name} returned an array of {answer.dtype}, expected float32 or float64; "
            "half precision rounds too much to be judged"
        )
