"""Models whose verdict is known: sound ones, and ones with one fault each.

    python -m judge.zoo --seed 1f3a9c20

builds all of them anew from a seed, judges them, and prints the faults that were found
or missed and the false alarms. The networks are tiny, have random weights, and are
written in NumPy. Many faults were seen in public code or in competitions.

Arrays in here: x is `(N, T)`, values in the order of generation; h is `(N, T, F)`,
features; grids are `(N, C, H, W, F)`.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from judge.judging import judge
from judge.places import Places, pixel_order
from judge.questions import Nats
from judge.verdict import Verdict

FEATURES = 8

Logits = Callable[[np.ndarray], np.ndarray]
"""x `(N, T)` -> logits `(N, T, V)`."""


@dataclass(frozen=True)
class Size:
    """Shape of the images `(C, H, W)`, and values of a variable."""

    shape: tuple[int, int, int]
    values: int


SIZES = {
    "grey": Size((1, 5, 4), 5),
    "colour": Size((3, 3, 4), 4),
    "binary": Size((1, 6, 7), 2),
}


@dataclass(frozen=True)
class Specimen:
    """One model of the zoo.

    Attributes:
        name: what it is, or what its fault is.
        nats: the model.
        fault: name of the check that must find its fault; None if it is sound.
        order: order of generation.
        data: images that are judged with it.
        claim: bits per variable that it claims.
    """

    name: str
    nats: Nats
    fault: str | None
    order: np.ndarray
    data: np.ndarray
    claim: float | None = None

    def judged(self, size: Size, seed: int) -> Verdict:
        """Return the verdict about this model."""
        return judge(
            self.nats,
            size.shape,
            size.values,
            self.data,
            self.claim,
            self.order,
            seed=seed,
        )

    def is_judged_right(self, verdict: Verdict) -> bool:
        """True if the verdict is what it must be, and for the right reason."""
        if self.fault is None:
            return verdict.sound
        return bool(verdict.found_by(self.fault))


def log_softmax(logits: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the logarithms of probabilities that sum to 1 along an axis."""
    shifted = logits - logits.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def pick(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return from a table `(N, T, V)` the entries of the values x."""
    return np.take_along_axis(table, x[..., None], axis=2)[..., 0]


def shift(h: np.ndarray, by: int = 1) -> np.ndarray:
    """Move features to later places; the first ones become zeros."""
    moved = np.zeros_like(h)
    moved[:, by:] = h[:, : h.shape[1] - by]
    return moved


class Parts:
    """Layers with random weights, from which the models are put together.

    Weights are drawn when a layer is made, so each `Parts` of one seed makes the same
    models in the same order.
    """

    def __init__(self, size: Size, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.shape = size.shape
        self.values = size.values
        self.order = pixel_order(size.shape)
        self.places = Places(size.shape, self.order)
        self.length = self.places.count
        self.data = self.rng.integers(size.values, size=(24, *size.shape))

    def weights(self, *shape: int, gain: float = 1.0) -> np.ndarray:
        """Return normal weights; the second to last axis is the one summed over."""
        inputs = shape[-2] if len(shape) > 1 else 1
        return self.rng.normal(size=shape) * gain / math.sqrt(inputs)

    # From values to features

    def embedding(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return a layer x -> h: a vector of each value, and one of each place."""
        of_value = self.weights(self.values, FEATURES, gain=2.0)
        of_place = self.rng.normal(size=(self.length, FEATURES)) * 0.5
        return lambda x: of_value[x] + of_place

    def grid(self, h: np.ndarray) -> np.ndarray:
        """Return h as a grid `(N, C, H, W, F)`."""
        colours, height, width = self.shape
        return h.reshape(len(h), height, width, colours, -1).transpose(0, 3, 1, 2, 4)

    def ungrid(self, grid: np.ndarray) -> np.ndarray:
        """Return a grid as h."""
        moved = grid.transpose(0, 2, 3, 1, 4)
        return moved.reshape(len(grid), self.length, -1)

    # Layers on sequences, h -> h: place t sees places up to t

    def recurrence(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return a tanh recurrence."""
        read = self.weights(FEATURES, FEATURES)
        keep = self.weights(FEATURES, FEATURES, gain=0.9)

        def layer(h: np.ndarray) -> np.ndarray:
            state = np.zeros((len(h), FEATURES))
            states = np.empty_like(h)
            for place in range(h.shape[1]):
                state = np.tanh(h[:, place] @ read + state @ keep)
                states[:, place] = state
            return states

        return layer

    def convolution(self, ahead: int = 0) -> Callable[[np.ndarray], np.ndarray]:
        """Return a convolution of three places, the last of them `ahead` of its own."""
        taps = self.weights(3, FEATURES, FEATURES)

        def layer(h: np.ndarray) -> np.ndarray:
            later = np.zeros_like(h)
            later[:, : h.shape[1] - ahead] = h[:, ahead:]
            return np.tanh(sum(shift(later, k) @ tap for k, tap in enumerate(taps)))

        return layer

    def attention(self, ahead: int = 0) -> Callable[[np.ndarray], np.ndarray]:
        """Return attention to the places up to `ahead` after one's own."""
        to_query, to_key, to_value = self.weights(3, FEATURES, FEATURES, gain=1.5)
        hidden = np.triu(np.ones((self.length, self.length), bool), 1 + ahead)

        def layer(h: np.ndarray) -> np.ndarray:
            scores = (h @ to_query) @ (h @ to_key).transpose(0, 2, 1)
            scores = np.where(hidden, -np.inf, scores / math.sqrt(FEATURES))
            return np.exp(log_softmax(scores)) @ (h @ to_value)

        return layer

    def head(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return a layer h -> logits."""
        matrix = self.weights(FEATURES, self.values, gain=1.5)
        return lambda h: h @ matrix

    # Layers on grids

    def grid_convolution(
        self, sees: Callable[[int, int, int, int], bool]
    ) -> Callable[[np.ndarray], np.ndarray]:
        """Return a 3 x 3 convolution with a mask.

        Args:
            sees: row and column of a tap relative to the pixel, its colour, and the
                colour that is computed -> True if the tap is not masked.
        """
        colours, height, width = self.shape
        weights = self.weights(3, 3, colours, colours, FEATURES, FEATURES)

        def layer(grid: np.ndarray) -> np.ndarray:
            padded = np.pad(grid, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
            total = np.zeros_like(grid)
            for row, column, read, made in np.ndindex(3, 3, colours, colours):
                if sees(row - 1, column - 1, read, made):
                    tap = padded[:, read, row : row + height, column : column + width]
                    total[:, made] += tap @ weights[row, column, read, made]
            return np.tanh(total)

        return layer

    def diagonal(self, shifted: bool) -> Callable[[np.ndarray], np.ndarray]:
        """Return two recurrences over a grid, from the left and from the right.

        Args:
            shifted: True if the states from the right are moved down by one row,
                without which they have seen the pixels to the right.
        """
        read = self.weights(FEATURES, FEATURES)
        beside = self.weights(FEATURES, FEATURES, gain=0.6)
        above = self.weights(FEATURES, FEATURES, gain=0.6)

        def from_left(grid: np.ndarray) -> np.ndarray:
            _, height, width = self.shape
            states = np.zeros_like(grid)
            nothing = np.zeros_like(grid[:, :, 0, 0])
            for row, column in np.ndindex(height, width):
                left = states[:, :, row, column - 1] if column else nothing
                top = states[:, :, row - 1, column] if row else nothing
                states[:, :, row, column] = np.tanh(
                    grid[:, :, row, column] @ read + left @ beside + top @ above
                )
            return states

        def layer(grid: np.ndarray) -> np.ndarray:
            right = from_left(grid[:, :, :, ::-1])[:, :, :, ::-1]
            if shifted:
                right = np.concatenate(
                    [np.zeros_like(right[:, :, :1]), right[:, :, :-1]], axis=2
                )
            return from_left(grid) + right

        return layer

    # From logits to models

    def nats(self, logits: Logits) -> Nats:
        """Return the model that has these logits."""
        return self.nats_of_x(lambda x: -pick(log_softmax(logits(x)), x))

    def nats_of_x(self, nats: Callable[[np.ndarray], np.ndarray]) -> Nats:
        """Return a model, of a function from x to nats of the same shape."""

        def model(images: np.ndarray) -> np.ndarray:
            answer = nats(self.places.to_generated(images))
            return self.places.to_memory(answer)

        return model

    def recurrent_logits(self) -> Logits:
        """Return the logits of a sound recurrent network."""
        embedding = self.embedding()
        recurrence = self.recurrence()
        head = self.head()
        return lambda x: head(recurrence(shift(embedding(x))))

    def convolutional_logits(self) -> Logits:
        """Return the logits of a sound convolution."""
        embedding = self.embedding()
        convolution = self.convolution()
        head = self.head()
        return lambda x: head(convolution(shift(embedding(x))))

    def pixelcnn_logits(
        self,
        first: Callable[[int, int, int, int], bool],
        later: Callable[[int, int, int, int], bool],
        norm: Callable[[np.ndarray], np.ndarray] = lambda grid: grid,
    ) -> Logits:
        """Return the logits of two masked convolutions."""
        embedding = self.embedding()
        one = self.grid_convolution(first)
        two = self.grid_convolution(later)
        head = self.head()
        return lambda x: head(self.ungrid(two(norm(one(self.grid(embedding(x)))))))

    def conditioned_logits(self, condition: Logits, gain: float = 1.0) -> Logits:
        """Return recurrent logits whose states are moved by features of the image.

        Args:
            condition: x -> features `(N, 1, k)` or `(N, T, k)` that are added.
            gain: size of their weights.
        """
        embedding = self.embedding()
        recurrence = self.recurrence()
        head = self.head()
        size = condition(self.places.to_generated(self.data)).shape[-1]
        matrix = self.weights(size, FEATURES, gain=gain)

        def logits(x: np.ndarray) -> np.ndarray:
            return head(recurrence(shift(embedding(x))) + condition(x) @ matrix)

        return logits

    def made_logits(self, diagonal: int = 1) -> Logits:
        """Return the logits of a masked linear map, MADE without a hidden layer.

        Args:
            diagonal: 1 hides a place from itself, 0 shows it.
        """
        embedding = self.embedding()
        matrix = self.rng.normal(
            size=(self.length, FEATURES, self.length, self.values)
        ) / math.sqrt(FEATURES)
        mask = np.triu(np.ones((self.length, self.length)), diagonal)
        matrix *= mask[:, None, :, None]
        flat = matrix.reshape(self.length * FEATURES, self.length * self.values)

        def logits(x: np.ndarray) -> np.ndarray:
            h = embedding(x).reshape(len(x), -1)
            return (h @ flat).reshape(len(x), self.length, self.values)

        return logits


def mask_a(row: int, column: int, read: int, made: int) -> bool:
    """Mask of a first layer: pixels before, and colours before of the same pixel."""
    return row < 0 or (row == 0 and column < 0) or (row == column == 0 and read < made)


def mask_b(row: int, column: int, read: int, made: int) -> bool:
    """Mask of later layers: also the colour itself."""
    return mask_a(row, column, read, made) or (row == column == 0 and read == made)


# Sound models


def sound_models(parts: Parts) -> Iterator[tuple[str, Nats]]:
    """Yield models that are probability distributions."""
    values = parts.values
    length = parts.length

    yield "uniform", lambda x: np.full(x.shape, math.log(values))

    chances = log_softmax(parts.rng.normal(size=(length, values)))
    yield (
        "independent variables",
        parts.nats(lambda x: np.broadcast_to(chances, (len(x), length, values))),
    )

    yield "MADE", parts.nats(parts.made_logits())
    yield "recurrent network", parts.nats(parts.recurrent_logits())
    yield "causal convolution", parts.nats(parts.convolutional_logits())

    embedding = parts.embedding()
    attention = parts.attention()
    head = parts.head()
    yield "attention", parts.nats(lambda x: head(attention(shift(embedding(x)))))

    yield "PixelCNN, masks A and B", parts.nats(parts.pixelcnn_logits(mask_a, mask_b))
    yield "gated PixelCNN, two stacks", parts.nats(_gated_logits(parts, shifted=True))
    yield (
        "diagonal, right half moved down",
        parts.nats(_diagonal_logits(parts, shifted=True)),
    )

    yield "norm over the past", parts.nats(_normed_logits(parts, over_past=True))
    yield "long filter by FFT, padded", parts.nats(_filter_logits(parts, padded=True))
    yield (
        "running mean of the past",
        parts.nats(parts.conditioned_logits(lambda x: shift(_running_mean(x)))),
    )

    one = parts.nats(parts.recurrent_logits())
    other = parts.nats(parts.made_logits())
    yield (
        "mixture in each variable",
        lambda x: -np.log(0.5 * np.exp(-one(x)) + 0.5 * np.exp(-other(x))),
    )
    yield "mixture over labels", parts.nats_of_x(_label_mixture(parts))
    yield "product of two, normalised", parts.nats(_product_logits(parts))
    yield "counts of pairs, normalised", parts.nats_of_x(_pair_counts(parts))
    yield "discretised logistic", parts.nats_of_x(_logistic(parts))

    capped = parts.recurrent_logits()
    yield "capped logits", parts.nats(lambda x: 3 * np.tanh(capped(x) / 3))
    rare = parts.recurrent_logits()
    yield (
        "values of probability 0",
        parts.nats(
            lambda x: np.where(np.arange(values) == values - 1, -np.inf, rare(x))
        ),
    )
    single = parts.nats(parts.recurrent_logits())
    yield "single precision", lambda x: single(x).astype(np.float32)


# Faults


def faults(parts: Parts) -> Iterator[tuple[str, Nats, str]]:
    """Yield models with one fault each, and the check that must find it."""
    yield from _sees_itself(parts)
    yield from _sees_the_future(parts)
    yield from _sums_are_wrong(parts)
    yield from _answers_vary(parts)
    yield from _no_probabilities(parts)


def _sees_itself(parts: Parts) -> Iterator[tuple[str, Nats, str]]:
    """Yield models whose probability of a value is computed from that value.

    They pass every test of the future; only their sums are wrong.
    """
    embedding = parts.embedding()
    recurrence = parts.recurrence()
    head = parts.head()
    yield "no shift", parts.nats(lambda x: head(recurrence(embedding(x)))), "sums"

    convolution = parts.convolution(ahead=1)
    yield (
        "convolution padded by one too few",
        parts.nats(lambda x: head(convolution(shift(embedding(x))))),
        "sums",
    )

    attention = parts.attention(ahead=1)
    yield (
        "attention mask off by one",
        parts.nats(lambda x: head(attention(shift(embedding(x))))),
        "sums",
    )

    yield (
        "skip connection from the values",
        parts.nats(
            lambda x: head(recurrence(shift(embedding(x))) + 0.3 * embedding(x))
        ),
        "sums",
    )
    yield "MADE with its diagonal", parts.nats(parts.made_logits(0)), "sums"
    yield (
        "first convolution of type B",
        parts.nats(parts.pixelcnn_logits(mask_b, mask_b)),
        "sums",
    )

    def centre_only(row: int, column: int, read: int, made: int) -> bool:
        return mask_a(row, column, read, made) or row == column == read == made == 0

    yield (
        "the first colour sees itself",
        parts.nats(parts.pixelcnn_logits(centre_only, mask_b)),
        "sums",
    )


def _sees_the_future(parts: Parts) -> Iterator[tuple[str, Nats, str]]:
    """Yield models whose probabilities depend on values that come later."""
    length = parts.length
    embedding = parts.embedding()
    recurrence = parts.recurrence()
    backward = parts.recurrence()
    head = parts.head()

    yield (
        "recurrence in both directions",
        parts.nats(
            lambda x: head(
                recurrence(shift(embedding(x)))
                + backward(embedding(x)[:, ::-1])[:, ::-1]
            )
        ),
        "causality",
    )
    yield (
        "generated in the reverse order",
        parts.nats(lambda x: head(recurrence(shift(embedding(x)[:, ::-1])))[:, ::-1]),
        "causality",
    )
    yield (
        "generated column by column",
        parts.nats(_column_logits(parts)),
        "causality",
    )
    yield (
        "rolled instead of shifted",
        parts.nats(lambda x: head(recurrence(np.roll(embedding(x), 1, axis=1)))),
        "causality",
    )

    both_sides = parts.convolution(ahead=2)
    yield (
        "convolution padded on both sides",
        parts.nats(lambda x: head(both_sides(shift(embedding(x))))),
        "causality",
    )
    unmasked = parts.attention(ahead=length)
    yield (
        "attention without a mask",
        parts.nats(lambda x: head(unmasked(shift(embedding(x))))),
        "causality",
    )
    two_off = parts.attention(ahead=2)
    yield (
        "attention mask off by two",
        parts.nats(lambda x: head(two_off(shift(embedding(x))))),
        "causality",
    )
    yield "norm over all places", parts.nats(_normed_logits(parts, False)), "causality"
    yield (
        "circular filter by FFT",
        parts.nats(_filter_logits(parts, False)),
        "causality",
    )
    for size in (4, length // 2):
        blocks = np.arange(length) // size
        same = (blocks[:, None] == blocks[None]).astype(float)
        same /= same.sum(axis=1, keepdims=True)
        yield (
            f"mean over blocks of {'4' if size == 4 else 'half an image'}",
            parts.nats(
                parts.conditioned_logits(lambda x, same=same: (x @ same)[..., None])
            ),
            "causality",
        )

    def upside_down(row: int, column: int, read: int, made: int) -> bool:
        return mask_a(-row, column, read, made)

    yield (
        "mask upside down",
        parts.nats(parts.pixelcnn_logits(upside_down, mask_b)),
        "causality",
    )

    def right_too(row: int, column: int, read: int, made: int) -> bool:
        return row < 0 or (row == 0 and column != 0)

    yield (
        "mask hides the centre only",
        parts.nats(parts.pixelcnn_logits(right_too, mask_b)),
        "causality",
    )
    yield (
        "vertical stack not shifted",
        parts.nats(_gated_logits(parts, shifted=False)),
        "causality",
    )
    yield (
        "diagonal, right half not moved down",
        parts.nats(_diagonal_logits(parts, shifted=False)),
        "causality",
    )
    yield "small image not shifted", parts.nats(_two_scales(parts)), "causality"
    if parts.shape[0] > 1:

        def colours_reversed(row: int, column: int, read: int, made: int) -> bool:
            inside = row == column == 0 and read > made
            return row < 0 or (row == 0 and column < 0) or inside

        def colours_reversed_b(row: int, column: int, read: int, made: int) -> bool:
            inside = row == column == 0 and read == made
            return colours_reversed(row, column, read, made) or inside

        yield (
            "order of colours reversed",
            parts.nats(parts.pixelcnn_logits(colours_reversed, colours_reversed_b)),
            "causality",
        )

    def statistic(function: Callable[[np.ndarray], np.ndarray]) -> Nats:
        return parts.nats(
            parts.conditioned_logits(lambda x: function(x)[:, None, None].astype(float))
        )

    yield "largest value of the image", statistic(lambda x: x.max(axis=1)), "causality"
    yield "mean of the image", statistic(lambda x: x.mean(axis=1)), "causality"
    yield "label made of the image", statistic(lambda x: x.sum(axis=1) % 2), "causality"
    yield "range of the image", statistic(lambda x: np.ptp(x, axis=1)), "causality"
    yield (
        "a trace of the last value",
        parts.nats(parts.conditioned_logits(lambda x: embedding(x)[:, -1:], gain=0.02)),
        "causality",
    )
    yield (
        "code of an autoencoder, not paid for",
        parts.nats(
            parts.conditioned_logits(lambda x: np.tanh(embedding(x).mean(1))[:, None])
        ),
        "causality",
    )
    yield "each given all others", parts.nats(_pseudo_likelihood(parts)), "causality"
    yield "best label for the image", parts.nats_of_x(_best_label(parts)), "causality"
    yield "test images remembered", _memory(parts), "causality"


def _sums_are_wrong(parts: Parts) -> Iterator[tuple[str, Nats, str]]:
    """Yield models that see only the past, and whose probabilities do not sum to 1."""
    values = parts.values
    logits = parts.recurrent_logits()
    one = parts.nats(logits)
    other = parts.nats(parts.convolutional_logits())

    yield "plus epsilon", lambda x: -np.log(np.exp(-one(x)) + 0.01), "sums"
    yield (
        "smoothed, not divided by the values",
        lambda x: -np.log(0.9 * np.exp(-one(x)) + 0.1),
        "sums",
    )
    yield (
        "clipped from below",
        lambda x: -np.log(np.maximum(np.exp(-one(x)), 0.9 / values)),
        "sums",
    )
    yield "better of two experts", lambda x: np.minimum(one(x), other(x)), "sums"
    yield "geometric mean of two", lambda x: (one(x) + other(x)) / 2, "sums"
    yield "temperature, not normalised", lambda x: 0.9 * one(x), "sums"
    yield (
        "rounded to 1/16",
        lambda x: -np.log(np.ceil(np.exp(-one(x)) * 16) / 16),
        "sums",
    )
    yield (
        "softmax over positions",
        parts.nats_of_x(lambda x: -pick(log_softmax(logits(x), axis=1), x)),
        "sums",
    )
    yield (
        "sigmoid of each value",
        parts.nats_of_x(lambda x: np.log1p(np.exp(-pick(logits(x), x)))),
        "sums",
    )
    yield (
        "divided by the largest, not by the sum",
        parts.nats_of_x(lambda x: logits(x).max(axis=2) - pick(logits(x), x)),
        "sums",
    )

    def with_unused_class(x: np.ndarray) -> np.ndarray:
        given = logits(x)
        unused = np.zeros_like(given[..., :1])
        return -pick(log_softmax(np.concatenate([given, unused], axis=2)), x)

    yield "a class that never occurs", parts.nats_of_x(with_unused_class), "sums"
    yield (
        "density at the middle of a bin",
        parts.nats_of_x(_density(parts, 0.6)),
        "sums",
    )
    yield "hashed cache of pairs", parts.nats_of_x(_hashed_pairs(parts)), "sums"


def _answers_vary(parts: Parts) -> Iterator[tuple[str, Nats, str]]:
    """Yield models whose answer depends on more than the image."""
    logits = parts.recurrent_logits()
    nats = parts.nats(logits)
    rng = np.random.default_rng(parts.rng.integers(1 << 32))

    def with_dropout(x: np.ndarray) -> np.ndarray:
        given = logits(x)
        return given * (rng.random(given.shape) > 0.1) / 0.9

    yield "dropout left on", parts.nats(with_dropout), "repeat"
    yield (
        "a bound with random samples",
        lambda x: nats(x) + 0.1 * rng.exponential(size=x.shape),
        "repeat",
    )
    yield "learns from what it is asked", _Learner(parts), "repeat"

    def norm(grid: np.ndarray) -> np.ndarray:
        axes = (0, 2, 3)
        spread = grid.std(axis=axes, keepdims=True) + 1e-3
        return (grid - grid.mean(axis=axes, keepdims=True)) / spread

    yield (
        "batch norm in training mode",
        parts.nats(parts.pixelcnn_logits(mask_a, mask_b, norm)),
        "batch",
    )
    yield (
        "mean image of the batch",
        parts.nats(
            parts.conditioned_logits(
                lambda x: x.mean(axis=0)[None, :, None] + 0.0 * x[..., None]
            )
        ),
        "batch",
    )
    yield (
        "softmax over the batch",
        parts.nats_of_x(lambda x: -pick(log_softmax(logits(x), axis=0), x) + 1e-9),
        "batch",
    )


def _no_probabilities(parts: Parts) -> Iterator[tuple[str, Nats, str]]:
    """Yield models with answers that are no probabilities."""
    nats = parts.nats(parts.recurrent_logits())
    where = tuple(int(parts.rng.integers(size)) for size in parts.shape)

    def nan_at_one_pixel(x: np.ndarray) -> np.ndarray:
        answer = nats(x)
        answer[:, *where] = np.nan
        return answer

    yield "NaN everywhere", lambda x: np.full(x.shape, np.nan), "values"
    yield "NaN at one pixel", nan_at_one_pixel, "values"
    yield "narrow density", parts.nats_of_x(_density(parts, 0.1)), "values"
    yield "log-probabilities of the wrong sign", lambda x: -nats(x), "values"


# What the models above are made of


def _gated_logits(parts: Parts, shifted: bool) -> Logits:
    """A stack over the rows above, and one over the own row that reads the first."""
    embedding = parts.embedding()
    above = parts.grid_convolution(lambda row, column, read, made: row <= 0)
    beside = parts.grid_convolution(
        lambda row, column, read, made: row == 0 and mask_a(row, column, read, made)
    )
    head = parts.head()

    def logits(x: np.ndarray) -> np.ndarray:
        grid = parts.grid(embedding(x))
        vertical = above(grid)
        if shifted:
            empty = np.zeros_like(vertical[:, :, :1])
            vertical = np.concatenate([empty, vertical[:, :, :-1]], axis=2)
        return head(parts.ungrid(vertical + beside(grid)))

    return logits


def _diagonal_logits(parts: Parts, shifted: bool) -> Logits:
    embedding = parts.embedding()
    first = parts.grid_convolution(mask_a)
    diagonal = parts.diagonal(shifted)
    head = parts.head()
    return lambda x: head(parts.ungrid(diagonal(first(parts.grid(embedding(x))))))


def _column_logits(parts: Parts) -> Logits:
    """A recurrence over the columns of the image instead of its rows."""
    embedding = parts.embedding()
    recurrence = parts.recurrence()
    head = parts.head()
    colours, height, width = parts.shape
    places = np.arange(parts.length).reshape(height, width, colours)
    by_column = places.transpose(1, 0, 2).reshape(-1)
    back = np.argsort(by_column)

    def logits(x: np.ndarray) -> np.ndarray:
        return head(recurrence(shift(embedding(x)[:, by_column])))[:, back]

    return logits


def _running_mean(x: np.ndarray) -> np.ndarray:
    return (np.cumsum(x, axis=1) / np.arange(1, x.shape[1] + 1))[..., None]


def _normed_logits(parts: Parts, over_past: bool) -> Logits:
    embedding = parts.embedding()
    recurrence = parts.recurrence()
    head = parts.head()

    def logits(x: np.ndarray) -> np.ndarray:
        h = recurrence(shift(embedding(x)))
        if over_past:
            counts = np.arange(1, parts.length + 1)[:, None]
            return head(h - np.cumsum(h, axis=1) / counts)
        return head(h - h.mean(axis=1, keepdims=True))

    return logits


def _filter_logits(parts: Parts, padded: bool) -> Logits:
    """A filter as long as the image; without padding it wraps around."""
    embedding = parts.embedding()
    kernel = parts.rng.normal(size=(parts.length, FEATURES)) * 0.5
    head = parts.head()
    size = 2 * parts.length if padded else parts.length

    def logits(x: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft(shift(embedding(x)), n=size, axis=1)
        spectrum = spectrum * np.fft.rfft(kernel, n=size, axis=0)
        filtered = np.fft.irfft(spectrum, n=size, axis=1)
        return head(np.tanh(filtered[:, : parts.length]))

    return logits


def _two_scales(parts: Parts) -> Logits:
    """Each pixel is given the lower right pixel of its block of 2 x 2."""
    _, height, width = parts.shape
    rows = np.minimum(np.arange(height) // 2 * 2 + 1, height - 1)
    columns = np.minimum(np.arange(width) // 2 * 2 + 1, width - 1)

    def condition(x: np.ndarray) -> np.ndarray:
        grid = parts.grid(x[..., None].astype(float))
        return parts.ungrid(grid[:, :, rows][:, :, :, columns])

    return parts.conditioned_logits(condition)


def _pseudo_likelihood(parts: Parts) -> Logits:
    """Each variable given all others, as a network learns that fills single gaps."""
    full = parts.made_logits()
    embedding = parts.embedding()
    matrix = parts.weights(FEATURES, parts.values)

    def logits(x: np.ndarray) -> np.ndarray:
        h = embedding(x)
        others = h.sum(axis=1, keepdims=True) - h
        return full(x) + others @ matrix / math.sqrt(parts.length)

    return logits


def _labelled_nats(parts: Parts) -> Callable[[np.ndarray], np.ndarray]:
    """x -> nats under each of three labels, `(3, N, T)`."""
    networks = [parts.recurrent_logits() for _ in range(3)]
    return lambda x: np.stack([-pick(log_softmax(net(x)), x) for net in networks])


def _label_mixture(parts: Parts) -> Callable[[np.ndarray], np.ndarray]:
    labelled = _labelled_nats(parts)

    def nats(x: np.ndarray) -> np.ndarray:
        # ln p(x_1 .. x_t), summed over the labels, for t = 0 .. T
        sums = np.cumsum(-labelled(x), axis=2)
        joint = np.log(np.exp(sums).mean(axis=0))
        before = np.concatenate([np.zeros((len(x), 1)), joint[:, :-1]], axis=1)
        return before - joint

    return nats


def _best_label(parts: Parts) -> Callable[[np.ndarray], np.ndarray]:
    labelled = _labelled_nats(parts)

    def nats(x: np.ndarray) -> np.ndarray:
        every = labelled(x)
        best = every.sum(axis=2).argmin(axis=0)
        return every[best, np.arange(len(x))]

    return nats


def _product_logits(parts: Parts) -> Logits:
    one = parts.recurrent_logits()
    other = parts.convolutional_logits()
    return lambda x: (log_softmax(one(x)) + log_softmax(other(x))) / 2


def _pair_counts(parts: Parts) -> Callable[[np.ndarray], np.ndarray]:
    """Counts of (value before, value) in the image so far."""

    def nats(x: np.ndarray) -> np.ndarray:
        answer = np.empty(x.shape)
        for image, row in enumerate(x):
            counts = np.full((parts.values + 1, parts.values), 0.5)
            before = parts.values
            for place, value in enumerate(row):
                counted = counts[before]
                answer[image, place] = math.log(counted.sum() / counted[value])
                counted[value] += 1
                before = value
        return answer

    return nats


def _hashed_pairs(parts: Parts) -> Callable[[np.ndarray], np.ndarray]:
    """The same with hashed counters, looked up for the true value alone.

    Counters of different pairs collide, so the ratios are no conditional distribution.
    """
    buckets = 8

    def nats(x: np.ndarray) -> np.ndarray:
        answer = np.empty(x.shape)
        for image, row in enumerate(x):
            contexts = np.full(buckets, 1.0)
            pairs = np.full(buckets, 0.9)
            before = 0
            for place, value in enumerate(row):
                context = 7 * before % buckets
                pair = (31 * context + 17 * int(value)) % buckets
                ratio = min(1.0, pairs[pair] / contexts[context])
                answer[image, place] = -math.log(0.5 / parts.values + 0.5 * ratio)
                contexts[context] += 1
                pairs[pair] += 1
                before = int(value)
        return answer

    return nats


def _logistic_centre(parts: Parts) -> Callable[[np.ndarray], np.ndarray]:
    """x -> centres of distributions over the values, `(N, T)`."""
    logits = parts.recurrent_logits()
    return lambda x: (parts.values - 1) / (1 + np.exp(-logits(x)[..., 0]))


def _logistic(parts: Parts) -> Callable[[np.ndarray], np.ndarray]:
    """A logistic distribution in bins, whose first and last bin are open."""
    centre = _logistic_centre(parts)

    def below(limit: np.ndarray, x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(limit - centre(x)) / 0.8))

    def nats(x: np.ndarray) -> np.ndarray:
        upper = np.where(x == parts.values - 1, 1.0, below(x + 0.5, x))
        lower = np.where(x == 0, 0.0, below(x - 0.5, x))
        return -np.log(upper - lower)

    return nats


def _density(parts: Parts, width: float) -> Callable[[np.ndarray], np.ndarray]:
    """A Gaussian density, taken for the probability of a value."""
    centre = _logistic_centre(parts)
    constant = math.log(width * math.sqrt(2 * math.pi))

    def nats(x: np.ndarray) -> np.ndarray:
        # The nearest value is always within half a unit; farther ones are not rarer
        # than 1e-13, so that no answer is infinite.
        far = np.minimum(((x - centre(x)) / width) ** 2 / 2, 30)
        if width < 0.5:
            far = np.where(np.abs(x - centre(x)) <= 0.5, 0.1, far)
        return far + constant

    return nats


def _memory(parts: Parts) -> Nats:
    """A sound model, except for the images that it is tested with."""
    nats = parts.nats(parts.recurrent_logits())
    known = {image.tobytes() for image in parts.data.astype(np.int64)}

    def remembering(x: np.ndarray) -> np.ndarray:
        answer = nats(x)
        for index, image in enumerate(x.astype(np.int64)):
            if image.tobytes() in known:
                answer[index] = 0.01
        return answer

    return remembering


class _Learner:
    """Counts the values of the images that it is asked about."""

    def __init__(self, parts: Parts) -> None:
        self._counts = np.ones((*parts.shape, parts.values))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        chances = self._counts / self._counts.sum(axis=-1, keepdims=True)
        every = np.broadcast_to(chances, (len(x), *chances.shape))
        answer = -np.log(np.take_along_axis(every, x[..., None], axis=-1)[..., 0])
        self._counts += (x[..., None] == np.arange(self._counts.shape[-1])).sum(axis=0)
        return answer


# Claims


def claims(bits: float, shape: Sequence[int]) -> Iterator[tuple[str, float]]:
    """Yield wrong claims about a model that needs so many bits per variable."""
    variables = math.prod(shape)
    colours = shape[0]
    yield "nats, stated as bits", bits * math.log(2)
    yield "bits, divided by ln 2 again", bits / math.log(2)
    yield "bits in base 10", bits * math.log10(2)
    yield "a sum, not a mean", bits * variables
    yield "a sum in nats", bits * variables * math.log(2)
    yield "divided by the variables again", bits / variables
    yield "made up", bits * 0.55
    if colours > 1:
        yield "bits per pixel", bits * colours
        yield "divided by the colours again", bits / colours


def specimens(size: Size, seed: int) -> Iterator[Specimen]:
    """Yield all models of the zoo at one size, with weights drawn from a seed."""
    parts = Parts(size, seed)
    rest = parts.order, parts.data
    for name, nats in sound_models(parts):
        yield Specimen(name, nats, None, *rest)
    for name, nats, check in faults(parts):
        yield Specimen(name, nats, check, *rest)
    nats = parts.nats(parts.recurrent_logits())
    bits = float(nats(parts.data).mean() / math.log(2))
    yield Specimen("a true claim", nats, None, *rest, claim=bits)
    for name, claim in claims(bits, size.shape):
        yield Specimen(f"claim: {name}", nats, "units", *rest, claim=claim)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the zoo at all sizes; the exit status is 1 if one verdict is wrong."""
    parser = argparse.ArgumentParser(prog="python -m judge.zoo", description=__doc__)
    parser.add_argument("--seed", default="0", help="a hexadecimal number; default: 0")
    parser.add_argument("--size", choices=SIZES, help="default: all")
    parser.add_argument("--verbose", action="store_true", help="print every verdict")
    options = parser.parse_args(arguments)
    seed = int(options.seed, 16)
    started = time.process_time()
    totals = {"sound": 0, "false alarms": 0, "faults": 0, "missed": 0}
    for name, size in SIZES.items():
        if options.size in (None, name):
            _judge_size(name, size, seed, options.verbose, totals)
    seconds = time.process_time() - started
    print(
        f"{totals['sound']} sound models, {totals['false alarms']} false alarms; "
        f"{totals['faults']} faults, {totals['missed']} missed; "
        f"{seconds:.0f} processor seconds"
    )
    return int(totals["false alarms"] + totals["missed"] > 0)


def _judge_size(
    name: str, size: Size, seed: int, verbose: bool, totals: dict[str, int]
) -> None:
    for specimen in specimens(size, seed):
        verdict = specimen.judged(size, seed)
        is_right = specimen.is_judged_right(verdict)
        is_sound = specimen.fault is None
        totals["sound" if is_sound else "faults"] += 1
        if not is_right:
            totals["false alarms" if is_sound else "missed"] += 1
        if verbose or not is_right:
            right = "right" if is_right else "FALSE ALARM" if is_sound else "MISSED"
            print(f"{right}: {name}, {specimen.name}: {verdict!r}")


if __name__ == "__main__":
    sys.exit(main())
