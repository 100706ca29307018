"""The grey originals of binary images, so that training can draw the images anew each time it sees them.

Binarized MNIST is one draw of each pixel: white with the probability of its grey in MNIST (Salakhutdinov and Murray,
2008). A network that sees the same draw in every epoch learns its noise by heart; fresh draws of the same images, from
the same distribution, have no noise that could be learned. Files do not say which original an image was drawn from; the
one under which it is most likely is taken. docs/data.md says how sure that is.
"""

import numpy as np
import numpy.typing as npt

from model_core.data.splits import Pixels, Values
from model_core.errors import DataError

_AT_ONCE = 2000
"""Images, and originals, that are compared at once: little memory, and products of matrices that are large enough."""
_IMPOSSIBLE = 1e-4
"""Chance that is counted for a pixel that its original rules out: small enough to lose, and the logarithm stays
finite."""


def matches(values: Values, originals: Pixels) -> npt.NDArray[np.int64]:
    """The original, of (M, C, H, W), under which each of values (N, C, H, W) is the most likely: (N,). DataError when
    they have another shape."""
    _expect_alike(values, originals)
    return most_likely(
        values.reshape(len(values), -1), originals.reshape(len(originals), -1)
    )[0]


def _expect_alike(values: Values, originals: Pixels) -> None:
    if values.shape[1:] != originals.shape[1:]:
        ours, theirs = (
            "x".join(map(str, images.shape[1:])) for images in (values, originals)
        )
        raise DataError(
            f"data.originals has images of {theirs} (colours x height x width), the data of {ours}"
        )


def redrawn(values: Values, chosen: npt.NDArray[np.int64], originals: Pixels) -> Pixels:
    """Find the original of each of values, (N, C, H, W) of 0 and 1: bytes (N, C, H, W). chosen, (N + K,): its place
    among (M, C, H, W), for each and then for those that are held out, because they choose weights.

    Nothing is drawn of an original that one of those was most likely drawn from: an image that fits the same original
    stays as it is, its ones as bytes of 255. Raises DataError when some image cannot be a draw of its original: it has
    a white pixel where that is black, or a black one where it is white.
    """
    ours = chosen[: len(values)]
    found = originals[ours]
    impossible = ((values == 1) & (found == 0)) | ((values == 0) & (found == 255))
    strangers = int(impossible.any(axis=(1, 2, 3)).sum())
    if strangers:
        raise DataError(
            f"{strangers} of {len(values)} images are no draws of any picture in data.originals: "
            "expected the grey pictures that the binary ones were made from"
        )
    shared = np.isin(ours, chosen[len(values) :])
    found[shared] = values[shared] * np.uint8(255)
    return found


def draw_pixels(greys: Pixels, generator: np.random.Generator) -> Values:
    """One draw of each pixel, 1 with probability grey / 255: bytes of any shape -> 0 and 1 of the same."""
    return (generator.integers(0, 255, greys.shape, np.uint8) < greys).view(np.uint8)


def most_likely(
    values: Values, originals: Pixels
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The original under which ln p of each image is largest: values (N, D) of 0 and 1, originals (M, D) bytes.

    Its index (N), and by how many nats the next one is behind (N).
    """
    best, log_p = (
        np.zeros(len(values), np.int64),
        np.full((2, len(values)), -np.inf, np.float32),
    )
    for first in range(0, len(originals), _AT_ONCE):
        odds, all_black = _log_odds(originals[first : first + _AT_ONCE])
        for i in range(0, len(values), _AT_ONCE):
            part = slice(i, i + _AT_ONCE)
            under_each = values[part].astype(np.float32) @ odds + all_black
            found = under_each.argmax(axis=1)
            best[part] = np.where(
                under_each.max(axis=1) > log_p[0, part], first + found, best[part]
            )
            both = np.concatenate((log_p[:, part].T, under_each), axis=1)
            log_p[:, part] = -np.partition(-both, 1, axis=1)[:, :2].T
    return best, log_p[0] - log_p[1]


def _log_odds(
    originals: Pixels,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """ln of white's odds over black's, (D, M), and ln p of an image that is all black, (M)."""
    white = np.clip(originals / np.float32(255), _IMPOSSIBLE, 1 - _IMPOSSIBLE).astype(
        np.float32
    )
    black = np.log1p(-white)
    return np.ascontiguousarray((np.log(white) - black).T), black.sum(axis=1)
