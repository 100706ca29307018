"""The colours of a run's data as the categories of its network."""

from typing import NamedTuple

from model_core.data.datasets import ColouredDataset, open_dataset
from model_core.data.options import ReadOptions
from model_core.data.palette import MOST, Palette, greys
from model_core.errors import DataError
from model_core.training.recipe import Recipe


class Categories(NamedTuple):
    """A recipe whose network has the categories of its data. For a network without
    categories palette and description are empty.

    palette: the colour of each category. description: a line that says which colours
        they are and where they are from.
    """

    recipe: Recipe
    palette: Palette = ()
    description: str = ""


def categories_of(recipe: Recipe) -> Categories:
    """Return a recipe's categories, after reading the colours of its data. Raise
    DataError if the recipe asks for a palette and the data has none, or if the data has
    another number of colours than the network."""
    section = recipe.data
    network = recipe.network
    if section.palette == "none" and not network.config().categories:
        return Categories(recipe)
    data = open_dataset(section.path, ReadOptions(crops=section.crops))
    most = MOST if isinstance(section.palette, str) else section.palette
    palette: Palette = ()
    source = ""
    if isinstance(data, ColouredDataset):
        palette, source = data.palette(network.config(), most)
    if section.palette != "none":
        if not palette:
            raise DataError(
                f"{section.path} has no palette: expected pictures, or a .npz with an "
                "array palette"
            )
        size = {"channels": 1, "values": len(palette), "categories": True}
        recipe = recipe.model_copy(update={"network": network.model_copy(update=size)})
    values = recipe.network.config().values
    if not palette:
        palette = greys(values)
        source = "greys, since the data says none"
    if len(palette) != values:
        raise DataError(
            f"{section.path} has {len(palette)} colours: expected network.values = "
            f"{len(palette)}"
        )
    description = f"{values} categories, {source}: {', '.join(palette)}"
    return Categories(recipe, palette, description)
