"""The grey originals of binary images, from which training can draw new binary images
each time.

Binarized MNIST is one draw of each pixel: white with the probability of its grey in
MNIST (Salakhutdinov and Murray, 2008). A network that sees the same draw in every epoch
learns its noise by heart. New draws of the same images have the same distribution and
no noise that could be learned. The files do not say from which original an image was
drawn, so the original under which it is likeliest is used; docs/internals/training.md
says how certain that is.
"""

import numpy as np
import numpy.typing as npt

from model_core.data.splits import Pixels, Values
from model_core.errors import DataError

_AT_ONCE = 2000
"""Images, and originals, that are compared at once: few enough for the memory, many
enough for fast matrix products."""
_IMPOSSIBLE = 1e-4
"""Probability that replaces 0 for a pixel that its original excludes: so small that the
original loses, while the logarithm stays finite."""


def best_originals(values: Values, originals: Pixels) -> npt.NDArray[np.int64]:
    """Return for each binary image the index (N,) of the original under which it is
    likeliest: each pixel is 1 with probability byte / 255.

    values: (N, C, H, W) of 0 and 1.
    originals: (M, C, H, W), bytes 0..255.

    Raises DataError if their shapes differ.
    """
    _check_shapes(values, originals)
    best, _ = most_likely(
        values.reshape(len(values), -1), originals.reshape(len(originals), -1)
    )
    return best


def _check_shapes(values: Values, originals: Pixels) -> None:
    if values.shape[1:] == originals.shape[1:]:
        return
    ours = "x".join(map(str, values.shape[1:]))
    theirs = "x".join(map(str, originals.shape[1:]))
    raise DataError(
        f"data.originals has images of {theirs} (colours x height x width), the data "
        f"of {ours}"
    )


def greys_to_redraw(
    values: Values, chosen: npt.NDArray[np.int64], originals: Pixels
) -> Pixels:
    """Return the grey picture from which each training image is to be drawn again,
    bytes (N, C, H, W). An image whose original is also that of a held-out image stays
    as it is, with 255 for 1.

    values: (N, C, H, W) of 0 and 1.
    chosen: (N + K,), the index of the original of each image, followed by those of K
        held-out images.
    originals: (M, C, H, W), bytes 0..255.

    Raises DataError if an image cannot be a draw of its original, because a pixel is
    white where the original is black, or black where it is white.
    """
    ours = chosen[: len(values)]
    greys = originals[ours]
    impossible = ((values == 1) & (greys == 0)) | ((values == 0) & (greys == 255))
    strangers = int(impossible.any(axis=(1, 2, 3)).sum())
    if strangers:
        raise DataError(
            f"{strangers} of {len(values)} images are no draws of any picture in "
            "data.originals: expected the grey pictures that the binary ones were made "
            "from"
        )
    held_out = chosen[len(values) :]
    is_shared = np.isin(ours, held_out)
    greys[is_shared] = values[is_shared] * np.uint8(255)
    return greys


def draw_pixels(greys: Pixels, generator: np.random.Generator) -> Values:
    """Return binary pixels drawn from grey ones of any shape: 1 with probability grey /
    255, else 0."""
    return (generator.integers(0, 255, greys.shape, np.uint8) < greys).view(np.uint8)


def most_likely(
    values: Values, originals: Pixels
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return for each image the index (N,) of the original under which it is likeliest,
    and by how many nats the second best original is behind (N,); inf if there is only
    one.

    values: (N, D) of 0 and 1.
    originals: (M, D), bytes 0..255, M at least 1. A pixel is 1 with probability byte /
        255, but at least 1e-4 and at most 1 - 1e-4, so that no image is impossible.
    """
    best = np.zeros(len(values), np.int64)
    log_p = np.full((2, len(values)), -np.inf, np.float32)  # the best, the second best
    for first in range(0, len(originals), _AT_ONCE):
        odds, all_black = _log_odds(originals[first : first + _AT_ONCE])
        for i in range(0, len(values), _AT_ONCE):
            part = slice(i, i + _AT_ONCE)
            # (images, originals): ln p of each image under each original
            under_each = values[part].astype(np.float32) @ odds + all_black
            is_better = under_each.max(axis=1) > log_p[0, part]
            new_best = first + under_each.argmax(axis=1)
            best[part] = np.where(is_better, new_best, best[part])
            both = np.concatenate((log_p[:, part].T, under_each), axis=1)
            log_p[:, part] = -np.partition(-both, 1, axis=1)[:, :2].T
    return best, log_p[0] - log_p[1]


def _log_odds(
    originals: Pixels,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the ln of the odds of white against black for each pixel, (D, M), and ln p
    of an image that is entirely black, (M,)."""
    white = np.clip(originals / np.float32(255), _IMPOSSIBLE, 1 - _IMPOSSIBLE)
    white = white.astype(np.float32)
    log_black = np.log1p(-white)
    log_odds = np.log(white) - log_black
    return np.ascontiguousarray(log_odds.T), log_black.sum(axis=1)
