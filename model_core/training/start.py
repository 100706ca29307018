"""Training on from the weights of a model that exists, instead of random ones."""

import os
from dataclasses import fields
from pathlib import Path

from model_core.config import NetworkConfig
from model_core.errors import ConfigError
from model_core.models import Model, load_model


def starting_model(name_or_path: str, config: NetworkConfig) -> Model:
    """The model that training.start names, by its name in the models directory or by the path of its own.

    Raises ModelError when there is none or it is damaged, ConfigError when its network is not the recipe's.
    """
    model = load_model(Path(name_or_path).expanduser() if os.sep in name_or_path else name_or_path)
    for field in fields(config):
        theirs, ours = getattr(model.config, field.name), getattr(config, field.name)
        if theirs != ours:
            raise ConfigError(
                f"training.start = {name_or_path} is of another network: "
                f"its {field.name} is {theirs}, the recipe's network.{field.name} is {ours}"
            )
    return model
