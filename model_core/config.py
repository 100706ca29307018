"""The configuration of a network, immutable, and the presets of the paper's section
4."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

from model_core.errors import ConfigError
from model_core.kinds import KINDS, Kind

MAX_LABEL_NAME = 64
"""Maximum number of characters of a label's name. Names appear in URLs and in picture
files."""


@dataclass(frozen=True)
class NetworkConfig:
    """Shape and size of one network. The constructor raises ConfigError if the fields
    do not describe one.

    network: the kind, a key of `KINDS`.
    height, width: of an image, in pixels.
    channels: 1 (grey) or 3 (red, green, blue).
    values: V, the number of values of one variable, 2 to 256.
    layers: number of residual blocks.
    hidden: the paper's h. The residual stream has 2h features, divided into R, G and B
        groups.
    head: features of each hidden layer of the head.
    residual, skip: the switches of table 2: connections around each layer, and from
        each layer to the output.

    factor: above 1 makes it a Multi-Scale network (section 3.6). A first, unconditional
        network of the same kind then draws the image at 1 / factor of its size, and
        this one draws the rest.
    conditioning: features of the upsampled map of the small image, which biases every
        layer of the second network.
    small_layers, small_hidden: size of the first network; 0 means the same as the
        second.

    labels: above 0, every layer has a bias for each of that many labels, and an image
        is drawn and scored given one of them. In a Multi-Scale network the first
        network has these biases, and the map of the second depends on the label.
    categories: True if the values have no order. The first convolution then reads each
        value as a one-hot vector.
    """

    network: str
    height: int
    width: int
    channels: int
    values: int
    layers: int
    hidden: int
    head: int
    residual: bool = True
    skip: bool = True
    factor: int = 1
    conditioning: int = 0
    small_layers: int = 0
    small_hidden: int = 0
    labels: int = 0
    categories: bool = False

    def __post_init__(self) -> None:
        if self.network not in KINDS:
            raise ConfigError(
                f"unknown network {self.network!r}: expected one of {', '.join(KINDS)}"
            )
        for name in ("height", "width", "layers"):
            _expect(self, name, 1, 4096)
        _expect(self, "channels", 1, 3)
        if self.channels == 2:
            raise ConfigError(
                "channels must be 1 (grey) or 3 (red, green, blue), not 2"
            )
        _expect(self, "values", 2, 256)
        # Every colour group needs at least one feature.
        for name in ("hidden", "head"):
            _expect(self, name, self.channels, 65536)
        for name in ("residual", "skip", "categories"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise ConfigError(f"{name} must be true or false, not {value!r}")
        self._check_scales()
        _expect(self, "labels", 0, 64)
        if self.categories:
            self._check_categories()

    def _check_categories(self) -> None:
        if self.channels != 1 or self.values == 2:
            raise ConfigError(
                "categories: expected channels = 1 and values from 3 to 256, not "
                f"{self.channels} and {self.values}"
            )
        if self.multi_scale:
            raise ConfigError(
                "categories cannot be Multi-Scale: no category is the mean of others"
            )

    def _check_scales(self) -> None:
        _expect(self, "factor", 1, 64)
        if self.factor & (self.factor - 1):
            raise ConfigError(
                f"factor must be a power of two, not {self.factor}: each "
                "deconvolution doubles the size"
            )
        if self.height % self.factor or self.width % self.factor:
            raise ConfigError(
                f"height and width must be multiples of factor {self.factor}, not "
                f"{self.height} x {self.width}"
            )
        _expect(self, "conditioning", 0 if self.factor == 1 else 1, 4096)
        _expect(self, "small_layers", 0, 4096)
        _expect(self, "small_hidden", 0, 65536)
        if self.factor == 1 and (
            self.conditioning or self.small_layers or self.small_hidden
        ):
            raise ConfigError(
                "conditioning, small_layers and small_hidden are for Multi-Scale "
                "networks, whose factor is 2 or more"
            )

    @classmethod
    def from_dict(cls, fields_: dict[str, Any]) -> Self:
        """Return the config with these fields, read from a recipe or a card. Raise
        ConfigError for an unknown, missing or invalid field."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(fields_) - known):
            raise ConfigError(
                f"unknown network field {unknown[0]!r}: expected "
                f"{', '.join(sorted(known))}"
            )
        try:
            return cls(**fields_)
        except TypeError as error:
            raise ConfigError(f"incomplete network description: {error}") from None

    def unusual(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, including all that have no
        default."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }

    @property
    def kind(self) -> Kind:
        """The record of the network's kind, with its layers and fast passes."""
        return KINDS[self.network]

    @property
    def features(self) -> int:
        """Width of the residual stream, the paper's 2h."""
        return 2 * self.hidden

    @property
    def inputs(self) -> int:
        """Number of inputs per pixel that the first convolution reads."""
        return self.values if self.categories else self.channels

    @property
    def image(self) -> dict[str, int | bool]:
        """Channels, height, width and values of its images, and `categories` if the
        values have no order. Models with equal dicts describe the same images."""
        shape = {
            name: getattr(self, name)
            for name in ("channels", "height", "width", "values")
        }
        return shape | ({"categories": True} if self.categories else {})

    @property
    def levels(self) -> int:
        """Number of grey levels that a byte of a picture file is divided into: V, or
        256 for categories, whose bytes are the values themselves."""
        return 256 if self.categories else self.values

    @property
    def multi_scale(self) -> bool:
        """True if it is a Multi-Scale network, which draws a small image first."""
        return self.factor > 1

    @property
    def small(self) -> Self:
        """The config of the first network of a Multi-Scale network, for the small
        image."""
        return replace(
            self,
            height=self.height // self.factor,
            width=self.width // self.factor,
            layers=self.small_layers or self.layers,
            hidden=self.small_hidden or self.hidden,
            factor=1,
            conditioning=0,
            small_layers=0,
            small_hidden=0,
        )

    @property
    def dimensions(self) -> int:
        """Number of variables in one image, C * H * W: the D of bits/dim."""
        return self.channels * self.height * self.width

    def with_overrides(self, **overrides: int | bool | str) -> Self:
        """Return a copy with these fields changed. Raise ConfigError for an unknown
        field or an invalid value."""
        return type(self).from_dict(
            {**{f.name: getattr(self, f.name) for f in fields(self)}, **overrides}
        )


def _expect(config: NetworkConfig, name: str, low: int, high: int) -> None:
    value = getattr(config, name)
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or not low <= value <= high
    ):
        raise ConfigError(
            f"{name} must be a whole number from {low} to {high}, not {value!r}"
        )


_MNIST_DIAGONAL = NetworkConfig(
    network="diagonal-bilstm",
    height=28,
    width=28,
    channels=1,
    values=2,
    layers=7,
    hidden=16,
    head=32,
)
_CIFAR_CNN = NetworkConfig(
    network="pixel-cnn",
    height=32,
    width=32,
    channels=3,
    values=256,
    layers=15,
    hidden=128,
    head=1024,
)

PRESETS: dict[str, NetworkConfig] = {
    "mnist-diagonal-bilstm": _MNIST_DIAGONAL,
    "mnist-row-lstm": replace(_MNIST_DIAGONAL, network="row-lstm"),
    "mnist-pixelcnn": replace(_MNIST_DIAGONAL, network="pixel-cnn", layers=15),
    "cifar10-pixelcnn": _CIFAR_CNN,
    "cifar10-row-lstm": replace(_CIFAR_CNN, network="row-lstm", layers=12),
    "cifar10-diagonal-bilstm": replace(
        _CIFAR_CNN, network="diagonal-bilstm", layers=12
    ),
    "imagenet32-row-lstm": replace(
        _CIFAR_CNN, network="row-lstm", layers=12, hidden=384
    ),
    "imagenet64-row-lstm": replace(
        _CIFAR_CNN,
        network="row-lstm",
        height=64,
        width=64,
        layers=4,
        hidden=512,
        residual=False,
    ),
    "cifar10-multi-scale": replace(
        _CIFAR_CNN, network="row-lstm", layers=12, factor=4, conditioning=64
    ),
    "imagenet64-multi-scale": replace(
        _CIFAR_CNN,
        network="row-lstm",
        height=64,
        width=64,
        layers=4,
        hidden=512,
        residual=False,
        factor=2,
        conditioning=128,
    ),
}


def preset(name: str) -> NetworkConfig:
    """Return the preset of this name. Raise ConfigError, which lists the names, if
    there is none."""
    if name not in PRESETS:
        raise ConfigError(
            f"unknown preset {name!r}: expected one of {', '.join(sorted(PRESETS))}"
        )
    return PRESETS[name]
