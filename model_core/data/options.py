"""How images are read where the files leave it open."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Resize = Literal["lanczos", "box"]
Palette = tuple[str, ...]
"""The colour of each category, `#rrggbb` or `#rrggbbaa`; empty where the values are no categories."""
_WRITTEN = re.compile(r"#[0-9a-f]{6}([0-9a-f]{2})?")


def check_palette(palette: Sequence[str]) -> None:
    """Raises ValueError for a palette with a colour that is written wrong, or is there twice; needs no numpy."""
    for colour in palette:
        if not _WRITTEN.fullmatch(colour):
            raise ValueError(
                f"a colour must be written #rrggbb or #rrggbbaa, not {colour!r}"
            )
    whole = {f"{colour[1:]:f<8}" for colour in palette}
    if len({"" if colour.endswith("00") else colour for colour in whole}) < len(
        palette
    ):
        raise ValueError("the colours of a palette must be different")


@dataclass(frozen=True)
class ReadOptions:
    """resize: the Pillow filter for images of another size. cache: where decoded images are kept; None: the user's.
    palette: the colours of categories, of which pictures take the nearest, and of pixels too. crops: images are parts
    of larger pictures (crops.py)."""

    resize: Resize = "lanczos"
    cache: Path | None = None
    palette: Palette = ()
    crops: bool = False

    @property
    def cache_dir(self) -> Path:
        """The directory asked for, else PIXELRNN_CACHE_DIR, else pixelrnn/ in the user's cache."""
        if self.cache is not None:
            return self.cache
        if own := os.environ.get("PIXELRNN_CACHE_DIR"):
            return Path(own)
        return (
            Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            / "pixelrnn"
        )
