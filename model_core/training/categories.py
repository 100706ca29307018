"""The colours of a run's data as the categories of its network."""

from typing import NamedTuple

from model_core.data.datasets import ColouredDataset, open_dataset
from model_core.data.options import ReadOptions
from model_core.data.palette import MOST, Palette, greys
from model_core.errors import DataError
from model_core.training.recipe import Recipe


class Categories(NamedTuple):
    """A recipe whose network has the categories of its data; `categories_of` makes it.
    Categories are values without an order, such as the colours of a palette.

    recipe: with the number of values that the data needs.
    palette: the colour of each category; empty for a network without categories.
    description: a line that says which colours these are and where they are from; empty
        for a network without categories.
    """

    recipe: Recipe
    palette: Palette = ()
    description: str = ""


def categories_of(recipe: Recipe) -> Categories:
    """Return a recipe with the categories of its data, after reading the data's
    colours; the same recipe if neither the data section nor the network asks for
    categories.

    Raises DataError if the data cannot be read or does not suit the recipe, ConfigError
    for an invalid network.
    """
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
