"""The colours of a run's data as the categories of its network."""

from typing import NamedTuple

from model_core.data.datasets import ColouredDataset, open_dataset
from model_core.data.options import ReadOptions
from model_core.data.palette import MOST, Palette, greys
from model_core.errors import DataError
from model_core.training.recipe import Recipe


class Categories(NamedTuple):
    """A recipe whose network has the categories of its data, their colours, and a line on them; none for others."""

    recipe: Recipe
    palette: Palette = ()
    told: str = ""


def categories_of(recipe: Recipe) -> Categories:
    """Find them. Raises DataError where the data has no colours, or other ones than the network."""
    section, network = recipe.data, recipe.network
    if section.palette == "none" and not network.config().categories:
        return Categories(recipe)
    data = open_dataset(section.path, ReadOptions(crops=section.crops))
    most = MOST if isinstance(section.palette, str) else section.palette
    palette, whose = (
        data.palette(network.config(), most)
        if isinstance(data, ColouredDataset)
        else ((), "")
    )
    if section.palette != "none":
        if not palette:
            raise DataError(
                f"{section.path} has no palette: expected pictures, or a .npz with an array palette"
            )
        size = {"channels": 1, "values": len(palette), "categories": True}
        recipe = recipe.model_copy(update={"network": network.model_copy(update=size)})
    values = recipe.network.config().values
    palette, whose = (
        (palette, whose)
        if palette
        else (greys(values), "greys, since the data says none")
    )
    if len(palette) != values:
        raise DataError(
            f"{section.path} has {len(palette)} colours: expected network.values = {len(palette)}"
        )
    return Categories(
        recipe, palette, f"{values} categories, {whose}: {', '.join(palette)}"
    )
