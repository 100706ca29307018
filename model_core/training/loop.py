"""The loop of a run: updates, and after each epoch a validation. It decides what is
written; RunFiles writes it."""

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
from model_core.training.learning_rate import planned_decay, updates_of_run
from model_core.training.ranks import Ranks
from model_core.training.recipe import Recipe
from model_core.training.state import TrainState
from model_core.training.step import Learner, StepReport


class Loop:
    """Takes a run from its state to its last epoch, or to a request to stop.

    state: the progress.
    per_epoch: updates of an epoch.
    dimensions: variables of an image.
    valid_images: number of validation images.
    forecast: of the remaining time.
    """

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
        """learner: the network and its optimiser.
        valid: the validation images, uint8 (N, C, H, W), in the network's orientation.
        recipe: of the run.
        ranks: the group of processes.
        state: the progress; is changed.
        files: None in processes that do not lead.
        train_labels, valid_labels: the images' labels, for a network with labels.
        reading: lines to print first."""
        self.state = state
        self.valid_images = len(valid)
        self._learner = learner
        self._valid = valid
        self._labels = train_labels, valid_labels
        self._recipe = recipe
        self._ranks = ranks
        self._files = files
        self._reading = reading
        self.per_epoch = learner.per_epoch
        self.dimensions = learner.network.config.dimensions
        labels = learner.network.config.labels
        self.forecast = Forecast.of(
            recipe.training, state, learner.per_epoch, len(valid), labels
        )
        # The clock continues from the seconds of earlier sittings.
        self._clock_start = time.perf_counter() - state.seconds

    def run(self, stop: Callable[[], bool], display: Display) -> bool:
        """Run until all epochs are done, or until training.patience epochs in a row
        were no better, and return True; return False if `stop` ended it. In both cases
        the last checkpoint is up to date.

        stop: called before each update and each batch of a validation.
        display: shows the progress.

        Raises DivergedError if the loss is no longer finite; the last checkpoint is
        then older, and good.
        """
        display.say(self._reading)
        self._start_window()
        if self._has_score_to_beat and self.state.best_nats is None:
            try:
                self._score_start(stop, display)
            except EvaluationStoppedError:
                return self._save_stopped()
        while not self._is_complete and not self._is_patience_over:
            if self.state.iteration == self._next_validation:
                try:
                    self._close_epoch(stop, display)
                except EvaluationStoppedError:
                    return self._save_stopped()
            elif self._update(stop(), display):
                return self._save_stopped()
        if self._is_patience_over:
            best = self.state.best_epoch
            more = self.state.epochs - best
            than = f"epoch {best}" if best else "the start"
            display.say(
                f"no better than {than} after {more} more epochs, so this is the end "
                f"(training.patience = {self._recipe.training.patience}); more images "
                "would help, or a lower training.learning_rate"
            )
        return True

    @property
    def updates(self) -> int:
        """Number of updates of the whole run."""
        return updates_of_run(self._recipe.training, self.per_epoch, self.state.decay)

    @property
    def _is_complete(self) -> bool:
        return self.state.epochs >= math.ceil(self.updates / self.per_epoch)

    @property
    def _next_validation(self) -> int:
        """The number of updates after which the current epoch ends: the last one may be
        shorter, if the decay began early."""
        return min((self.state.epochs + 1) * self.per_epoch, self.updates)

    @property
    def _is_patience_over(self) -> bool:
        patience = self._recipe.training.patience
        return 0 < patience <= self.state.epochs - self.state.best_epoch

    @property
    def _has_score_to_beat(self) -> bool:
        """True if an epoch must score better than the starting model. A starting model
        without the network's labels cannot do what the network is trained for, so its
        score does not count."""
        start = self.state.start
        return start is not None and start.labels == self._learner.network.config.labels

    def _score_start(self, stop: Callable[[], bool], display: Display) -> None:
        """Score the starting model, as the score that an epoch has to beat: the first
        epochs after a start are often worse."""
        assert self.state.start is not None
        with if_slow(display.say, "scoring the model that the training begins with"):
            score = self._score(stop, self.state.start.updates > 0)
        nats = score.nats
        self.state.best_nats = nats
        self.state.best_error = score.standard_error
        display.say(
            f"{self.state.start.model}, before the first update: {self._text(nats)} "
            "for a held-out image, the score to beat"
        )
        # The samples are drawn by the model of the last checkpoint.
        self._save()
        if self._files is not None:
            display.validated(nats, self._files.draw_samples(self.state))
            self._files.journal.write(
                "start", self.state.iteration, valid_nats=nats, seconds=self._clock()
            )
        self._start_window()

    def _save_stopped(self) -> bool:
        self._save()
        return False

    def _update(self, stop: bool, display: Display) -> bool:
        """Make one update, and write what is due after it. Return True if a process was
        asked to stop."""
        started = time.perf_counter()
        self._note_decay()
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

    def _note_decay(self) -> None:
        """Fix the last part of the run once the rate begins to fall."""
        planned = planned_decay(self._recipe.training, self.per_epoch)
        if planned is None or self.state.decay is not None:
            return
        # A resumed run then ends in the same way.
        if self.state.iteration >= planned.first:
            self.state.decay = planned
            self._learner.decay = planned

    def _log_window(self, report: StepReport, display: Display) -> None:
        images = self.state.images - self._window_images
        speed = images / (time.perf_counter() - self._window_started)
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
        """Validate the epoch whose updates are done, and write its checkpoints. The
        epoch counts only then: if EvaluationStoppedError ends the validation, a resumed
        run repeats it."""
        train_nats = self.state.epoch.total / self.state.epoch.images
        display.say(
            f"epoch {self.state.epochs + 1}: {self._text(train_nats)} for a training "
            "image; scoring the held-out images"
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
            self.state.best_nats = nats
            self.state.best_epoch = self.state.epochs
            self.state.best_error = score.standard_error
            self._keep_best()
        self._save()
        if self._files is not None:
            self._report_epoch(train_nats, scores, is_best, display)
        self._start_window()

    def _validate(self, stop: Callable[[], bool]) -> dict[str, Score]:
        """Return the scores of the weights and of their average on the validation
        images."""
        scores = {"weights": self._score(stop)}
        if self._learner.average is not None:
            scores["average"] = self._score(stop, of_average=True)
        return scores

    def _score(self, stop: Callable[[], bool], of_average: bool = False) -> Score:
        """Return the score of the weights, or of their average, on the validation
        images. A network with labels is scored as the sum over its labels, weighted by
        their priors."""
        average = self._learner.average
        if of_average and average is not None:
            with self._learner.parameters.other_weights(average.weights):
                return self._score(stop)
        network = self._learner.network
        train_labels, labels = self._labels
        if train_labels is None or labels is None:
            return evaluate(network, self._valid, ranks=self._ranks, stop=stop)
        components = components_of([Member(network)], train_labels.priors, None)
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
        """Write an epoch's line of the log, and show its scores and samples."""
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
            of_labels = (
                f"; labels: {newest.label_nats:.4f} nats, "
                f"{newest.label_errors:.2%} wrong"
            )
        self._files.journal.write(
            "epoch", self.state.iteration, epoch=self.state.epochs, **facts
        )
        text = f"{self._text(scores['weights'].nats)} for a held-out image"
        if "average" in scores:
            average = self._text(scores["average"].nats)
            text += f", and {average} with the average of the last weights"
        best = ", the best so far" if is_best else ""
        display.say(f"epoch {self.state.epochs}: {text}{best}{of_labels}")
        display.validated(newest.nats, self._files.draw_samples(self.state))

    def _text(self, nats: float) -> str:
        return nats_and_bits(nats, self.dimensions)

    def _keep_best(self) -> None:
        """Write the best checkpoint."""
        self._expect_equal_processes()
        self.state.seconds = self._clock()
        if self._files is not None:
            # Before the last one, which must not name a best one that does not exist.
            self._files.keep_best(self._learner, self.state)

    def _save(self) -> None:
        self._expect_equal_processes()
        self.state.seconds = self._clock()
        if self._files is not None:
            self._files.save(self._learner, self.state)

    def _expect_equal_processes(self) -> None:
        """Raise UnequalProcessesError if the processes have different weights: then no
        checkpoint must be written."""
        if self._ranks.count > 1:
            self._ranks.expect_equal(self._learner.digest())

    def _clock(self) -> float:
        return time.perf_counter() - self._clock_start

    def _start_window(self) -> None:
        self._window_started = time.perf_counter()
        self._window_images = self.state.images
