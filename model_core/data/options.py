"""How images are read where the files leave it open."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model_core.data.palette import Palette

Resize = Literal["lanczos", "box"]


@dataclass(frozen=True)
class ReadOptions:
    """resize: the Pillow filter for images of another size. cache: where decoded images are kept; None: the user's.
    palette: the colours of categories, of which pictures take the nearest, and of pixels too."""

    resize: Resize = "lanczos"
    cache: Path | None = None
    palette: Palette = ()

    @property
    def cache_dir(self) -> Path:
        """The directory asked for, else PIXELRNN_CACHE_DIR, else pixelrnn/ in the user's cache."""
        if self.cache is not None:
            return self.cache
        if own := os.environ.get("PIXELRNN_CACHE_DIR"):
            return Path(own)
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pixelrnn"
