"""Options of reading images, for what the files do not determine."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Resize = Literal["lanczos", "box"]
Palette = tuple[str, ...]
"""The colour of each category, `#rrggbb` or `#rrggbbaa`; empty if the values are not
categories."""
_COLOUR = re.compile(r"#[0-9a-f]{6}([0-9a-f]{2})?")


def check_palette(palette: Sequence[str]) -> None:
    """Raise ValueError if a colour is malformed or occurs twice. All completely
    transparent colours count as the same.

    This file does not import numpy, so that settings can be checked fast.
    """
    for colour in palette:
        if not _COLOUR.fullmatch(colour):
            raise ValueError(
                f"a colour must be written #rrggbb or #rrggbbaa, not {colour!r}"
            )
    with_opacity = {f"{colour[1:]:f<8}" for colour in palette}
    different = {"" if each.endswith("00") else each for each in with_opacity}
    if len(different) < len(palette):
        raise ValueError("the colours of a palette must be different")


@dataclass(frozen=True)
class ReadOptions:
    """How images are read, where the files leave a choice.

    resize: the Pillow filter for images of another size.
    cache: directory for decoded images; None: see `cache_dir`.
    palette: the colours of categories; each pixel of a picture takes the nearest one.
    crops: True if images are crops of larger pictures (crops.py).
    """

    resize: Resize = "lanczos"
    cache: Path | None = None
    palette: Palette = ()
    crops: bool = False

    @property
    def cache_dir(self) -> Path:
        """The directory for decoded images: `cache`, else that in PIXELRNN_CACHE_DIR,
        else pixelrnn/ in the user's cache directory. It need not exist."""
        if self.cache is not None:
            return self.cache
        own = os.environ.get("PIXELRNN_CACHE_DIR")
        if own:
            return Path(own)
        user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(user_cache) / "pixelrnn"
