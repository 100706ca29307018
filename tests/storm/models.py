"""The models directory of a sitting: a guest is exchanged, goes and comes back; new and bad ones come."""

import math
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from model_core import load_model, save_model, untrained

GUEST, NEW, BAD = "tiny-guest", "tiny-new", "tiny-bad"


class Models:
    """source: the models that stay. Everything is copied as `cp` does it, file by file, under the workers' eyes."""

    def __init__(self, source: Path, place: Path) -> None:
        self.place = place
        self.shelf = place.with_name("shelf")
        shutil.copytree(source, place)
        for version in (0, 1):
            _save(version, self.shelf / str(version) / GUEST)
        self.put_guest(0)
        self._version = 0

    def put_guest(self, version: int) -> None:
        shutil.copytree(
            self.shelf / str(version) / GUEST, self.place / GUEST, dirs_exist_ok=True
        )

    def exchange(self) -> None:
        """The guest gets other weights."""
        self._version = 1 - self._version
        self.put_guest(self._version)

    def come_back(self) -> None:
        self.put_guest(self._version)

    def put_new(self, seed: int) -> None:
        """A model that was never there before."""
        _save(seed, self.shelf / NEW)
        shutil.copytree(self.shelf / NEW, self.place / NEW)

    def put_bad(self, rng: random.Random) -> None:
        """A model that nobody should be served."""
        _save(2, self.shelf / BAD)
        (weights,) = (self.shelf / BAD).glob("*.safetensors")
        rng.choice(_SPOILS)(weights)
        (self.shelf / BAD).rename(self.place / BAD)

    def remove(self, name: str) -> None:
        shutil.rmtree(self.place / name)


def _save(seed: int, folder: Path) -> None:
    save_model(
        untrained(
            "mnist-pixelcnn", seed=seed, height=6, width=5, layers=2, hidden=5, head=8
        ),
        folder,
    )


def _tear(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-100])


def diverge(weights: Path) -> None:
    """Replace a model's weights by some that are not finite; its card fits them."""
    model = load_model(weights.parent)
    next(model.network.parameters()).data.fill_(math.nan)
    save_model(model, weights.parent)


def _pipe(weights: Path) -> None:
    weights.unlink()
    os.mkfifo(weights)


def _endless(weights: Path) -> None:
    weights.unlink()
    weights.symlink_to("/dev/zero")


def _half_a_card(weights: Path) -> None:
    card = weights.with_name("card.json")
    card.write_bytes(card.read_bytes()[:200])


_SPOILS: list[Callable[[Path], None]] = [_tear, diverge, _pipe, _endless, _half_a_card]
