"""The card of a model: what it is, where it comes from, how well it does. Kept as card.json beside the weights."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from model_core.config import NetworkConfig
from model_core.errors import ConfigError, ModelError
from model_core.orientation import Orientation, check_orientation

_KINDS = {"name": str, "parameters": int, "data": str, "training": dict, "scores": dict, "sha256": str}
_WORDS = {str: "a string", int: "a whole number", dict: "an object"}


@dataclass(frozen=True)
class Card:
    """scores holds what `pixelrnn evaluate` measured: split, nats, bits_per_dim, standard errors, images."""

    name: str
    config: NetworkConfig
    parameters: int
    data: str = "nothing: random weights"
    orientation: Orientation = "none"
    """How the images were turned that it was trained on."""
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read card.json; ModelError when it is not a card."""
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**facts, "config": NetworkConfig.from_dict(facts["config"])})._checked()
        except FileNotFoundError:
            raise ModelError(
                f"{path.parent} has no card.json: a model is a directory with a card and weights"
            ) from None
        except (json.JSONDecodeError, UnicodeDecodeError, TypeError, KeyError, AttributeError, ConfigError) as error:
            raise ModelError(f"{path} is not a model card: {error}") from None
        except OSError as error:
            raise ModelError(f"cannot read {path}: {error.strerror}") from None

    def _checked(self) -> Self:
        for name, kind in _KINDS.items():
            if not isinstance(value := getattr(self, name), kind):
                raise TypeError(f"{name} must be {_WORDS[kind]}, not {value!r}")
        check_orientation(self.orientation, self.config.height, self.config.width)
        return self

    def write(self, path: Path) -> None:
        """Write card.json."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
