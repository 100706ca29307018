"""Models on disk and in memory: a directory with weights.safetensors and card.json, never pickle."""

import hashlib
import os
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from model_core.card import Card, CardMember, check_field, even_labels, mixture_digest
from model_core.components import Component, Member, components_of
from model_core.config import NetworkConfig, preset
from model_core.data.palette import greys
from model_core.errors import ConfigError, ModelError
from model_core.float32 import keep_float32_whole
from model_core.gpu import gpu_support
from model_core.models_directory import (
    CARD,
    GUIDES,
    RECORDS,
    WEIGHTS,
    cards_in,
    default_models_dir,
    model_names,
    models_in,
)
from model_core.networks import Network, build_network
from model_core.regular_files import open_regular
from model_core.tensor_files import save_tensors
from model_core.windows import Windows


@dataclass(frozen=True, eq=False)
class Model:
    """One probability distribution over images: that of a network, or of several of one shape and of their labels
    (components.py). A model equals only itself.

    label: the one that is given; the distribution is then that of images with this label.
    """

    members: tuple[Member, ...]
    card: Card
    device: str = "cpu"
    label: int | None = None
    guides: tuple[Member, ...] = ()
    """Networks that propose draws for holes; some may be members."""

    @classmethod
    def of(cls, network: Network, card: Card, device: str = "cpu") -> Self:
        """The model of one network that was trained on images as they are."""
        return cls((Member(network),), card, device)

    @property
    def config(self) -> NetworkConfig:
        return self.card.config

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """The distributions that it is made of."""
        return components_of(
            self.members, [label.prior for label in self.card.labels], self.label
        )

    def given(self, label: int | str | None) -> "Model":
        """The model of images with this label, a name or a number; None: this one. ConfigError when there is none."""
        number = self.card.label_number(label)
        return self if number is None else replace(self, label=number)

    @property
    def network(self) -> Network:
        """The network of a model that has one; ModelError when it has several."""
        if len(self.members) != 1:
            raise ModelError(
                f"{self.card.name} is a mixture of {len(self.members)} networks: expected a model of one"
            )
        return self.members[0].network

    def field(self, width: int, height: int) -> tuple["Model", Windows]:
        """The model of fields of this size, its upright members at that width, and their windows. Raises ConfigError
        where there are none: for a smaller size, and of a model of two scales or without such a member."""
        check_field(self.card, width, height)
        members = tuple(
            Member(at_width(each.network, width))
            for each in self.members
            if each.orientation == "none"
        )
        if not members:
            raise ConfigError(
                f"{self.card.name} has no upright network: its pictures have one size"
            )
        told = tuple(
            member for member in self.card.members if member.orientation == "none"
        )
        card = replace(
            self.card, config=replace(self.config, width=width), members=told
        )
        return Model(members, card, self.device, self.label), Windows(
            self.config.height, self.card.step, height
        )

    def alone(self) -> Iterator["Model"]:
        """Each of a mixture's networks as a model of its own, in the members' order."""
        count = self.card.parameters // len(self.members)
        for member, facts in zip(self.members, self.card.members, strict=True):
            card = replace(
                self.card,
                parameters=count,
                training=facts.training,
                scores={},
                sha256=facts.sha256,
            )
            yield Model(
                (member,),
                replace(card, members=(facts,), guides=()),
                self.device,
                self.label,
            )


def untrained(preset_name: str, seed: int = 0, **overrides: int | bool | str) -> Model:
    """A preset with random weights from `seed`, at any size: layers, hidden, head, height, width, channels, values.

    Raises ConfigError for an unknown preset or an impossible size.
    """
    config = preset(preset_name).with_overrides(**overrides)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(config)
    network.eval().requires_grad_(False)
    palette = greys(config.values) if config.categories else ()
    labels = even_labels(config.labels)
    return Model.of(
        network,
        Card(
            preset_name,
            config,
            count_parameters(network),
            palette=palette,
            labels=labels,
        ),
    )


def at_width(network: Network, width: int) -> Network:
    """The same weights in a network of this width."""
    if network.config.width == width:
        return network
    twin = copy(network)  # it has the same parameters, not copies of them
    twin.config = replace(network.config, width=width)
    return twin


def save_model(model: Model, directory: Path) -> Card:
    """Write weights, guides and card to `directory`, whose name becomes the model's; returns the card with its digests.

    Raises ModelError when they cannot be written: what was there before then still stands.
    """
    files = [member.weights for member in model.card.members] or [WEIGHTS]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"cannot make the directory {directory}: {error.strerror}"
        ) from None
    try:
        with TemporaryDirectory(prefix=".", dir=directory) as place:
            drafts = Path(place)
            digests = [
                _save_weights(each.network, drafts / file)
                for each, file in zip(model.members, files, strict=True)
            ]
            card = _with_digests(
                replace(model.card, name=directory.name, guides=()), digests
            )
            for guide, facts in zip(model.guides, model.card.guides, strict=False):
                facts = replace(
                    facts, sha256=_save_weights(guide.network, drafts / "guide")
                )
                card = replace(card, guides=(*card.guides, facts))
                if not facts.is_one_of(card.members):
                    (directory / GUIDES).mkdir(exist_ok=True)
                    (drafts / "guide").replace(directory / facts.file)
            card.write(drafts / CARD)
            for name in (*files, CARD):
                (drafts / name).replace(directory / name)
    except OSError as error:
        raise ModelError(
            f"cannot write the model {directory}: {error.strerror or error}"
        ) from None
    return card


def _save_weights(network: Network, path: Path) -> str:
    """Write a network's weights and return the file's digest."""
    save_tensors(network.state_dict(), path)
    path.chmod(0o644)  # safetensors makes it private; a worker may run as another user
    return _digest(path)


def _with_digests(card: Card, digests: list[str]) -> Card:
    """The card of weights with these digests, one for each network."""
    if not card.members:
        return replace(card, sha256=digests[0])
    members = tuple(
        replace(member, sha256=digest)
        for member, digest in zip(card.members, digests, strict=True)
    )
    return replace(card, sha256=mixture_digest(members), members=members)


def load_model(
    name_or_path: str | Path, device: str = "cpu", models_dir: str | Path | None = None
) -> Model:
    """Load a model by its name in the models directory, or among its records, or by the path of its own directory.

    Raises ModelError when there is none, or when its weights are damaged, not finite, or not those of its card;
    ConfigError when there is no such device.
    """
    check_device(device)
    directory = directory_of(
        name_or_path, None if models_dir is None else Path(models_dir)
    )
    card = Card.read(directory / CARD)
    if card.members and card.sha256 != mixture_digest(card.members):
        raise ModelError(
            f"{directory / CARD}: its sha256 is not that of its members: one of them was changed"
        )
    files = card.members or (CardMember("none", WEIGHTS, card.sha256),)
    members = tuple(
        _load_member(directory, card.config, member, device) for member in files
    )
    own = {
        (each.sha256, each.orientation): member
        for each, member in zip(files, members, strict=True)
    }
    guides = tuple(
        own.get((guide.sha256, guide.orientation))
        or _load_member(
            directory,
            guide.config,
            CardMember(guide.orientation, guide.file, guide.sha256),
            device,
        )
        for guide in card.guides
    )
    return Model(members, card, device, guides=guides)


def load_by_digest(
    sha256: str, models_dir: Path | None = None, device: str = "cpu", identity: str = ""
) -> Model:
    """Load the model of a directory, or of its records, that has these weights; of several, the one of this identity.
    Raises ModelError when none has, or as load_model."""
    directory, _ = models_in(models_dir)
    found: dict[str, Path] = {}
    for path in (*cards_in(directory), *cards_in(directory / RECORDS)):
        try:
            card = Card.read(path)
        except ModelError:
            continue  # whatever is wrong with another model
        if card.sha256 == sha256:
            found.setdefault(card.identity, path.parent)
    if found:
        return load_model(found.get(identity, next(iter(found.values()))), device)
    raise ModelError(
        f"no model in {directory} has the sha256 {sha256[:12]}... that is named"
    )


def _load_member(
    directory: Path, config: NetworkConfig, member: CardMember, device: str
) -> Member:
    path = directory / member.weights
    network = network_with(config, _read_weights(path, member.sha256), path)
    return Member(network.to(device).eval().requires_grad_(False), member.orientation)


def device_of(name: str, setting: str = "") -> torch.device:
    """The device of this name, which a setting says; ConfigError where it is none. On a GPU float32 is float32 from now
    on."""
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(
            f"{setting}{name!r} is no device: expected cpu, cuda or cuda:1"
        )
    keep_float32_whole()
    return device


def check_device(name: str) -> None:
    """Raise ConfigError, with what is missing, unless tensors can be put on a device of
    this name; otherwise as `device_of`."""
    device = device_of(name)
    if device.type != "cuda":
        return
    missing = gpu_support().missing(device.index or 0)
    if missing is not None:
        raise ConfigError(f"there is no {name}: {missing}")


def directory_of(name_or_path: str | Path, models_dir: Path | None) -> Path:
    """The directory of a model; ModelError when there is none of this name."""
    name = str(name_or_path)
    if isinstance(name_or_path, Path) or os.sep in name:
        return Path(name_or_path)
    directory = models_dir or default_models_dir()
    names = model_names(directory)
    if name not in names and name in model_names(directory / RECORDS):
        return directory / RECORDS / name
    if name not in names:
        raise ModelError(
            f"no model {name!r} in {directory}: there is {', '.join(names) or 'none'}"
        )
    return directory / name


def network_with(
    config: NetworkConfig, tensors: dict[str, Tensor], source: Path
) -> Network:
    """A network with these weights; ModelError, which names the file they are from, when they are not its own."""
    for name, shape in _decisive_shapes(config):
        if name not in tensors or tensors[name].shape != shape:
            found = (
                f"is {tuple(tensors[name].shape)}" if name in tensors else "is missing"
            )
            raise ModelError(
                f"{source} does not hold the network that is described: {name} {found}, expected {shape}"
            )
    network = build_network(config)
    _check(tensors, network, source)
    network.load_state_dict(tensors)
    return network


def _decisive_shapes(config: NetworkConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Shapes that tell a network's size, so that one which is described far too large is never built."""
    stages = (
        {"small.": config.small, "large.": config}
        if config.multi_scale
        else {"": config}
    )
    for prefix, stage in stages.items():
        yield f"{prefix}input.bias", (stage.features,)
        yield f"{prefix}blocks.{stage.layers - 1}.up.bias", (stage.features,)
        yield f"{prefix}head.first.bias", (stage.head,)
    if config.multi_scale:
        yield "upsampler.first.bias", (config.conditioning,)


def _read_weights(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        digest = _digest(path)
        tensors = load_file(path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from None
    except SafetensorError as error:
        raise ModelError(f"{path} is not a safetensors file: {error}") from None
    if digest != sha256:
        raise ModelError(
            f"{path} has sha256 {digest[:12]}..., its card says {sha256[:12]}...: one of them was changed"
        )
    return tensors


def _check(tensors: dict[str, Tensor], network: Network, path: Path) -> None:
    expected = network.state_dict()
    if set(tensors) != set(expected):
        odd = sorted(set(tensors) ^ set(expected))[0]
        raise ModelError(
            f"{path} does not hold the network that is described: {odd} is missing or too much"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise ModelError(
                f"{path}: {name} is {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}"
            )
        if tensor.dtype != expected[name].dtype:
            raise ModelError(
                f"{path}: {name} is {tensor.dtype}, not {expected[name].dtype}"
            )
        if not tensor.isfinite().all():
            raise ModelError(f"{path}: {name} holds values that are not finite")


def _digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_parameters(network: Network) -> int:
    """Weights that are learned: what a mask hides does not count."""
    hidden = sum(
        int((buffer == 0).sum())
        for name, buffer in network.named_buffers()
        if name.endswith("mask")
    )
    return sum(parameter.numel() for parameter in network.parameters()) - hidden
