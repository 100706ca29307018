"""The eight ways to turn or mirror an image, by the names of Pillow's Image.Transpose. Knows only axes.

A network reads its images row by row from the top left. Trained on turned images it reads the originals in another
order, so that another part of them comes last.
"""

from typing import TYPE_CHECKING, Literal, TypeVar, cast, get_args

from model_core.errors import ConfigError

if TYPE_CHECKING:
    # A card knows its orientation, and reading one should load neither.
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

# First rows and columns change places, or not; then these axes are reversed.
_STEPS: dict[Orientation, tuple[bool, tuple[int, ...]]] = {
    "none": (False, ()),
    "flip_left_right": (False, (-1,)),
    "flip_top_bottom": (False, (-2,)),
    "rotate_180": (False, (-2, -1)),
    "transpose": (True, ()),
    "rotate_90": (True, (-2,)),  # counter-clockwise: the right edge comes to the top
    "rotate_270": (True, (-1,)),
    "transverse": (True, (-2, -1)),
}
_UNDONE_BY: dict[Orientation, Orientation] = {
    "rotate_90": "rotate_270",
    "rotate_270": "rotate_90",
}


def turn(images: Images, orientation: Orientation) -> Images:
    """Images (..., H, W) in another orientation: (..., W, H) where rows become columns. An array's result is a view."""
    exchanged, reversed_axes = _STEPS[orientation]
    if exchanged:
        images = images.swapaxes(-2, -1)
    if not reversed_axes:
        return images
    import numpy as np

    if isinstance(images, np.ndarray):
        return cast(Images, np.flip(images, reversed_axes))
    return images.flip(reversed_axes)


def turn_back(images: Images, orientation: Orientation) -> Images:
    """Undo `turn`."""
    return turn(images, _UNDONE_BY.get(orientation, orientation))


def check_orientation(orientation: str, height: int, width: int) -> Orientation:
    """The orientation of this name; ConfigError when there is none, or when it would change an image's shape."""
    if orientation not in ORIENTATIONS:
        raise ConfigError(
            f"unknown orientation {orientation!r}: expected one of {', '.join(ORIENTATIONS)}"
        )
    if height != width and _STEPS[orientation][0]:
        fitting = ", ".join(name for name in ORIENTATIONS if not _STEPS[name][0])
        raise ConfigError(
            f"the orientation {orientation} exchanges rows and columns, and images of {width}x{height} are not square: "
            f"expected one of {fitting}"
        )
    return cast(Orientation, orientation)
