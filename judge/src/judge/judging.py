"""`judge`: the checks, one after another."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from judge.coder import PRECISION, Decoder, Encoder, cumulative_frequencies
from judge.places import Places
from judge.questions import Nats, Questions, distance
from judge.units import explain_claim
from judge.verdict import Finding, Verdict

CHECKS = ("repeat", "batch", "values", "causality", "sums", "units", "file")
"""Names of the checks, in the order in which faults are reported: later ones may follow
from earlier ones."""

CUTS = 48
"""Places behind which the image is replaced; all of them if the image is smaller."""

MOST_VALUES = 1024
"""Values up to which the model is asked about each of them."""

SUM_QUESTIONS = 4096
"""Questions for sums of probabilities; at least `LEAST_SUMS` sums are taken anyhow."""

LEAST_SUMS = 6
MOST_SUMS = 64

FILE_QUESTIONS = 4096
"""Questions for writing files, and as many again for reading them."""

FILES = 2
FILE_ROWS = 512
"""Variables of all files, if the model has a table, so that each is one question."""

FEW_FILE_ROWS = 32
"""The same, if there are so many values that such a model is probably slow."""

LEAKS = 4
"""Leaks that are located, each with some ten questions more."""

STANDARD_ERRORS = 6
"""Standard errors by which an estimated sum must exceed 1 to count as a fault."""

watchers: list[Callable[[Verdict], object]] = []
"""Called with each verdict; the pytest plugin prints those of failed tests."""


def judge(
    nats: Nats,
    shape: Sequence[int],
    values: int,
    data: np.ndarray | None = None,
    claim: float | None = None,
    order: Sequence[int] | np.ndarray | None = None,
    *,
    seed: int = 0,
    tolerance: float = 1e-4,
    batch: int = 64,
) -> Verdict:
    """Judge whether `nats` belongs to a probability distribution over images.

    The model answers questions; nothing is known of what is inside. Checked are: the
    same question asked twice, independence of the other images of a batch, causality,
    sums of probabilities, the units of a claim, and a file that is decoded with the
    model and the values decoded so far. Places and images are sampled, so `sound` is
    strong evidence but no proof.

    Args:
        nats: maps integers `(N, *shape)` from 0 to V - 1 to a float32 or float64 array
            of the same shape with -ln p of each variable, given those before it. It
            may have a method `table`, which maps the same integers to -ln p of every
            value, `(N, *shape, V)`; this is used if V > 1,024.
        shape: shape of one image or sequence.
        values: number of values of one variable, V, at least 2.
        data: real images `(N, *shape)`, integers. All of them are scored. Without them,
            random images are used and nothing is measured.
        claim: bits per variable that are claimed for `data`.
        order: flat indices into `shape` in the order of generation. Default: as they
            lie in memory. `pixel_order(shape)` is row by row, and within a pixel colour
            by colour.
        seed: of the random images and places.
        tolerance: nats that count as rounding; relative if an answer is larger than 1.
            The default suits single precision. In double precision 1e-9 finds the
            faint leaks of networks that are not trained yet.
        batch: images in one call of `nats`, at most.

    Raises:
        CannotJudgeError: `nats` raises, or its answer has a wrong form.
        ValueError: another argument is wrong.
    """
    places = Places(shape, order)
    _check_arguments(places, values, data, claim, tolerance, batch)
    rng = np.random.default_rng(seed)
    questions = Questions(nats, places, values, batch, tolerance)
    judging = _Judging(questions, data, rng, tolerance)
    judging.verdict.claim = claim
    judging.verdict.notes += list(getattr(nats, "notes", []))

    judging.check_batch()
    judging.check_causality()
    judging.check_sums()
    if data is not None:
        judging.check_bits(claim)
    judging.check_file()
    judging.check_repeat()
    judging.check_values()

    verdict = judging.verdict
    verdict.findings.sort(key=lambda each: CHECKS.index(each.check))
    verdict.questions = questions.asked
    for watcher in watchers:
        watcher(verdict)
    return verdict


class _Judging:
    """The state of one call of `judge`."""

    def __init__(
        self,
        questions: Questions,
        data: np.ndarray | None,
        rng: np.random.Generator,
        tolerance: float,
    ) -> None:
        self.questions = questions
        self.places = questions.places
        self.rng = rng
        self.tolerance = tolerance
        self.verdict = Verdict(self.places.shape, questions.values)
        if data is None:
            self.images = self.random_images(4)
            self.verdict.not_made.append("bits/dim and units: there are no data")
        else:
            self.images = self.places.to_generated(np.asarray(data)).astype(np.int64)
        self.known = self.images[:1]
        # This is the first question of all; check_repeat asks it again at the end.
        self.first_answer = questions.ask(self.known)
        self.is_repeatable = (
            self.largest(questions.ask(self.known), self.first_answer) <= tolerance
        )

    def random_images(self, count: int) -> np.ndarray:
        """Return images of independent uniform values."""
        size = (count, self.places.count)
        return self.rng.integers(self.questions.values, size=size)

    def constant_image(self, value: int) -> np.ndarray:
        """Return one image that has the same value everywhere."""
        return np.full((1, self.places.count), value)

    def largest(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return the largest distance between two arrays of nats."""
        return float(distance(one, other).max())

    def add(
        self, check: str, text: str, place: int | None = None, cause: int | None = None
    ) -> None:
        """Report a fault; places are in the order of generation."""
        at = None if place is None else self.places.coordinates(place)
        by = None if cause is None else self.places.coordinates(cause)
        self.verdict.findings.append(Finding(check, text, at, by))

    # The same question

    def check_repeat(self) -> None:
        """Ask the first question of all again, now that the model was asked much."""
        self.verdict.checks["repeat"] = "the first question, once more and at the end"
        gap = self.largest(self.questions.ask(self.known), self.first_answer)
        if not self.is_repeatable:
            self.add(
                "repeat",
                "the same question has another answer when it is asked again: the "
                "model draws random numbers (dropout?) or learns from questions",
            )
        elif gap > self.tolerance:
            self.add(
                "repeat",
                f"the first question has another answer at the end, by {gap:.3g} "
                "nats: the model learns from what it is asked",
            )

    # The rest of the batch

    def check_batch(self) -> None:
        """Ask about one image in different company."""
        self.verdict.checks["batch"] = "one image alone, and beside four others"
        top = self.questions.values - 1
        companies = [
            self.random_images(4),
            np.repeat(self.constant_image(0), 4, axis=0),
            np.repeat(self.constant_image(top), 4, axis=0),
        ]
        # Images that are asked about together must really be in one call.
        limit = self.questions.batch
        self.questions.batch = max(limit, 5)
        gaps = []
        for company in companies:
            leading = self.questions.ask(np.concatenate([self.known, company]))[:1]
            closing = self.questions.ask(np.concatenate([company, self.known]))[-1:]
            gaps.append(self.largest(leading, self.first_answer))
            gaps.append(self.largest(closing, self.first_answer))
        self.questions.batch = limit
        if max(gaps) <= self.tolerance:
            return
        # From here on each image is asked about alone, so that other checks judge the
        # model and not its company.
        self.questions.batch = 1
        if self.is_repeatable:
            self.add(
                "batch",
                f"the other images of a batch change an image's probabilities, by "
                f"{max(gaps):.3g} nats (batch norm in training mode?)",
            )

    # Causality

    def check_causality(self) -> None:
        """Replace everything after a cut: nothing up to the cut may change."""
        last = self.places.count - 1
        if last == 0:
            self.verdict.not_made.append("causality: there is one variable only")
            return
        cuts = self._choose(last, CUTS)
        self.verdict.checks["causality"] = (
            f"{len(cuts)} of {last} cuts, everything after them replaced in seven ways"
        )
        if not self.is_repeatable:
            self.verdict.not_made.append(
                "causality: the model does not repeat its answers"
            )
            del self.verdict.checks["causality"]
            return
        seen: set[int] = set()
        for start, end in self._replacements(len(cuts)):
            before = self.questions.ask(start)
            hybrids = np.repeat(start, len(cuts), axis=0)
            for row, cut in enumerate(cuts):
                hybrids[row, cut + 1 :] = end[row, cut + 1 :]
            gaps = distance(self.questions.ask(hybrids), before)
            for row, cut in enumerate(cuts):
                reader = int(gaps[row, : cut + 1].argmax())
                if gaps[row, reader] > self.tolerance and reader not in seen:
                    seen.add(reader)
                    self._locate_leak(start[0], hybrids[row], int(cut), reader)
                if len(self.verdict.found_by("causality")) >= LEAKS:
                    return
        if self.questions.has_table and self.questions.values > MOST_VALUES:
            self._check_own_value()

    def _choose(self, count: int, most: int) -> np.ndarray:
        """Return all of `count` places, or a sample with the first and last ones."""
        if count <= most:
            return np.arange(count)
        ends = [0, 1, 2, count - 2, count - 1]
        others = self.rng.choice(np.arange(3, count - 2), most - 5, replace=False)
        return np.sort(np.concatenate([ends, others]))

    def _replacements(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return pairs of an image `(1, D)` and what replaces its end, `(count, D)`.

        Constant images are among them, since statistics such as the largest value of an
        image are nearly the same for all random ones.
        """
        zeros = self.constant_image(0)
        tops = self.constant_image(self.questions.values - 1)
        other = self.images[self.rng.integers(len(self.images), size=count)]
        pairs = [
            (self.known, self.random_images(count)),
            (self.known, other),
            (self.known, zeros),
            (self.known, tops),
            (self.random_images(1), self.random_images(count)),
            (zeros, tops),
            (tops, zeros),
        ]
        size = (count, self.places.count)
        return [(start, np.broadcast_to(end, size)) for start, end in pairs]

    def _locate_leak(
        self, start: np.ndarray, hybrid: np.ndarray, cut: int, reader: int
    ) -> None:
        """Find by bisection one later variable that changes the reader's nats."""

        def answer_with(end: int) -> float:
            """Return the reader's nats if variables cut + 1 .. end are replaced."""
            image = start.copy()
            image[cut + 1 : end + 1] = hybrid[cut + 1 : end + 1]
            return float(self.questions.ask(image[None])[0, reader])

        before = np.array(answer_with(cut))
        unchanged = cut
        changed = self.places.count - 1
        while changed - unchanged > 1:
            middle = (unchanged + changed) // 2
            gap = distance(np.array(answer_with(middle)), before)
            if gap > self.tolerance:
                changed = middle
            else:
                unchanged = middle
        gap = float(distance(np.array(answer_with(changed)), before))
        reader_name = self.places.name(reader)
        cause_name = self.places.name(changed)
        self.add(
            "causality",
            f"the probability of {reader_name} changes with {cause_name}, which is "
            f"generated later, by {gap:.3g} nats",
            reader,
            changed,
        )

    def _check_own_value(self) -> None:
        """Replace a variable and all after it: its row of the table may not change.

        If rows do not depend on the variable itself, their sums are the sums of one
        softmax. This stands in for questions about each of many values.
        """
        places = self._choose(self.places.count, CUTS)
        starts = np.repeat(self.known, len(places), axis=0)
        before = self.questions.read_rows(starts, places)
        tops = self.constant_image(self.questions.values - 1)
        for end in (self.random_images(len(places)), tops):
            hybrids = np.where(
                np.arange(self.places.count) >= places[:, None], end, starts
            )
            after = self.questions.read_rows(hybrids, places)
            gaps = distance(after, before).max(axis=1)
            worst = int(gaps.argmax())
            if gaps[worst] > self.tolerance:
                place = int(places[worst])
                self.add(
                    "causality",
                    f"the row of probabilities of {self.places.name(place)} changes "
                    f"with its own value or a later one, by {gaps[worst]:.3g} nats",
                    place,
                )
                return

    # Sums of probabilities

    def check_sums(self) -> None:
        """Add the probabilities of all values of one variable, asked one by one."""
        values = self.questions.values
        most = min(MOST_SUMS, max(LEAST_SUMS, SUM_QUESTIONS // min(values, 1024)))
        places = self._choose(self.places.count, most)
        if values <= MOST_VALUES:
            self._sum_all_values(places)
        elif self.questions.has_table:
            self._sum_table(places)
        else:
            self._sum_some_values(places[:LEAST_SUMS])

    def _context(self, turn: int) -> np.ndarray:
        """Return an image in which one value is varied: mostly a real one."""
        if turn % 4 == 3:
            return self.random_images(1)[0]
        return self.images[self.rng.integers(len(self.images))]

    def _sum_all_values(self, places: np.ndarray) -> None:
        sums = []
        for turn, place in enumerate(places):
            answers = self.questions.ask_every_value(self._context(turn), int(place))
            sums.append(_total(answers))
        self.verdict.checks["sums"] = (
            f"all {self.questions.values} values at {len(places)} places, each asked"
        )
        self._report_sums(places, np.array(sums))

    def _sum_table(self, places: np.ndarray) -> None:
        images = np.stack([self._context(turn) for turn in range(len(places))])
        rows = self.questions.read_rows(images, places)
        own = images[np.arange(len(places)), places]
        read = rows[np.arange(len(places)), own]
        asked = self.questions.ask(images)[np.arange(len(places)), places]
        sums = np.array([_total(row) for row in rows])
        self.verdict.checks["sums"] = (
            f"all {self.questions.values:,} values at {len(places)} places, read from "
            "the model's table"
        )
        self.verdict.not_made.append(
            f"sums by questions: {self.questions.values:,} values are too many; the "
            "table was read instead, and compared with the answers"
        )
        gaps = distance(read, asked)
        worst = int(gaps.argmax())
        if gaps[worst] > self.tolerance:
            place = int(places[worst])
            self.add(
                "sums",
                f"the table and the answer differ at {self.places.name(place)}, by "
                f"{gaps[worst]:.3g} nats",
                place,
            )
        self._report_sums(places, sums)

    def _sum_some_values(self, places: np.ndarray) -> None:
        """Bound each sum from below by a sample of values."""
        values = self.questions.values
        bounds = []
        for turn, place in enumerate(places):
            sample = self.rng.choice(values, MOST_VALUES, replace=False)
            images = np.repeat(self._context(turn)[None], len(sample), axis=0)
            images[:, place] = sample
            answers = self.questions.ask(images)[:, place]
            chances = np.exp(-np.nan_to_num(answers, nan=np.inf))
            estimate = chances.mean() * values
            error = chances.std(ddof=1) * values / math.sqrt(len(sample))
            # Probabilities are not negative, so those of the sample are a bound; with
            # a low variance the estimate of the whole sum is a better one.
            bounds.append(max(float(chances.sum()), estimate - STANDARD_ERRORS * error))
        worst = int(np.argmax(bounds))
        self.verdict.checks["sums"] = (
            f"{MOST_VALUES:,} of {values:,} values at {len(places)} places: the sums "
            f"are at least {max(bounds):.4f}"
        )
        self.verdict.not_made.append(
            f"whole sums: {values:,} values are too many to ask about, and the model "
            "has no table; a sum below 1 would not be found"
        )
        if bounds[worst] > 1 + self.tolerance:
            place = int(places[worst])
            self.add(
                "sums",
                f"the probabilities of all values of {self.places.name(place)} sum to "
                f"at least {bounds[worst]:.4f}, not 1",
                place,
            )

    def _report_sums(self, places: np.ndarray, sums: np.ndarray) -> None:
        gaps = distance(sums, np.ones_like(sums))
        worst = int(gaps.argmax())
        self.verdict.worst_sum = float(sums[worst])
        if gaps[worst] > self.tolerance:
            place = int(places[worst])
            wrong = int((gaps > self.tolerance).sum())
            self.add(
                "sums",
                f"the probabilities of all values of {self.places.name(place)} sum to "
                f"{sums[worst]:.6g}, not 1 ({wrong} of {len(sums)} sums are wrong)",
                place,
            )

    # Bits and units

    def check_bits(self, claim: float | None) -> None:
        """Score the data, and compare the result with the claim."""
        answers = self.questions.ask(self.images)
        each = answers.mean(axis=1) / math.log(2)
        self.verdict.bits_per_dim = float(each.mean())
        if len(each) > 1 and np.isfinite(each).all():
            self.verdict.bits_error = float(each.std(ddof=1) / math.sqrt(len(each)))
        if claim is None:
            self.verdict.not_made.append("units: there is no claim")
            return
        self.verdict.checks["units"] = "the claim beside the bits of the data"
        text = explain_claim(
            claim,
            self.verdict.bits_per_dim,
            self.verdict.bits_error,
            self.places.shape,
        )
        if text is not None:
            self.add("units", text)

    # A file

    def check_file(self) -> None:
        """Write files, and decode them with nothing but the model and the past."""
        if self.questions.has_table:
            is_large = self.questions.values > MOST_VALUES
            rows = FEW_FILE_ROWS if is_large else FILE_ROWS
        elif self.questions.values > MOST_VALUES:
            self.verdict.not_made.append(
                "a file: it would take a question for each of "
                f"{self.questions.values:,} values, and the model has no table"
            )
            return
        else:
            rows = FILE_QUESTIONS // self.questions.values
        if not self.is_repeatable:
            self.verdict.not_made.append(
                "a file: the model does not repeat its answers"
            )
            return
        files = min(FILES, len(self.images), max(1, rows // self.places.count))
        length = min(self.places.count, rows // files)
        if length < self.places.count:
            self.verdict.not_made.append(
                f"a whole file: only the first {length} of {self.places.count} "
                "variables were coded"
            )
        self.verdict.checks["file"] = (
            f"{files} image{'s' if files > 1 else ''}, {length} variables each, "
            "decoded with the past alone"
        )
        coded = self.images[:files]
        said = self.questions.ask(coded)[:, :length] / math.log(2)
        # The coder gives each value a part of at least 2^-32.
        promised = np.minimum(said, PRECISION)
        wrong = 0
        size = 0
        for image in coded:
            data = self._encode(image[:length])
            size += len(data)
            wrong += int((self._decode(data, length) != image[:length]).sum())
        self.verdict.file_bytes = size
        self.verdict.file_variables = files * length
        self.verdict.file_bits_said = float(promised.sum())
        self._report_file(said, size, wrong)

    def _report_file(self, said: np.ndarray, size_in_bytes: int, wrong: int) -> None:
        """Report wrong values, and a size that differs from the promised bits."""
        if wrong:
            self.add(
                "file",
                f"{wrong} of {said.size} variables were decoded wrong: the same past "
                "has other probabilities when it is asked about again",
            )
        size = 8 * size_in_bytes
        # A coded value costs at most 32 bits, since each has a frequency of at least 1,
        # and rounding never makes a frequency smaller. Each file ends with at most 10
        # bits more, to be a whole number of bytes.
        slack = 1 + 1e-3 * said.size
        least = -np.log2(np.exp2(-said) + 2.0**-PRECISION).sum() - slack
        most = np.minimum(said, PRECISION).sum() + 10 * len(said) + slack
        if size < least or size > most:
            kind = "larger" if size > most else "smaller"
            self.add(
                "file",
                f"the file is {kind} than the model's answers promise: {size} bits, "
                f"promised {said.sum():.1f}",
            )

    def _place_image(self, past: np.ndarray) -> np.ndarray:
        image = np.zeros(self.places.count, np.int64)
        image[: len(past)] = past
        return image

    def _encode(self, image: np.ndarray) -> bytes:
        encoder = Encoder()
        whole = self._place_image(image)
        for place in range(len(image)):
            # The encoder hides the future too: then both sides compute with the same
            # numbers, and a model that reads the future pays for it in bits.
            row = self.questions.row_given_past(whole, place)
            encoder.encode(cumulative_frequencies(row), int(whole[place]))
        return encoder.finish()

    def _decode(self, data: bytes, length: int) -> np.ndarray:
        decoder = Decoder(data)
        whole = self._place_image(np.zeros(0, np.int64))
        for place in range(length):
            row = self.questions.row_given_past(whole, place)
            whole[place] = decoder.decode(cumulative_frequencies(row))
        return whole[:length]

    # Numbers that are no probabilities

    def check_values(self) -> None:
        """Report NaN and probabilities above 1 among all answers of all checks."""
        self.verdict.checks["values"] = "every answer to every question"
        impossible = self.questions.impossible
        if not impossible:
            return
        place = min(impossible)
        answer = impossible[place]
        meaning = "NaN" if math.isnan(answer) else f"{answer:.4g} nats, so p > 1"
        count = len(impossible)
        others = f" (and of {count - 1} other variables)" if count > 1 else ""
        self.add(
            "values",
            f"an answer for {self.places.name(place)} is {meaning}{others}",
            place,
        )


def _total(nats: np.ndarray) -> float:
    """Return the sum of p; NaN counts as 0, since it is reported by itself."""
    with np.errstate(over="ignore"):
        return float(np.exp(-np.nan_to_num(nats, nan=np.inf, posinf=np.inf)).sum())


def _check_arguments(
    places: Places,
    values: int,
    data: np.ndarray | None,
    claim: float | None,
    tolerance: float,
    batch: int,
) -> None:
    if values < 2:
        raise ValueError(f"values is {values}, expected at least 2")
    if batch < 1:
        raise ValueError(f"batch is {batch}, expected at least 1")
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance is {tolerance}, expected a number from 0 to 1")
    if claim is not None and not 0 < claim < math.inf:
        raise ValueError(f"claim is {claim}, expected a positive number of bits/dim")
    if data is None:
        if claim is not None:
            raise ValueError("a claim needs the data that it is about")
        return
    data = np.asarray(data)
    if data.ndim < 1 or data.shape[1:] != places.shape or len(data) == 0:
        raise ValueError(
            f"data has shape {data.shape}, expected at least one image of shape "
            f"{places.shape}"
        )
    if data.dtype.kind not in "iub":
        raise ValueError(f"data holds {data.dtype}, expected integers")
    if data.min() < 0 or data.max() >= values:
        raise ValueError(
            f"data holds values from {data.min()} to {data.max()}, expected 0 to "
            f"{values - 1}"
        )
