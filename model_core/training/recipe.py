"""A training recipe: one TOML file, read strictly, because a misspelt key must fail now and not after a night."""

import tomllib
from collections.abc import Sequence
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
"""A rate of Muon that half of it and twice as much did not beat by more than 0.1 nats, in runs of 250 to 4,000 updates
(docs/internals/performance.md)."""


class NetworkSection(_Section):
    """A preset by name, and what differs from it."""

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
        """The network to build; ConfigError for an unknown preset or an impossible size."""
        return preset(self.preset).with_overrides(
            **self.model_dump(exclude={"preset"}, exclude_none=True)
        )


class DataSection(_Section):
    """The images' place. Limits take images spread evenly over a split; 0 takes all."""

    path: Path
    title: str = ""
    """Name of the data in the model's card, before the name of the file and how it was read."""
    train_images: int = Field(default=0, ge=0)
    valid_images: int = Field(default=0, ge=0)
    resize: Resize = "lanczos"
    """The filter for pictures of another size than the network's."""
    palette: Literal["none", "auto"] | Annotated[int, Field(ge=3, le=256)] = "none"
    """The colours of the data become categories, at most so many, auto: 256: the network's values are theirs."""
    crops: bool = False
    """The images are parts of the network's size, at random places, of a folder's larger pictures, or of its one."""
    orientation: Orientation = "none"
    """How the images are turned before the network sees them: one of Pillow's transposes."""
    originals: Path | None = None
    """Grey pictures that the images of a binary data set are draws of. Training then draws each image anew each time it
    sees it, a pixel white with the probability of its grey. Their labels are those of the images."""
    download: bool = False
    """Fetch the data set from its official address when there is nothing at `path`, whose name says which."""


class TrainingSection(_Section):
    """How the network is fitted. Iterations are optimiser updates, over all processes together."""

    epochs: int = Field(ge=1)
    epoch_updates: int = Field(default=0, ge=0)
    """Updates that make an epoch, which a validation ends; 0: as many as one pass over the images takes."""
    patience: int = Field(default=0, ge=0)
    """Epochs in a row without a better validation score after which the run ends; 0: it goes on to its last epoch."""
    start: str = ""
    """A model to train on from, by name or by path; its network must be the recipe's. Empty: random weights."""
    start_turned: bool = False
    """Allows a start that was trained in another orientation than the recipe's."""
    batch: int = Field(default=16, ge=1)
    """Images in one update: 16 in the paper, "as this seems to regularize the models" (section 5.2)."""
    seed: int = Field(default=0, ge=0)
    rule: Literal["rmsprop", "muon"] = "rmsprop"
    """rmsprop: the paper's. muon: most kernels move by their orthogonal momentum and want a rate ten times as high, all
    else by Adam's rule; `momentum` and `alpha` of 0.95 go with it."""
    learning_rate: Annotated[
        float,
        BeforeValidator(lambda told: 0.0 if told == "auto" else told),
        Field(ge=0),
    ] = 1e-3
    """auto, or 0, for Muon from random weights: AUTO_RATE times the run's updates to the power of AUTO_POWER."""
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    warmup: int = Field(default=0, ge=0)
    """Iterations over which the learning rate rises linearly from 0."""
    final_factor: float = Field(default=0.0, ge=0, le=1)
    """Cosine: the last learning rate over the first."""
    step_epochs: float = Field(default=10, gt=0)
    step_factor: float = Field(default=0.5, gt=0, le=1)
    """Step: every step_epochs epochs the learning rate is multiplied by step_factor."""
    alpha: float = Field(default=0.99, ge=0, lt=1)
    epsilon: float = Field(default=1e-8, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    centered: bool = False
    weight_decay: float = Field(default=0.0, ge=0)
    """Muon: at each update the matrices shrink by this share times the learning rate (Loshchilov and Hutter, 2019)."""
    clip: float = Field(default=0.0, ge=0)
    """Largest norm of the gradient of nats per dimension; 0 does not clip."""
    ema: float = Field(default=0.9995, ge=0, lt=1)
    """Decay of the averaged weights, which are the ones that are published; 0 keeps no average."""
    device: str = "cpu"
    """cpu, or cuda: with several processes on a host, each takes the GPU of its own number."""
    precision: Literal["float32", "bf16", "tf32"] = "float32"
    """tf32: products of float32 numbers of which ten bits of the fraction are used, on a CUDA device. bf16: products of
    bf16 numbers, on a CUDA device (autocast) or a processor with AVX512-BF16; weights, sums of gradients and every
    evaluation stay in float32."""
    compile: bool = False
    """Lets torch.compile make the update's code, on a CUDA device."""
    micro_batch: int = Field(default=0, ge=0)
    """Images of a process's share that are in memory at once; 0 takes all. The curve is the same."""

    @model_validator(mode="after")
    def _is_of_its_rule(self) -> Self:
        if self.rule != "muon" and (not self.learning_rate or self.weight_decay):
            raise ValueError(
                "learning_rate = auto and weight_decay are for rule = muon: expected that rule"
            )
        return self


class OutputSection(_Section):
    """The files that a run writes, and how often."""

    log_every: int = Field(default=100, ge=1)
    checkpoint_every: int = Field(default=500, ge=1)
    samples: int = Field(default=16, ge=0, le=256)
    """Images in the grid drawn after each epoch; 0 draws none."""
    tensorboard: bool = True


class Recipe(_Section):
    """Everything that decides a run."""

    network: NetworkSection
    data: DataSection
    training: TrainingSection
    output: OutputSection = OutputSection()

    @classmethod
    def load(cls, path: Path, changes: Sequence[str] = ()) -> Self:
        """Read a TOML file, or one that comes with the project by its name alone; then apply changes like
        `training.epochs=5`, values as in TOML.

        Raises ConfigError that names the file, or the change, and the first wrong key.
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
        return cls.changed(tree, changes, str(path))

    @classmethod
    def changed(cls, tree: dict[str, Any], changes: Sequence[str], source: str) -> Self:
        """A recipe of what a file holds, after changes to it; ConfigError as in `load`, which names the source."""
        for change in changes:
            _apply(tree, change)
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            raise ConfigError(f"{source}: {first_complaint(error)}") from None


def _find(path: Path) -> Path:
    known = shipped.RECIPES / f"{path}.toml"
    return (
        known
        if len(path.parts) == 1 and not path.exists() and known.is_file()
        else path
    )


def _apply(tree: dict[str, Any], change: str) -> None:
    key, _, text = change.partition("=")
    section, _, name = key.strip().partition(".")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = (
            text.strip()
        )  # a bare word is a string: nobody should have to quote quotes
    if not (section and name and isinstance(tree.setdefault(section, {}), dict)):
        raise ConfigError(
            f"cannot change {change!r}: expected SECTION.KEY=VALUE, like training.epochs=5"
        )
    tree[section][name] = value
