"""The card of a model: what it is, where it comes from, how well it does. Kept as card.json beside the weights."""

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
from model_core.models_directory import CARD, GUIDES
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
_OF_CATEGORIES = "palette", "names"
_LEFT_OUT = (
    *_OF_CATEGORIES,
    "members",
    "validation",
    "labels",
    "field",
    "field_step",
    "guides",
)
"""Fields that are not written where they say nothing, so that the cards of before stay as they are."""
MAX_BYTES = 2**20
"""Bytes of a card: those of models that were trained for long have some ten thousand."""


class _Section(BaseModel):
    """The fields that readers of a card rely on; whatever else it says is kept too."""

    model_config = ConfigDict(extra="allow")


class _Start(_Section):
    model: str
    sha256: str


class _Sitting(_Section):
    command: str = ""
    images: int
    hours: float
    drawn_anew: bool = False


class _Training(_Section):
    images: int
    epochs: float
    hours: float
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
    """One network of a model, and the orientation of the images that it was trained on."""

    orientation: Orientation
    weights: str
    """The file in the model's directory."""
    sha256: str = ""
    """Digest of that file."""
    images: int = 0
    """How many training images it saw, over all epochs."""
    valid_nats: float | None = None
    test_nats: float | None = None
    training: dict[str, Any] = field(default_factory=dict)
    """Training of one network of several, as a card tells it."""

    @classmethod
    def from_dict(cls, facts: dict[str, Any], config: NetworkConfig) -> Self:
        """Undo asdict; ConfigError, TypeError or ValidationError when it is not a member."""
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
    """A network that proposes draws for holes and has no say in what is probable. Its weights lie in guides/, or are
    those of the member that has its sha256 and orientation."""

    sha256: str
    orientation: Orientation
    config: NetworkConfig

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Self:
        """Undo asdict; ConfigError, TypeError or KeyError when it is not a guide."""
        return cls(**{**facts, "config": NetworkConfig.from_dict(facts["config"])})

    def checked(self, config: NetworkConfig, members: Sequence[CardMember]) -> Self:
        """This guide; ConfigError when it cannot guide a model of this config and these members."""
        check_orientation(self.orientation, config.height, config.width)
        if not (
            isinstance(self.sha256, str) and re.fullmatch("[0-9a-f]{64}", self.sha256)
        ):
            raise ConfigError(
                f"the sha256 of a guide must be 64 hexadecimal digits, not {self.sha256!r}"
            )
        if self.config.image != config.image or self.config.multi_scale:
            raise ConfigError(
                "a guide must be of one scale, and have the model's size, colours and values"
            )
        if self.config.labels and not self.is_one_of(members):
            raise ConfigError(
                "a guide that is no member of the model must have no labels"
            )
        return self

    def is_one_of(self, members: Sequence[CardMember]) -> bool:
        """True if it is a member: then its weights are in one file."""
        return (self.sha256, self.orientation) in {
            (member.sha256, member.orientation) for member in members
        }

    @property
    def file(self) -> str:
        """Its place in the model's directory."""
        return f"{GUIDES}/{self.sha256}.safetensors"


@dataclass(frozen=True)
class CardLabel:
    """A label of the images, and its share of the training images."""

    name: str
    prior: float


def even_labels(count: int) -> tuple[CardLabel, ...]:
    """Labels that are named by their numbers, each as likely as the others."""
    return tuple(CardLabel(str(k), 1 / count) for k in range(count))


def label_number(
    names: Sequence[str], asked: str | int | None, model: str
) -> int | None:
    """The number of the label that is asked for by name or number; None stays None.

    Raises ConfigError, which lists what there is, for another, or where the model has none.
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
    """How improbable images are that the model was made for and has not seen: evenly spaced quantiles of their -ln p,
    from the smallest to the largest."""

    images: int
    nats_quantiles: tuple[float, ...]


@dataclass(frozen=True)
class Card:
    """scores holds what `pixelrnn evaluate` measured: split, nats, bits_per_dim, standard errors, images.

    Without members the model is one network that was trained on images as they are.
    """

    name: str
    config: NetworkConfig
    parameters: int
    data: str = "nothing: random weights"
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    """Digest of the weights; for a model with members, of the list of their orientations and digests."""
    members: tuple[CardMember, ...] = ()
    validation: Validation | None = None
    """Validation scores of these weights; `pixelrnn calibrate` measures them."""
    palette: Palette = ()
    """The colour of each category; empty where there are none."""
    names: tuple[str, ...] = ()
    """Their names, where they have some."""
    labels: tuple[CardLabel, ...] = ()
    """The labels that its networks have, in their order; the priors add up to 1."""
    field: bool = False
    """Fields, pictures larger than the model's, were looked at and are good."""
    field_step: int | None = None
    """How many rows lower each window of a field begins than the one before; None: half an image's."""
    guides: tuple[CardGuide, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read card.json; ModelError when it is not a card."""
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
                CardGuide.from_dict(guide).checked(config, members)
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
                for name in _OF_CATEGORIES
            }
            return cls(**{**facts, **read})._checked()
        except FileNotFoundError:
            raise ModelError(
                f"{path.parent} has no card.json: a model is a directory with a card and weights"
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

    def _checked(self) -> Self:
        for name, kind in _KINDS.items():
            if not isinstance(value := getattr(self, name), kind):
                raise TypeError(f"{name} must be {_WORDS[kind]}, not {value!r}")
        _Sections.model_validate(
            {"training": self.training or None, "scores": self.scores or None}
        )
        self._check_labels()
        self._check_palette()
        if not isinstance(self.field, bool) or not 1 <= self.step <= self.config.height:
            raise ValueError(
                f"field is true or false, and field_step 1 to {self.config.height}"
            )
        return self

    def _check_labels(self) -> None:
        names, priors = (
            {label.name for label in self.labels},
            [label.prior for label in self.labels],
        )
        if not len(names) == len(priors) == self.config.labels:
            raise ValueError(
                f"expected {self.config.labels} labels, each of its own name"
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
                f"palette must have {expected} colours, one for each category, not {len(self.palette)}"
            )
        if len(self.names) not in (0, expected):
            raise ValueError(
                f"names must be {expected}, one for each category, or none"
            )

    @cached_property
    def identity(self) -> str:
        """SHA-256 of all that gives the model its meaning: weights, config, orientations, labels with their priors.

        A field that configs or cards get later stands in it only where it is said, so that no identity in use changes.
        """
        meaning: dict[str, Any] = {
            "sha256": self.sha256,
            "config": self.config.unusual(),
            "orientations": [member.orientation for member in self.members] or ["none"],
            "labels": [
                {"name": label.name, "prior": label.prior} for label in self.labels
            ],
        }
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

    def answers_to(self, identity: str) -> bool:
        """Is it meant by an identity, or by the sha256 of its weights?"""
        return identity in (self.identity, self.sha256)

    def has_changed_since(self, identity: str) -> bool:
        """Is another identity named than the card's? Pictures and files of earlier versions name none."""
        return identity not in ("", self.identity)

    def label_number(self, asked: str | int | None) -> int | None:
        """The number of a label by its name or number, as `label_number` says."""
        return label_number([label.name for label in self.labels], asked, self.name)

    @property
    def step(self) -> int:
        """How many rows lower each window of a field begins."""
        return (
            max(1, self.config.height // 2)
            if self.field_step is None
            else self.field_step
        )

    @property
    def drawn_anew(self) -> bool:
        """True if some of its weights were trained on images drawn anew from their grey originals."""
        sittings = [
            sitting
            for part in (self, *self.members)
            for sitting in part.training.get("history", ())
        ]
        return any(sitting.get("drawn_anew") for sitting in sittings)

    def write(self, path: Path) -> None:
        """Write card.json."""
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    def keep(self, directory: Path) -> None:
        """Write it in the place of a model's card; ModelError, and the card is as it was, where that cannot be."""
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
        """The card as JSON takes it."""
        facts = {
            name: fact
            for name, fact in asdict(self).items()
            if fact or name not in _LEFT_OUT
        }
        for config in (
            facts["config"],
            *(guide["config"] for guide in facts.get("guides", ())),
        ):
            for name in ("labels", "categories"):  # as with the card's own fields
                if not config[name]:
                    del config[name]
        return facts


def check_field(card: Card, width: int, height: int) -> None:
    """ConfigError where a model has no fields of this size."""
    config = card.config
    if config.multi_scale:
        raise ConfigError(
            f"{card.name} has two scales: its pictures have one size, {config.width}x{config.height}"
        )
    if width < config.width or height < config.height:
        least = f"at least {config.width}x{config.height}"
        raise ConfigError(
            f"{width}x{height} is smaller than {card.name}'s pictures: expected {least}"
        )


def _text(path: Path) -> str:
    with open_regular(path) as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    return text.decode()


def mixture_digest(members: Sequence[CardMember]) -> str:
    """SHA-256 of the canonical list of (orientation, sha256) of a model's members."""
    listed = [[member.orientation, member.sha256] for member in members]
    return hashlib.sha256(
        json.dumps(listed, separators=(",", ":")).encode()
    ).hexdigest()
