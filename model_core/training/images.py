"""The images of a run: where its recipe says they are, decoded into a cache that lies beside the run."""

from pathlib import Path

import numpy as np

from model_core.data.datasets import Dataset, open_dataset, read_dataset
from model_core.data.download import download
from model_core.data.options import ReadOptions
from model_core.data.originals import originals_of
from model_core.data.splits import Pixels, Values, spread
from model_core.errors import ConfigError
from model_core.orientation import Orientation, check_orientation, turn
from model_core.training.recipe import Recipe


class RunImages:
    """The training and validation images of a recipe, the same for every process of a run."""

    def __init__(self, recipe: Recipe, directory: Path) -> None:
        """directory is the run's. Raises DataError when there is no data, or it cannot be had; ConfigError when the
        orientation does not fit the network."""
        self._data = recipe.data
        self._config = recipe.network.config()
        self.orientation: Orientation = check_orientation(
            recipe.data.orientation, self._config.height, self._config.width
        )
        if self._config.multi_scale and self.orientation != "none":
            raise ConfigError(
                f"data.orientation = {self.orientation}: a Multi-Scale network takes only none, because the small "
                "image of a turned one is not the turned small image"
            )
        self._options = ReadOptions(recipe.data.resize, directory.parent / "cache")
        if recipe.data.download and not recipe.data.path.exists():
            download(recipe.data.path)

    @property
    def description(self) -> str:
        """The data's line in a card."""
        dataset: Dataset = open_dataset(self._data.path, self._options)
        return f"{self._data.title}: {dataset.description}" if self._data.title else dataset.description

    @property
    def drawn(self) -> bool:
        """True if the training images are greys, of which every batch draws binary images anew."""
        return self._data.originals is not None

    def train(self) -> Values | Pixels:
        """uint8 (N, C, H, W) as they lie on the disk: a batch is turned, or drawn of them, when it is read. DataError
        when they cannot be read or are not the network's."""
        values = spread(read_dataset(self._data.path, "train", self._config, self._options), self._data.train_images)
        return values if self._data.originals is None else self._originals_of(values, self._data.originals)

    def _originals_of(self, values: Values, path: Path) -> Pixels:
        if self._config.values != 2:
            raise ConfigError(f"data.originals: expected a network of 2 values, not {self._config.values}")
        greys = self._config.with_overrides(values=256)
        pictures = [read_dataset(path, split, greys, self._options) for split in ("train", "valid")]
        held_out = read_dataset(self._data.path, "valid", self._config, self._options)
        return originals_of(values, held_out, np.concatenate(pictures))

    def valid(self) -> Values:
        """uint8 (N, C, H, W), turned as the recipe says; DataError as in train."""
        values = read_dataset(self._data.path, "valid", self._config, self._options)
        return turn(spread(values, self._data.valid_images), self.orientation)
