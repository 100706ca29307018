"""A training recipe: one TOML file, in which unknown keys are errors, because a
misspelt key must fail at once and not after a night."""

import tomllib
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from model_core import shipped
from model_core.config import NetworkConfig, preset
from model_core.data.options import Resize
from model_core.errors import ConfigError, first_complaint
from model_core.orientation import Orientation


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


AUTO_RATE, AUTO_POWER = 0.137, -0.4
"""The automatic rate of Muon: AUTO_RATE * updates**AUTO_POWER. In runs of 250 to 4,000
updates, neither half nor twice of it was better by more than 0.1 nats
(docs/internals/performance.md)."""


class NetworkSection(_Section):
    """The section [network] of a recipe: a preset by name, and the fields of
    NetworkConfig that differ from it."""

    preset: str
    height: int | None = None
    width: int | None = None
    channels: int | None = None
    values: int | None = None
    layers: int | None = None
    hidden: int | None = None
    head: int | None = None
    residual: bool | None = None
    skip: bool | None = None
    factor: int | None = None
    conditioning: int | None = None
    small_layers: int | None = None
    small_hidden: int | None = None
    labels: int | None = None
    categories: bool | None = None

    def config(self) -> NetworkConfig:
        """Return the config of the network. Raises ConfigError for an unknown preset or
        an invalid field."""
        return preset(self.preset).with_overrides(
            **self.model_dump(exclude={"preset"}, exclude_none=True)
        )


class DataSection(_Section):
    """The section [data] of a recipe: where the images are, and how they are read.

    path: directory or file of a data set.
    train_images, valid_images: use at most this many images of the split, spread evenly
        over it; 0: all.
    """

    path: Path
    title: str = ""
    """Name of the data in the model's card, before the name of the file and how it was
    read."""
    train_images: int = Field(default=0, ge=0)
    valid_images: int = Field(default=0, ge=0)
    resize: Resize = "lanczos"
    """The filter for pictures of another size than the network's."""
    palette: Literal["none", "auto"] | Annotated[int, Field(ge=3, le=256)] = "none"
    """Turn the colours of the data into categories, at most this many; auto: at most
    256. The network's values are then their number."""
    crops: bool = False
    """The images are crops, at random places, of the larger pictures in a folder, or of
    its only one."""
    orientation: Orientation = "none"
    """How the images are turned before the network sees them: one of Pillow's
    transposes."""
    originals: Path | None = None
    """Grey pictures from which the images of a binary data set were drawn. Training
    then draws each image again whenever it is used: a pixel is white with the
    probability of its grey. The images have the labels of their originals."""
    download: bool = False
    """Download the data set from its official address if there is nothing at `path`;
    the last part of the path is its name."""


class TrainingSection(_Section):
    """The section [training] of a recipe: how the network is fitted. Iterations are
    updates, by all processes together."""

    epochs: int = Field(ge=1)
    """Epochs of the run, each of which ends with a validation."""
    epoch_updates: int = Field(default=0, ge=0)
    """Updates of an epoch, after which there is a validation; 0: as many as one pass
    over the images takes."""
    patience: int = Field(default=0, ge=0)
    """The run ends after this many epochs in a row without a better validation score;
    0: only after its last epoch."""
    start: str = ""
    """Name or path of the model whose weights the training begins with; it must fit the
    recipe's network. Empty: random weights."""
    start_turned: bool = False
    """Allow a start that was trained in another orientation than the recipe's."""
    batch: int = Field(default=16, ge=1)
    """Images in one update: 16 in the paper, "as this seems to regularize the models"
    (section 5.2)."""
    seed: int = Field(default=0, ge=0)
    """Decides the random weights and the order of the images."""
    rule: Literal["rmsprop", "muon"] = "rmsprop"
    """rmsprop: the rule of the paper. muon: moves most kernels by their orthogonal
    momentum, and all other weights by Adam's rule. It needs a rate ten times as high,
    and `momentum` and `alpha` of 0.95."""
    learning_rate: Annotated[
        float,
        BeforeValidator(lambda value: 0.0 if value == "auto" else value),
        Field(ge=0),
    ] = 1e-3
    """auto, or 0, is for Muon from random weights: AUTO_RATE times the run's updates to
    the power of AUTO_POWER."""
    schedule: Literal["constant", "cosine", "step", "stable"] = "cosine"
    """How the learning rate falls during the run. stable: it stays constant, and falls
    linearly to 0 in the last part, `decay` (Haegele et al., 2024, arXiv:2405.18392)."""
    decay: float = Field(default=0.25, gt=0, le=1)
    """Stable schedule: the last part of the run's updates, in which the rate falls."""
    warmup: int = Field(default=0, ge=0)
    """Iterations over which the learning rate rises linearly from 0."""
    final_factor: float = Field(default=0.0, ge=0, le=1)
    """Cosine schedule: the last learning rate divided by the first."""
    step_epochs: float = Field(default=10, gt=0)
    step_factor: float = Field(default=0.5, gt=0, le=1)
    """Step schedule: the learning rate is multiplied by step_factor every step_epochs
    epochs."""
    alpha: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the mean of the squared gradients."""
    epsilon: float = Field(default=1e-8, gt=0)
    """Number added to the root of that mean, so that nothing is divided by zero."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the momentum; 0: none."""
    centered: bool = False
    """rmsprop: subtract the square of the mean gradient (Graves's variant)."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Muon: at each update the matrices are reduced by this share times the learning
    rate (Loshchilov and Hutter, 2019)."""
    clip: float = Field(default=0.0, ge=0)
    """Largest norm of the gradient of nats per dimension; 0: no clipping."""
    ema: float = Field(default=0.9995, ge=0, lt=1)
    """Decay of the averaged weights, which are the ones that are published; 0: no
    average."""
    device: str = "cpu"
    """cpu, or cuda: with several processes on a host, each takes the GPU with its own
    number."""
    precision: Literal["float32", "bf16", "tf32"] = "float32"
    """Type of the factors of products. tf32: float32 with ten bits of fraction, on a
    CUDA device. bf16: bfloat16, on a CUDA device (autocast) or a CPU with AVX512-BF16.
    Weights, sums of gradients and all evaluations stay in float32."""
    compile: bool = False
    """Use torch.compile for the updates, on a CUDA device."""
    micro_batch: int = Field(default=0, ge=0)
    """Images of a share that are in memory at once; 0: all. The result is the same."""
    shares: int = Field(default=0, ge=0)
    """Equal parts of each batch, whose gradients are added in the order of their
    numbers. At most as many processes compute them, and the weights do not depend on
    how many. 0: one share for each process."""

    @model_validator(mode="after")
    def _check_rule(self) -> Self:
        if self.rule != "muon" and (not self.learning_rate or self.weight_decay):
            raise ValueError(
                "learning_rate = auto and weight_decay are for rule = muon: expected "
                "that rule"
            )
        return self


class OutputSection(_Section):
    """The section [output] of a recipe: the files that a run writes.

    log_every: updates between two lines of the log.
    checkpoint_every: updates between two checkpoints.
    tensorboard: True to write files for TensorBoard.
    """

    log_every: int = Field(default=100, ge=1)
    checkpoint_every: int = Field(default=500, ge=1)
    samples: int = Field(default=16, ge=0, le=256)
    """Images in the grid that is drawn after each epoch; 0: none."""
    tensorboard: bool = True


class Recipe(_Section):
    """Everything that determines a run. Unknown keys are errors."""

    network: NetworkSection
    data: DataSection
    training: TrainingSection
    output: OutputSection = OutputSection()

    @classmethod
    def load(cls, path: Path, changes: Sequence[str] = ()) -> Self:
        """Return the recipe in a TOML file, or the shipped one of this name, with
        changes applied.

        changes: such as `training.epochs=5`, whose values are TOML, or bare words.

        Raises ConfigError, which names the file or the change and the first wrong key,
        if the file cannot be read or the recipe is invalid.
        """
        path = _find(path)
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"cannot read the recipe {path}: {error.strerror}"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not a TOML recipe: {error}") from None
        return cls.from_tree(tree, changes, str(path))

    @classmethod
    def from_tree(
        cls, tree: dict[str, Any], changes: Sequence[str], source: str
    ) -> Self:
        """Return the recipe with the content of a recipe file, with changes applied.

        tree: the parsed TOML, which stays as it is.
        changes: such as "training.batch=4".
        source: the file's name, for messages.

        Raises ConfigError if they do not make a recipe.
        """
        changed = deepcopy(tree)
        for change in changes:
            _apply(changed, change)
        try:
            return cls.model_validate(changed)
        except ValidationError as error:
            raise ConfigError(f"{source}: {first_complaint(error)}") from None


def _find(path: Path) -> Path:
    """Return the path, or that of the shipped recipe if the path is its name and no
    file."""
    known = shipped.RECIPES / f"{path}.toml"
    is_name = len(path.parts) == 1 and not path.exists()
    return known if is_name and known.is_file() else path


def _apply(tree: dict[str, Any], change: str) -> None:
    """Apply a change SECTION.KEY=VALUE to a recipe, in place. Raise ConfigError if it
    has another form."""
    key, _, text = change.partition("=")
    section, _, name = key.strip().partition(".")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        # A bare word is a string, so that users need not quote quotes in a shell.
        value = text.strip()
    if not (section and name and isinstance(tree.setdefault(section, {}), dict)):
        raise ConfigError(
            f"cannot change {change!r}: expected SECTION.KEY=VALUE, like "
            "training.epochs=5"
        )
    tree[section][name] = value
