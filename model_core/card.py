"""The card of a model: its description, origin and scores, stored as card.json beside
the weights.

Card
  config       the networks' NetworkConfig
  members      CardMember of each network, if the model is a mixture
  guides       CardGuide of each network that proposes draws for holes
  labels       CardLabel: name and prior of each label
  validation   Validation: quantiles of -ln p of validation images

`Card.read` checks everything that later code relies on.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from model_core.config import MAX_LABEL_NAME, NetworkConfig
from model_core.data.options import Palette, Resize, check_palette
from model_core.errors import ConfigError, ModelError, first_complaint
from model_core.models_directory import CARD, GUIDES, WEIGHTS
from model_core.orientation import Orientation, check_orientation
from model_core.regular_files import open_regular

_KINDS = {
    "name": str,
    "parameters": int,
    "data": str,
    "training": dict,
    "scores": dict,
    "sha256": str,
}
_WORDS = {str: "a string", int: "a whole number", dict: "an object"}
_CATEGORY_FIELDS = "palette", "names"
_OMITTED_IF_EMPTY = (
    *_CATEGORY_FIELDS,
    "members",
    "validation",
    "labels",
    "field",
    "field_step",
    "guides",
)
"""Fields that card.json omits if they are empty, so that older cards keep their
bytes."""
MAX_BYTES = 2**20
"""Upper bound of the size of card.json, in bytes. The card of a long training has about
ten thousand."""


class _Section(BaseModel):
    """The fields of a section that readers rely on; other fields are kept as they
    are."""

    model_config = ConfigDict(extra="allow")


class _Start(_Section):
    model: str
    sha256: str


class _Sitting(_Section):
    command: str = ""
    hardware: str = ""
    images: int
    epochs: float = 0.0
    hours: float
    drawn_anew: bool = False


class _Training(_Section):
    images: int
    epochs: float
    hours: float
    core_hours: float | None = None
    valid_nats: float | None = None
    command: str = ""
    hardware: str = ""
    resize: Resize = "lanczos"
    start: _Start | None = None
    history: list[_Sitting] = []


class _Scores(_Section):
    split: str
    nats: float
    bits_per_dim: float
    images: int
    standard_error: float | None = None
    bits_standard_error: float | None = None
    colour_bits: list[float] = []
    member_nats: dict[str, float] = {}


class _Sections(BaseModel):
    training: _Training | None
    scores: _Scores | None


@dataclass(frozen=True)
class CardMember:
    """One network of a model, and the orientation of the images that it was trained
    on."""

    orientation: Orientation
    weights: str
    """Name of the file of weights in the model's directory. Members with equal weights
    may name one file."""
    sha256: str = ""
    """SHA-256 of that file, in hexadecimal."""
    images: int = 0
    """Number of training images, counted once for each epoch."""
    valid_nats: float | None = None
    """Mean -ln p of the validation images; None if it was not measured."""
    test_nats: float | None = None
    """Mean -ln p of the test images; None if it was not measured."""
    training: dict[str, Any] = field(default_factory=dict)
    """The `training` section of this network's own card."""

    @classmethod
    def from_dict(cls, facts: dict[str, Any], config: NetworkConfig) -> Self:
        """Return the member of a model with this config that `asdict` turned into
        `facts`."""
        member = cls(**facts)
        check_orientation(member.orientation, config.height, config.width)
        TypeAdapter(cls).validate_python(facts)
        if (
            not isinstance(member.weights, str)
            or Path(member.weights).name != member.weights
        ):
            raise TypeError(
                f"weights must be a file beside the card, not {member.weights!r}"
            )
        return member


@dataclass(frozen=True)
class CardGuide:
    """A network that proposes draws for holes and has no effect on probabilities. Its
    weights are in guides/, or they are those of the member with the same sha256 and
    orientation."""

    sha256: str
    orientation: Orientation
    config: NetworkConfig

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Self:
        """Return the guide that `asdict` turned into `facts`."""
        return cls(**{**facts, "config": NetworkConfig.from_dict(facts["config"])})

    def require_fit(self, config: NetworkConfig, members: Sequence[CardMember]) -> Self:
        """Return this guide; raise ConfigError if it cannot guide a model that has this
        config and these members."""
        check_orientation(self.orientation, config.height, config.width)
        if not (
            isinstance(self.sha256, str) and re.fullmatch("[0-9a-f]{64}", self.sha256)
        ):
            raise ConfigError(
                "the sha256 of a guide must be 64 hexadecimal digits, not "
                f"{self.sha256!r}"
            )
        if self.config.image != config.image or self.config.multi_scale:
            raise ConfigError(
                "a guide must be of one scale, and have the model's size, colours "
                "and values"
            )
        if self.config.labels and not self.is_one_of(members):
            raise ConfigError(
                "a guide that is no member of the model must have no labels"
            )
        return self

    def is_one_of(self, members: Sequence[CardMember]) -> bool:
        """Return True if the guide is also one of these members, which store its
        weights."""
        return (self.sha256, self.orientation) in {
            (member.sha256, member.orientation) for member in members
        }

    @property
    def file(self) -> str:
        """Path of its weights relative to the model's directory."""
        return f"{GUIDES}/{self.sha256}.safetensors"


@dataclass(frozen=True)
class CardLabel:
    """A label's name, and its share of the training images (0 to 1)."""

    name: str
    prior: float


def even_labels(count: int) -> tuple[CardLabel, ...]:
    """Return `count` labels with the names "0", "1", ... and equal priors."""
    return tuple(CardLabel(str(k), 1 / count) for k in range(count))


def label_number(
    names: Sequence[str], asked: str | int | None, model: str
) -> int | None:
    """Return the index of a label that is named by its name or its index; None for
    None. A name has precedence over an index.

    names: the model's label names, by index.
    asked: the name, or the index as a number or as text.
    model: its name, for messages.

    Raises ConfigError, which lists the labels, for an unknown label or a model without
    labels.
    """
    if asked is None:
        return None
    if not names:
        raise ConfigError(f"{model} has no labels: an image cannot be asked for by one")
    if str(asked) in names:
        return names.index(str(asked))
    if str(asked).isdecimal() and int(asked) < len(names):
        return int(asked)
    raise ConfigError(
        f"{model} has no label {str(asked)!r}: there is {', '.join(names)}"
    )


@dataclass(frozen=True)
class Validation:
    """How improbable unseen validation images are: evenly spaced quantiles of their -ln
    p in nats, ascending from the minimum to the maximum.

    images: number of images that were scored.
    """

    images: int
    nats_quantiles: tuple[float, ...]


@dataclass(frozen=True)
class Card:
    """The card of a model. A card without members describes a single network that was
    trained on upright images.

    parameters: number of learned weights of all its members; weights that several
        members share count once for each of them.
    data: the data set, its splits and its licence, in words.
    training: the section that a training writes.
    scores: what `pixelrnn evaluate` measured: split, nats, bits_per_dim, standard
        errors and images.
    """

    name: str
    config: NetworkConfig
    parameters: int
    data: str = "nothing: random weights"
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    """SHA-256 of the weights, in hexadecimal; for a mixture `mixture_digest` of its
    members."""
    members: tuple[CardMember, ...] = ()
    validation: Validation | None = None
    """Validation scores of these weights, which `pixelrnn calibrate` measures."""
    palette: Palette = ()
    """The colour of each category; empty if the values are not categories."""
    names: tuple[str, ...] = ()
    """The names of the categories; may be empty."""
    labels: tuple[CardLabel, ...] = ()
    """The networks' labels, by index; their priors sum to 1."""
    field: bool = False
    """True if somebody looked at fields (pictures larger than the model's) and found
    them good."""
    field_step: int | None = None
    """Rows from the top of one window of a field to the top of the next; None: half of
    the image's height."""
    guides: tuple[CardGuide, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the card in the file `path`. Raise ModelError if it is missing, cannot
        be read or is not a valid card."""
        try:
            facts = json.loads(_text(path))
            config = NetworkConfig.from_dict(facts["config"])
            members = tuple(
                CardMember.from_dict(member, config)
                for member in facts.get("members", ())
            )
            validation = TypeAdapter(Validation | None).validate_python(
                facts.get("validation")
            )
            labels = TypeAdapter(tuple[CardLabel, ...]).validate_python(
                facts.get("labels", ())
            )
            guides = tuple(
                CardGuide.from_dict(guide).require_fit(config, members)
                for guide in facts.get("guides", ())
            )
            read = {
                "config": config,
                "members": members,
                "validation": validation,
                "labels": labels,
                "guides": guides,
            }
            read |= {
                name: TypeAdapter(tuple[str, ...]).validate_python(facts.get(name, ()))
                for name in _CATEGORY_FIELDS
            }
            card = cls(**{**facts, **read})
            card._check()
            return card
        except FileNotFoundError:
            raise ModelError(
                f"{path.parent} has no card.json: a model is a directory with a card "
                "and weights"
            ) from None
        except ValidationError as error:
            raise ModelError(
                f"{path} is not a model card: {first_complaint(error)}"
            ) from None
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
            ConfigError,
        ) as error:
            raise ModelError(f"{path} is not a model card: {error}") from None
        except OSError as error:
            raise ModelError(f"cannot read {path}: {error.strerror}") from None

    def _check(self) -> None:
        # A dataclass does not check the types of its fields.
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} must be {_WORDS[kind]}, not {value!r}")
        _Sections.model_validate(
            {"training": self.training or None, "scores": self.scores or None}
        )
        self._check_labels()
        self._check_palette()
        if not isinstance(self.field, bool) or not 1 <= self.step <= self.config.height:
            raise ValueError(
                "field must be true or false, and field_step a number from 1 to "
                f"{self.config.height}"
            )

    def _check_labels(self) -> None:
        names = {label.name for label in self.labels}
        priors = [label.prior for label in self.labels]
        if not len(names) == len(priors) == self.config.labels:
            raise ValueError(
                f"expected {self.config.labels} labels with different names"
            )
        if any(not 1 <= len(name) <= MAX_LABEL_NAME for name in names):
            raise ValueError(
                f"the names of the labels must have 1 to {MAX_LABEL_NAME} characters"
            )
        if priors and not (
            min(priors) > 0 and math.isclose(sum(priors), 1, abs_tol=1e-6)
        ):
            raise ValueError("the priors of the labels must be above 0 and add up to 1")

    def _check_palette(self) -> None:
        expected = self.config.values if self.config.categories else 0
        check_palette(self.palette)
        if len(self.palette) != expected:
            raise ValueError(
                f"palette must have {expected} colours, one for each category, not "
                f"{len(self.palette)}"
            )
        if len(self.names) not in (0, expected):
            raise ValueError(
                f"names must be {expected}, one for each category, or none"
            )

    @cached_property
    def identity(self) -> str:
        """SHA-256, in hexadecimal, of everything that gives the model its meaning:
        weights, config, orientations, labels with their priors, palette, step of
        fields, guides."""
        meaning: dict[str, Any] = {
            "sha256": self.sha256,
            "config": self.config.unusual(),
            "orientations": [member.orientation for member in self.members] or ["none"],
            "labels": [
                {"name": label.name, "prior": label.prior} for label in self.labels
            ],
        }
        # A field that was added later counts only if it is set, so that the
        # identities in use stay the same.
        if self.palette:
            meaning["palette"] = self.palette
        if self.field_step is not None:
            meaning["field_step"] = self.field_step
        if self.guides:
            meaning["guides"] = [
                {**asdict(guide), "config": guide.config.unusual()}
                for guide in self.guides
            ]
        return hashlib.sha256(
            json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()
        ).hexdigest()

    @property
    def files(self) -> set[str]:
        """Paths of all weights, those of guides too, relative to the model's
        directory."""
        weights = {member.weights for member in self.members} or {WEIGHTS}
        lent = {
            guide.file for guide in self.guides if not guide.is_one_of(self.members)
        }
        return weights | lent

    def answers_to(self, identity: str) -> bool:
        """Return True if `identity` is this card's identity, or the SHA-256 of its
        weights."""
        return identity in (self.identity, self.sha256)

    def has_changed_since(self, identity: str) -> bool:
        """Return True if `identity` is not empty and not the card's. Pictures and files
        of early versions have an empty one."""
        return identity not in ("", self.identity)

    def label_number(self, asked: str | int | None) -> int | None:
        """Return the index of a label that is named by its name or its index; None for
        None. Raise ConfigError if the model has no such label."""
        return label_number([label.name for label in self.labels], asked, self.name)

    @property
    def step(self) -> int:
        """Rows from the top of one window of a field to the top of the next."""
        return (
            max(1, self.config.height // 2)
            if self.field_step is None
            else self.field_step
        )

    @property
    def drawn_anew(self) -> bool:
        """True if some of its weights were trained on MNIST images that were binarised
        again from their grey originals."""
        sittings = [
            sitting
            for part in (self, *self.members)
            for sitting in part.training.get("history", ())
        ]
        return any(sitting.get("drawn_anew") for sitting in sittings)

    def write(self, path: Path) -> None:
        """Write the card to `path` as JSON."""
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    def keep(self, directory: Path) -> None:
        """Replace the card in a model's directory by this one, atomically. Raises
        ModelError if it cannot be written; the old card is then unchanged."""
        draft = directory / f".{CARD}"
        try:
            self.write(draft)
            draft.replace(directory / CARD)
        except OSError as error:
            raise ModelError(
                f"cannot write a card into {directory}: {error.strerror}"
            ) from None
        finally:
            draft.unlink(missing_ok=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the card as JSON values, without those optional fields that are
        empty."""
        facts = {
            name: fact
            for name, fact in asdict(self).items()
            if fact or name not in _OMITTED_IF_EMPTY
        }
        guides = facts.get("guides", ())
        for config in (facts["config"], *(guide["config"] for guide in guides)):
            # Configs got these fields later too; see _OMITTED_IF_EMPTY.
            for name in ("labels", "categories"):
                if not config[name]:
                    del config[name]
        return facts


def check_field(card: Card, width: int, height: int) -> None:
    """Raise ConfigError if the model cannot draw fields of this size: it is
    Multi-Scale, or the size is below that of its images."""
    config = card.config
    if config.multi_scale:
        raise ConfigError(
            f"{card.name} has two scales: its pictures have one size, "
            f"{config.width}x{config.height}"
        )
    if width < config.width or height < config.height:
        least = f"at least {config.width}x{config.height}"
        raise ConfigError(
            f"{width}x{height} is smaller than {card.name}'s pictures: expected {least}"
        )


def _text(path: Path) -> str:
    """Return the text of a file. Raise ValueError if it has more than MAX_BYTES."""
    with open_regular(path) as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    return text.decode()


def mixture_digest(members: Sequence[CardMember]) -> str:
    """Return the SHA-256, in hexadecimal, of the JSON list of the members' orientations
    and digests."""
    listed = [[member.orientation, member.sha256] for member in members]
    return hashlib.sha256(
        json.dumps(listed, separators=(",", ":")).encode()
    ).hexdigest()
