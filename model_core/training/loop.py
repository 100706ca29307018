"""The loop of a run: updates, and after each epoch a validation. Says what happens; the
files are RunFiles' matter."""

import math
import time
from collections.abc import Callable

from model_core.components import Member, components_of
from model_core.data.labels import Labels
from model_core.data.splits import Values
from model_core.slow_steps import if_slow
from model_core.training.display import Display, nats_and_bits
from model_core.training.evaluate import (
    EvaluationStoppedError,
    Score,
    evaluate,
    evaluate_components,
)
from model_core.training.files import RunFiles
from model_core.training.forecast import Forecast
from model_core.training.ranks import Ranks
from model_core.training.recipe import Recipe
from model_core.training.state import TrainState
from model_core.training.step import Learner, StepReport


class Loop:
    """Takes a run from its state to its last epoch, or to where it is asked to stop."""

    def __init__(
        self,
        learner: Learner,
        valid: Values,
        recipe: Recipe,
        ranks: Ranks,
        state: TrainState,
        files: RunFiles | None,
        train_labels: Labels | None = None,
        valid_labels: Labels | None = None,
        reading: str = "",
    ) -> None:
        """files is None in the processes that do not lead; labels: of a network that
        has some; reading: said first."""
        self.state = state
        self.valid_images = len(valid)
        self._learner = learner
        self._valid = valid
        self._labels = train_labels, valid_labels
        self._recipe = recipe
        self._ranks = ranks
        self._files = files
        self._reading = reading
        self.per_epoch, self.dimensions = (
            learner.per_epoch,
            learner.network.config.dimensions,
        )
        labels = learner.network.config.labels
        self.forecast = Forecast.of(
            recipe.training, state, learner.per_epoch, len(valid), labels
        )
        self._sitting = time.perf_counter() - state.seconds

    def run(self, stop: Callable[[], bool], display: Display) -> bool:
        """True when all epochs are done, or patience is at its end; False when stopped.
        Either way the last checkpoint is up to date."""
        display.say(self._reading)
        self._start_window()
        if self._has_bar and self.state.best_nats is None:
            try:
                self._score_start(stop, display)
            except EvaluationStoppedError:
                return self._stopped()
        while (
            self.state.epochs < self._recipe.training.epochs
            and not self._is_patience_over
        ):
            if self.state.iteration == (self.state.epochs + 1) * self.per_epoch:
                try:
                    self._close_epoch(stop, display)
                except EvaluationStoppedError:
                    return self._stopped()
            elif self._update(stop(), display):
                return self._stopped()
        if self._is_patience_over:
            best, more = (
                self.state.best_epoch,
                self.state.epochs - self.state.best_epoch,
            )
            than = f"epoch {best}" if best else "the start"
            display.say(
                f"no better than {than} after {more} more epochs, so this is the end "
                "(training.patience = "
                f"{self._recipe.training.patience}); more images would help, or a "
                "lower training.learning_rate"
            )
        return True

    @property
    def _is_patience_over(self) -> bool:
        patience = self._recipe.training.patience
        return 0 < patience <= self.state.epochs - self.state.best_epoch

    @property
    def _has_bar(self) -> bool:
        """True if an epoch must be better than the start: one without labels does not
        do what this network is to do."""
        start = self.state.start
        return start is not None and start.labels == self._learner.network.config.labels

    def _score_start(self, stop: Callable[[], bool], display: Display) -> None:
        """The starting model's own score is the bar that an epoch must beat: a restart
        is worse at first."""
        assert self.state.start is not None
        with if_slow(display.say, "scoring the model that the training begins with"):
            found = self._score(stop)
        nats = found.nats
        self.state.best_nats, self.state.best_error = nats, _error(found)
        score = self._shown(nats)
        display.say(
            f"{self.state.start.model}, before the first update: valid {score}, the "
            "score to beat"
        )
        display.validated(nats, None)
        if self._files is not None:
            self._files.journal.write(
                "start", self.state.iteration, valid_nats=nats, seconds=self._clock()
            )
        self._start_window()

    def _stopped(self) -> bool:
        self._save()
        return False

    def _update(self, stop: bool, display: Display) -> bool:
        started = time.perf_counter()
        report = self._learner.advance(self.state.iteration, stop)
        forecast = self.forecast.after_update(time.perf_counter() - started)
        batch = self._recipe.training.batch
        self.state.iteration += 1
        self.state.images += batch
        self.state.window.add(report.nats, batch)
        self.state.epoch.add(report.nats, batch)
        display.advance(self.state.iteration, report.nats)
        if forecast:
            display.say(forecast)
        if self.state.iteration % self._recipe.output.log_every == 0:
            self._log_window(report, display)
        if self.state.iteration % self._recipe.output.checkpoint_every == 0:
            self._save()
        return report.stop

    def _log_window(self, report: StepReport, display: Display) -> None:
        speed = (self.state.images - self._window_images) / (
            time.perf_counter() - self._window_started
        )
        nats = self.state.window.take()
        self._start_window()
        display.speed(speed)
        if self._files is not None:
            self._files.journal.write(
                "train",
                self.state.iteration,
                epoch=self.state.iteration / self.per_epoch,
                nats=nats,
                learning_rate=report.rate,
                gradient_norm=report.gradient_norm,
                images_per_s=speed,
                seconds=self._clock(),
            )

    def _close_epoch(self, stop: Callable[[], bool], display: Display) -> None:
        train_nats = self.state.epoch.total / self.state.epoch.images
        display.say(
            f"epoch {self.state.epochs + 1}: train {self._shown(train_nats)}, "
            "validating"
        )
        scores = self._validate(stop)
        score = scores.get("average", scores["weights"])
        nats = score.nats
        self.state.epoch.take()
        self.state.epochs += 1
        is_best = math.isfinite(nats) and (
            self.state.best_nats is None or nats < self.state.best_nats
        )
        if is_best:
            self.state.best_nats, self.state.best_epoch = nats, self.state.epochs
            self.state.best_error = _error(score)
            self._keep_best()
        self._save()
        if self._files is not None:
            self._report_epoch(train_nats, scores, is_best, display)
        self._start_window()

    def _validate(self, stop: Callable[[], bool]) -> dict[str, Score]:
        """Scores on the validation images, of the weights and of their average."""
        scores = {"weights": self._score(stop)}
        if self._learner.average is not None:
            with self._learner.parameters.holding(self._learner.average.weights):
                scores["average"] = self._score(stop)
        return scores

    def _score(self, stop: Callable[[], bool]) -> Score:
        """The score on the validation images; a network with labels is scored as the
        sum over them."""
        network, (known, labels) = self._learner.network, self._labels
        if known is None or labels is None:
            return evaluate(network, self._valid, ranks=self._ranks, stop=stop)
        components = components_of([Member(network)], known.priors, None)
        return evaluate_components(
            components, self._valid, labels.numbers, ranks=self._ranks, stop=stop
        )

    def _report_epoch(
        self,
        train_nats: float,
        scores: dict[str, Score],
        is_best: bool,
        display: Display,
    ) -> None:
        assert self._files is not None
        facts = {
            "train_nats": train_nats,
            "valid_nats": scores["weights"].nats,
            "seconds": self._clock(),
        }
        if "average" in scores:
            facts["valid_nats_average"] = scores["average"].nats
        newest = [*scores.values()][-1]
        of_labels = ""
        if newest.label_nats is not None and newest.label_errors is not None:
            facts |= {
                "valid_label_nats": newest.label_nats,
                "valid_label_errors": newest.label_errors,
            }
            of_labels = f"; labels: {newest.label_nats:.4f} nats, {newest.label_errors:.2%} wrong"
        self._files.journal.write(
            "epoch", self.state.iteration, epoch=self.state.epochs, **facts
        )
        shown = ", ".join(
            f"{name} {self._shown(score.nats)}" for name, score in scores.items()
        )
        display.say(
            f"epoch {self.state.epochs}: valid "
            f"{shown}{', the best so far' if is_best else ''}{of_labels}"
        )
        display.validated(newest.nats, self._files.draw_samples(self.state))

    def _shown(self, nats: float) -> str:
        return nats_and_bits(nats, self.dimensions)

    def _keep_best(self) -> None:
        """It is written before the last one: what the run says of its best epoch must
        be there."""
        self.state.seconds = self._clock()
        if self._files is not None:
            self._files.keep_best(self._learner, self.state)

    def _save(self) -> None:
        self.state.seconds = self._clock()
        if self._files is not None:
            self._files.save(self._learner, self.state)

    def _clock(self) -> float:
        return time.perf_counter() - self._sitting

    def _start_window(self) -> None:
        self._window_started = time.perf_counter()
        self._window_images = self.state.images


def _error(score: Score) -> float | None:
    """Return the standard error of the nats; None of one image, which tells none."""
    return score.standard_error if score.images > 1 else None
