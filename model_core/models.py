"""Models on disk and in memory. On disk a model is a directory with weights.safetensors
and card.json; pickle is never read."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
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
    """One probability distribution over images, made of one or several networks of the
    same shape and of their labels (components.py). Models are compared by identity.

    members: the networks, each with the orientation in which it sees images.
    card: its description.
    device: where the weights are, such as cpu.
    label: index of the label that the distribution is conditioned on; None: not
        conditioned.
    """

    members: tuple[Member, ...]
    card: Card
    device: str = "cpu"
    label: int | None = None
    guides: tuple[Member, ...] = ()
    """Networks that propose draws for holes; some may be members."""

    @classmethod
    def of(cls, network: Network, card: Card, device: str = "cpu") -> Self:
        """Return the model of one network that was trained on upright images."""
        return cls((Member(network),), card, device)

    @property
    def config(self) -> NetworkConfig:
        """Config of its networks."""
        return self.card.config

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """The distributions that the model is a mixture of."""
        return components_of(
            self.members, [label.prior for label in self.card.labels], self.label
        )

    def given(self, label: int | str | None) -> "Model":
        """Return the model conditioned on a label, given by its name or index; this
        model for None. Raise ConfigError if there is no such label."""
        number = self.card.label_number(label)
        return self if number is None else replace(self, label=number)

    @property
    def network(self) -> Network:
        """The network of a model that has only one; raises ModelError for a mixture."""
        if len(self.members) != 1:
            raise ModelError(
                f"{self.card.name} is a mixture of {len(self.members)} networks: "
                "expected a model of one"
            )
        return self.members[0].network

    def field(self, width: int, height: int) -> tuple["Model", Windows]:
        """Return the model that draws and scores fields of this size, made of its
        upright members at that width, and the fields' windows.

        Raises ConfigError if the size is below that of an image, if the model is
        Multi-Scale, or if it has no upright member.
        """
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
        card_members = tuple(
            member for member in self.card.members if member.orientation == "none"
        )
        config = replace(self.config, width=width)
        card = replace(self.card, config=config, members=card_members)
        windows = Windows(self.config.height, self.card.step, height)
        return Model(members, card, self.device, self.label), windows

    def member_models(self) -> Iterator["Model"]:
        """Yield each of a mixture's networks as a model, in the members' order."""
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
    """Return a model of a preset with random weights from `seed`; torch's global
    generator stays as it is.

    overrides: fields of `NetworkConfig` to change, such as layers, hidden, head,
        height, width, channels or values. Raises ConfigError for an unknown preset or
        field, or an invalid value.
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
    """Return a network for images of this width that shares the weights of `network`:
    the network itself if it has this width."""
    if network.config.width == width:
        return network
    other = copy(network)  # a shallow copy, so the parameters are shared
    other.config = replace(network.config, width=width)
    return other


def save_model(model: Model, directory: Path) -> Card:
    """Write weights, guides and card to `directory`, and return the card with its
    digests. The model takes the directory's name. Members with equal weights share one
    file. Files of weights of an older model there that this one has not are deleted.

    Raises ModelError if a file cannot be written; an older model is then as it was.
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
            # A network and its mirror image have the same weights.
            owners: dict[str, str] = {}  # digest -> the file that is kept
            for file, digest in zip(files, digests, strict=True):
                owners.setdefault(digest, file)
            card = _with_digests(
                replace(model.card, name=directory.name, guides=()), digests, owners
            )
            for guide, old in zip(model.guides, model.card.guides, strict=False):
                digest = _save_weights(guide.network, drafts / "guide")
                facts = replace(old, sha256=digest)
                card = replace(card, guides=(*card.guides, facts))
                if not facts.is_one_of(card.members):
                    (directory / GUIDES).mkdir(exist_ok=True)
                    (drafts / "guide").replace(directory / facts.file)
            card.write(drafts / CARD)
            former = _files_of_model(directory)
            for name in (*owners.values(), CARD):
                (drafts / name).replace(directory / name)
            # The card is exchanged first: until then it names the former files.
            for name in former - card.files:
                (directory / name).unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(
            f"cannot write the model {directory}: {error.strerror or error}"
        ) from None
    return card


def _files_of_model(directory: Path) -> set[str]:
    """Return the files of weights of the model in a directory; an empty set if there is
    none or its card is damaged."""
    try:
        return Card.read(directory / CARD).files
    except ModelError:
        return set()


def _save_weights(network: Network, path: Path) -> str:
    """Write a network's weights and return the SHA-256 of the file."""
    save_tensors(network.state_dict(), path)
    path.chmod(0o644)  # safetensors makes it private; a worker may run as another user
    return _digest(path)


def _with_digests(card: Card, digests: list[str], files: Mapping[str, str]) -> Card:
    """Return the card with these digests of the weights, one for each network.

    files: the file with the weights of each digest.
    """
    if not card.members:
        return replace(card, sha256=digests[0])
    members = tuple(
        replace(member, weights=files[digest], sha256=digest)
        for member, digest in zip(card.members, digests, strict=True)
    )
    return replace(card, sha256=mixture_digest(members), members=members)


def load_model(
    name_or_path: str | Path, device: str = "cpu", models_dir: str | Path | None = None
) -> Model:
    """Return a model, given its name in the models directory or among its records, or
    the path of its own directory.

    models_dir: the models directory. Default: `default_models_dir()`.

    Raises ModelError if there is none, or if its weights are damaged, not finite or not
    those of its card; ConfigError if there is no such device.
    """
    check_device(device)
    directory = directory_of(
        name_or_path, None if models_dir is None else Path(models_dir)
    )
    card = Card.read(directory / CARD)
    if card.members and card.sha256 != mixture_digest(card.members):
        raise ModelError(
            f"{directory / CARD}: its sha256 is not that of its members: one of them "
            "was changed"
        )
    files = card.members or (CardMember("none", WEIGHTS, card.sha256),)
    members = _load_members(directory, card.config, files, device)
    # A guide that is also a member is loaded once.
    by_key = {
        (each.sha256, each.orientation): member
        for each, member in zip(files, members, strict=True)
    }
    guides = tuple(
        by_key.get((guide.sha256, guide.orientation))
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
    """Return the model in a directory, or among its records, whose weights have this
    SHA-256. If several have, prefer the one with this identity.

    models_dir: the models directory. Default: `default_models_dir()`.

    Raises ModelError if there is none, or if it cannot be loaded.
    """
    directory, _ = models_in(models_dir)
    found: dict[str, Path] = {}
    for path in (*cards_in(directory), *cards_in(directory / RECORDS)):
        try:
            card = Card.read(path)
        except ModelError:
            continue  # a damaged card of another model does not matter here
        if card.sha256 == sha256:
            found.setdefault(card.identity, path.parent)
    if found:
        return load_model(found.get(identity, next(iter(found.values()))), device)
    raise ModelError(
        f"no model in {directory} has the sha256 {sha256[:12]}... that is named"
    )


def _load_members(
    directory: Path, config: NetworkConfig, files: Sequence[CardMember], device: str
) -> tuple[Member, ...]:
    """Return the networks in these files. Members with one file share its weights."""
    loaded: dict[tuple[str, str], Network] = {}  # by file and SHA-256
    members: list[Member] = []
    for each in files:
        key = each.weights, each.sha256
        if key not in loaded:
            member = _load_member(directory, config, each, device)
            loaded[key] = member.network
        else:
            # A shallow copy shares the parameters. It is a network of its own because
            # the particles of each member are drawn in arrays of its own, which
            # `posterior.particles.Stages` finds by the network.
            member = Member(copy(loaded[key]), each.orientation)
        members.append(member)
    return tuple(members)


def _load_member(
    directory: Path, config: NetworkConfig, member: CardMember, device: str
) -> Member:
    path = directory / member.weights
    network = network_with(config, _read_weights(path, member.sha256), path)
    return Member(network.to(device).eval().requires_grad_(False), member.orientation)


def device_of(name: str, setting: str = "") -> torch.device:
    """Return the torch device of this name. Disables TF32 on GPUs in this process from
    now on. Raise ConfigError if the name is invalid.

    setting: text before the name in the message, such as the name of an environment
        variable.
    """
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
    """Raise ConfigError, which says what is missing, if the device of this name cannot
    be used or the name is invalid. Disables TF32 in this process."""
    device = device_of(name)
    if device.type != "cuda":
        return
    missing = gpu_support().missing(device.index or 0)
    if missing is not None:
        raise ConfigError(f"there is no {name}: {missing}")


def directory_of(name_or_path: str | Path, models_dir: Path | None) -> Path:
    """Return the directory of a model, given its name or its path. Raise ModelError if
    there is no model of this name; a path is not checked."""
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
    """Return a network of this config with these weights, by parameter name. Raise
    ModelError if they do not fit the config.

    source: the file that the weights are from, for messages.
    """
    # Before the network is built: a config that claims a far larger network than the
    # file has must not allocate its memory.
    for name, shape in _decisive_shapes(config):
        if name not in tensors or tensors[name].shape != shape:
            found = (
                f"is {tuple(tensors[name].shape)}" if name in tensors else "is missing"
            )
            raise ModelError(
                f"{source} does not contain the network of its description: "
                f"{name} {found}, expected {shape}"
            )
    network = build_network(config)
    _check(tensors, network, source)
    network.load_state_dict(tensors)
    return network


def _decisive_shapes(config: NetworkConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield names and shapes of parameters that together determine the network's
    size."""
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
            f"{path} has sha256 {digest[:12]}..., its card says {sha256[:12]}...: one "
            "of them was changed"
        )
    return tensors


def _check(tensors: dict[str, Tensor], network: Network, path: Path) -> None:
    expected = network.state_dict()
    if set(tensors) != set(expected):
        name = sorted(set(tensors) ^ set(expected))[0]
        problem = "is missing" if name in expected else "does not belong to it"
        raise ModelError(
            f"{path} does not contain the network of its description: {name} {problem}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise ModelError(
                f"{path}: {name} is {tuple(tensor.shape)}, expected "
                f"{tuple(expected[name].shape)}"
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
    """Return the number of learned weights, without those that a mask hides."""
    hidden = sum(
        int((buffer == 0).sum())
        for name, buffer in network.named_buffers()
        if name.endswith("mask")
    )
    return sum(parameter.numel() for parameter in network.parameters()) - hidden
