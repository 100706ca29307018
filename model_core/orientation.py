"""The eight ways to turn or mirror an image, with the names of Pillow's
Image.Transpose.

A network reads images row by row from the top left. If it was trained on turned images,
it reads the originals in another order, so that another part of them comes last.
"""

from typing import TYPE_CHECKING, Literal, TypeVar, cast, get_args

from model_core.errors import ConfigError

if TYPE_CHECKING:
    # Cards use this file, and reading a card should import neither of them.
    import numpy.typing as npt
    from torch import Tensor

Orientation = Literal[
    "none",
    "flip_left_right",
    "flip_top_bottom",
    "rotate_90",
    "rotate_180",
    "rotate_270",
    "transpose",
    "transverse",
]
ORIENTATIONS: tuple[Orientation, ...] = get_args(Orientation)

Images = TypeVar("Images", "Tensor", "npt.NDArray")

# Whether rows and columns are exchanged first, and the axes that are reversed then.
_STEPS: dict[Orientation, tuple[bool, tuple[int, ...]]] = {
    "none": (False, ()),
    "flip_left_right": (False, (-1,)),
    "flip_top_bottom": (False, (-2,)),
    "rotate_180": (False, (-2, -1)),
    "transpose": (True, ()),
    "rotate_90": (True, (-2,)),  # counter-clockwise: the right edge becomes the top
    "rotate_270": (True, (-1,)),
    "transverse": (True, (-2, -1)),
}
_UNDONE_BY: dict[Orientation, Orientation] = {
    "rotate_90": "rotate_270",
    "rotate_270": "rotate_90",
}


def turn(images: Images, orientation: Orientation) -> Images:
    """Return upright images (..., H, W) in an orientation; (..., W, H) if rows become
    columns. The result of an array is a view."""
    exchanged, reversed_axes = _STEPS[orientation]
    if exchanged:
        images = images.swapaxes(-2, -1)
    if not reversed_axes:
        return images
    import numpy as np

    if isinstance(images, np.ndarray):
        # A reversed axis of length 1 would have a negative stride, which
        # np.ascontiguousarray keeps and torch.from_numpy refuses.
        longer_axes = tuple(axis for axis in reversed_axes if images.shape[axis] > 1)
        return cast(Images, np.flip(images, longer_axes))
    return images.flip(reversed_axes)


def turn_back(images: Images, orientation: Orientation) -> Images:
    """Undo `turn`: return images in this orientation as the upright originals."""
    return turn(images, _UNDONE_BY.get(orientation, orientation))


def check_orientation(orientation: str, height: int, width: int) -> Orientation:
    """Return the orientation of this name. Raise ConfigError if there is none, or if it
    would change the shape of an image of this size."""
    if orientation not in ORIENTATIONS:
        raise ConfigError(
            f"unknown orientation {orientation!r}: expected one of "
            f"{', '.join(ORIENTATIONS)}"
        )
    if height != width and _STEPS[orientation][0]:
        fitting = ", ".join(name for name in ORIENTATIONS if not _STEPS[name][0])
        raise ConfigError(
            f"the orientation {orientation} exchanges rows and columns, and images of "
            f"{width}x{height} are not square: expected one of {fitting}"
        )
    return cast(Orientation, orientation)
