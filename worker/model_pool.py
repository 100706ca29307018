"""The loaded models: found, loaded and warmed up before the worker counts as ready; their cards; engines on demand."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import structlog
import torch

from model_core import load_model, model_names
from model_core.errors import ModelError
from model_core.models import Model
from model_core.picture_score import score_picture
from model_core.sampling.engine import Engine, ImageRequest
from worker.contract.cards import ModelCard
from worker.contract.jobs import JobKind

WARM_UP_ROWS = 2
"""Enough to compile every kernel of a step, also those that first run in the second row."""


class ModelPool:
    """Models by name, all on one device."""

    def __init__(self, models: Mapping[str, Model], slots: int) -> None:
        self._models = dict(models)
        self._slots = slots
        self.cards = {name: _card(name, model) for name, model in self._models.items()}

    def names(self) -> list[str]:
        return sorted(self._models)

    def engine(self, name: str) -> Engine:
        """A fresh engine on the model's network."""
        return Engine(self._models[name], slots=self._slots)

    def model(self, name: str) -> Model:
        return self._models[name]

    def warm_up(self) -> None:
        """Draw a few rows and score an image with every model, so that no client waits for compilation."""
        for name, model in self._models.items():
            config = model.config
            blank = np.zeros((config.channels, config.height, config.width), np.uint8)
            self._draw_rows(name, ImageRequest(seed=0, sample=0))
            if config.multi_scale:  # those rows were the small image's
                small = blank[:, :: config.factor, :: config.factor]
                self._draw_rows(name, ImageRequest(seed=0, sample=0, small=small))
            score_picture(model, blank)

    def _draw_rows(self, name: str, request: ImageRequest) -> None:
        engine, rows = self.engine(name), 0
        engine.admit(request)
        while engine.busy and rows < WARM_UP_ROWS:
            rows += len(engine.step())


def load_pool(models_dir: Path | None, names: Iterable[str], device: str, slots: int, threads: int) -> ModelPool:
    """Load and warm up the named models, or all there are. A damaged one is reported and left out; ModelError when none
    is left, or when a model that was asked for by name cannot be loaded."""
    torch.set_num_threads(threads)
    log = structlog.get_logger("models")
    asked = tuple(names)
    models: dict[str, Model] = {}
    for name in asked or model_names(models_dir):
        try:
            models[name] = load_model(name, device=device, models_dir=models_dir)
        except ModelError as error:
            if asked:
                raise
            log.error("model_left_out", model=name, reason=str(error))
    if not models:
        raise ModelError(f"no model to serve in {models_dir or 'the models directory'}: train one or copy one there")
    pool = ModelPool(models, slots)
    pool.warm_up()
    log.info("models_ready", models=pool.names(), device=device)
    return pool


def _card(name: str, model: Model) -> ModelCard:
    """The model's card in the words of the contract."""
    card, config = model.card, model.config
    scores = card.scores if card.scores.get("split") == "test" else {}
    return ModelCard(
        name=name,
        network=config.network,
        height=config.height,
        width=config.width,
        channels=config.channels,
        small_height=config.small.height if config.multi_scale else 0,
        small_width=config.small.width if config.multi_scale else 0,
        values=config.values,
        parameters=card.parameters,
        data=card.data,
        test_nats=scores.get("nats"),
        test_bits_per_dim=scores.get("bits_per_dim"),
        digest=card.sha256,
        can=(JobKind.SAMPLE, JobKind.COMPLETE, *([JobKind.UPSAMPLE] if config.multi_scale else []), JobKind.SCORE),
    )
