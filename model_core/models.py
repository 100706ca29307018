"""Models on disk and in memory: a directory with weights.safetensors and card.json, never pickle."""

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from model_core.card import Card
from model_core.config import NetworkConfig, preset
from model_core.errors import ConfigError, ModelError
from model_core.networks import Network, build_network

WEIGHTS, CARD = "weights.safetensors", "card.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Model:
    """A network with its weights, ready to draw, and its card."""

    network: Network
    card: Card
    device: str = "cpu"

    @property
    def config(self) -> NetworkConfig:
        return self.card.config


def default_models_dir() -> Path:
    """PIXELRNN_MODELS_DIR, else the models/ that ships beside this package."""
    return Path(os.environ.get("PIXELRNN_MODELS_DIR") or Path(__file__).resolve().parent.parent / "models")


def check_name(name: str) -> None:
    """ConfigError unless a model of this name can be served."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be a model's name: expected at most 64 of a-z 0-9 . _ -, with a letter or digit first"
        )


def models_in(models_dir: Path | None = None) -> tuple[Path, list[str]]:
    """A directory of models that a person named, and their names; ModelError when it is not there."""
    directory = models_dir or default_models_dir()
    if not directory.is_dir():
        raise ModelError(f"there is no directory {directory}")
    return directory, model_names(directory)


def model_names(models_dir: Path | None = None) -> list[str]:
    """The models in a directory, sorted; names that could not be served are left out."""
    directory = models_dir or default_models_dir()
    return sorted(card.parent.name for card in directory.glob(f"*/{CARD}") if _NAME.fullmatch(card.parent.name))


def untrained(preset_name: str, seed: int = 0, **overrides: int | bool | str) -> Model:
    """A preset with random weights from `seed`, at any size: layers, hidden, head, height, width, channels, values.

    Raises ConfigError for an unknown preset or an impossible size.
    """
    config = preset(preset_name).with_overrides(**overrides)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(config)
    network.eval().requires_grad_(False)
    return Model(network, Card(preset_name, config, count_parameters(network)))


def save_model(model: Model, directory: Path) -> Card:
    """Write weights and card to `directory`, whose name becomes the model's; returns the card with its digest.

    Raises ModelError when the directory cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"cannot make the directory {directory}: {error.strerror}") from None
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.network.state_dict().items()}
    temporary = directory / f".{WEIGHTS}.{os.getpid()}"
    save_file(tensors, temporary)
    card = replace(model.card, name=directory.name, sha256=_digest(temporary))
    temporary.chmod(0o644)  # safetensors makes it private; a worker may run as another user
    temporary.replace(directory / WEIGHTS)
    card.write(directory / CARD)
    return card


def load_model(name_or_path: str | Path, device: str = "cpu", models_dir: Path | None = None) -> Model:
    """Load a model by its name in the models directory, or by the path of its own directory.

    Raises ModelError when there is none, or when its weights are damaged, not finite, or not those of its card;
    ConfigError when there is no such device.
    """
    check_device(device)
    directory = _find(name_or_path, models_dir)
    card = Card.read(directory / CARD)
    network = build_network(card.config)
    _load_weights(network, directory / WEIGHTS, card)
    network.to(device).eval().requires_grad_(False)
    return Model(network, card, device)


def check_upright(model: Model) -> None:
    """ModelError when a model was trained on turned images: it can be evaluated and trained on, not drawn from."""
    if model.card.orientation != "none":
        raise ModelError(
            f"{model.card.name} was trained on images turned by {model.card.orientation!r}: drawing expects a model "
            "whose orientation is 'none'"
        )


def check_device(name: str) -> None:
    """ConfigError unless tensors can be put on a device of this name."""
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"{name!r} is no device: expected cpu, cuda or cuda:1")
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ConfigError(f"there is no {name}: this machine has {count or 'no'} GPU{'' if count == 1 else 's'}")


def _find(name_or_path: str | Path, models_dir: Path | None) -> Path:
    name = str(name_or_path)
    if isinstance(name_or_path, Path) or os.sep in name:
        return Path(name_or_path)
    directory = models_dir or default_models_dir()
    names = model_names(directory)
    if name not in names:
        raise ModelError(f"no model {name!r} in {directory}: there is {', '.join(names) or 'none'}")
    return directory / name


def _load_weights(network: Network, path: Path, card: Card) -> None:
    try:
        digest = _digest(path)
        tensors = load_file(path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from None
    except SafetensorError as error:
        raise ModelError(f"{path} is not a safetensors file: {error}") from None
    if digest != card.sha256:
        raise ModelError(
            f"{path} has sha256 {digest[:12]}..., its card says {card.sha256[:12]}...: one of them was changed"
        )
    _check(tensors, network, path)
    network.load_state_dict(tensors)


def _check(tensors: dict[str, Tensor], network: Network, path: Path) -> None:
    expected = network.state_dict()
    if set(tensors) != set(expected):
        odd = sorted(set(tensors) ^ set(expected))[0]
        raise ModelError(f"{path} does not hold the network its card describes: {odd} is missing or too much")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise ModelError(f"{path}: {name} is {tuple(tensor.shape)}, its card needs {tuple(expected[name].shape)}")
        if tensor.dtype != expected[name].dtype:
            raise ModelError(f"{path}: {name} is {tensor.dtype}, not {expected[name].dtype}")
        if not tensor.isfinite().all():
            raise ModelError(f"{path}: {name} holds values that are not finite")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def count_parameters(network: Network) -> int:
    """Weights that are learned: what a mask hides does not count."""
    hidden = sum(int((buffer == 0).sum()) for name, buffer in network.named_buffers() if name.endswith("mask"))
    return sum(parameter.numel() for parameter in network.parameters()) - hidden
