"""Completions by `posterior` in real worker processes: what the library draws, however the worker is disturbed."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_core import complete, load_model, save_model
from model_core.data.pixels import pixels_to_values, values_to_pixels
from model_core.measures.picture_score import score_picture
from model_core.mixing import mix
from model_core.models import Model
from model_core.orientation import turn
from model_core.posterior.plan import given_behind
from tests.worker.harness import Client, StartWorker, one_worker, wait_for
from tests.worker.posterior_models import FOUR, SIDE, awake
from worker.contract import keys
from worker.contract.jobs import JobRecord, JobSpec, JobStatus
from worker.contract.kinds.complete import CompletionSummary
from worker.contract.maps import unpack_map
from worker.contract.traits import Method

SLOW = 0.03
"""Seconds after each step."""
HOLES = {
    "centre": np.pad(np.zeros((2, 2), np.uint8), 2, constant_values=1),
    "left": np.repeat([[0, 0, 0, 1, 1, 1]], SIDE, 0).astype(np.uint8),
    "lower": np.repeat([[1], [1], [1], [0], [0], [0]], SIDE, 1).astype(np.uint8),
    "all": np.zeros((SIDE, SIDE), np.uint8),
}
"""keep (H, W): 1 = given."""


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny-four` (a mixture of four members) and `tiny-colour` (3 colours, 4 values), 6 x 6."""
    directory = tmp_path_factory.mktemp("posterior")
    mix(
        [awake(seed, orientation) for seed, orientation in enumerate(FOUR)],
        directory / "tiny-four",
    )
    save_model(awake(5, "none", channels=3, values=4), directory / "tiny-colour")
    return directory


@pytest.fixture(scope="module")
def served(
    models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    with one_worker(models_dir, tmp_path_factory.mktemp("served")) as client:
        yield client


@dataclass(frozen=True)
class Case:
    """A completion, and what the library makes of it."""

    model: Model
    hole: str

    @property
    def values(self) -> NDArray[np.int64]:
        config = self.model.config
        return np.random.default_rng(3).integers(
            0, config.values, (config.channels, SIDE, SIDE)
        )

    @property
    def keep(self) -> NDArray[np.uint8]:
        return HOLES[self.hole]

    def submit(self, client: Client, **changes: object) -> JobSpec:
        keep = self.keep.astype(bool)
        orientations = [member.orientation for member in self.model.members]
        behind = max(given_behind(turn(keep, each)) for each in orientations)
        pixels = values_to_pixels(self.values, self.model.config.values).transpose(
            1, 2, 0
        )
        fields = {
            "kind": "complete",
            "model": self.model.card.name,
            "method": Method.POSTERIOR,
            "version": 2,
            "filled_pixels": int((~keep).sum()),
            "given_behind": behind,
            "particles": 5,
        }
        return client.submit(pixels.tobytes(), self.keep.tobytes(), **fields | changes)

    def submit_alone(self, client: Client, **options: object) -> JobSpec:
        """A job without images."""
        usual = self.submit(client, n=1).options.model_dump() | {
            "sweeps": 2,
            "alone": True,
        }
        pixels = (
            values_to_pixels(self.values, self.model.config.values)
            .transpose(1, 2, 0)
            .tobytes()
        )
        fields = {
            "kind": "complete",
            "model": self.model.card.name,
            "n": 0,
            "version": 7,
        }
        return client.submit(
            pixels, self.keep.tobytes(), **fields, options=usual | options
        )

    def check(self, client: Client, spec: JobSpec) -> JobRecord:
        """Images, receipt and maps are the library's; of a job without images, receipt and maps."""
        record = client.succeeded(spec)
        assert record.rows_done == spec.rows_total == len(client.rows(spec.id))
        assert record.progress == 1
        known, keep = torch.from_numpy(self.values), torch.from_numpy(self.keep).bool()
        options = spec.options
        expected = complete(
            self.model,
            known,
            keep,
            spec.n,
            spec.seed,
            particles=options.particles,
            sweeps=options.sweeps,
            first=options.first,
            most_scores=options.limit_of_scores,
        )
        levels = self.model.config.values
        drawn = pixels_to_values(client.images(spec).transpose(0, 3, 1, 2), levels)
        np.testing.assert_array_equal(drawn, expected.values.numpy())
        assert isinstance(record.result, CompletionSummary)
        assert record.result.posterior is not None
        receipt, true = record.result.posterior.model_dump(), expected.receipt.to_dict()
        assert receipt.pop("nats") == pytest.approx(true.pop("nats"))
        assert receipt.pop("qualities") == true.pop("qualities")
        assert receipt == pytest.approx({"label": None, **true})
        assert record.result.values == levels
        for field, found in (
            ("mean", expected.mean),
            ("entropy", expected.entropy_bits),
        ):
            assert found is not None
            raw = client.redis.hget(keys.image(spec.id), field)
            stored = np.array(unpack_map(raw, SIDE, SIDE, spec.channels))
            np.testing.assert_allclose(
                stored, found.numpy().transpose(1, 2, 0), atol=1e-6
            )
        return record


@pytest.fixture
def four(models_dir: Path) -> Model:
    return load_model("tiny-four", models_dir=models_dir)


@pytest.fixture
def colour(models_dir: Path) -> Model:
    return load_model("tiny-colour", models_dir=models_dir)


def test_completions_are_the_library_s_when_many_are_drawn(
    served: Client, four: Model, colour: Model
) -> None:
    """By particles, with sweeps, in a turned member, of nothing given: in company, with one particle stage for each
    model, the same bytes as alone, and ranked as POST /score would."""
    centre = Case(four, "centre")
    jobs = [
        (centre, centre.submit(served, n=3, rank=True)),
        (centre, centre.submit(served, n=1, particles=7, seed=8)),
        (Case(four, "left"), Case(four, "left").submit(served, n=3)),
        (Case(four, "lower"), Case(four, "lower").submit(served, n=3, rank=True)),
        (Case(four, "all"), Case(four, "all").submit(served)),
        (
            Case(colour, "left"),
            Case(colour, "left").submit(served, n=2, sweeps=1, temperature=1.0),
        ),
    ]
    records = [case.check(served, spec) for case, spec in jobs]
    receipts = [
        record.result.posterior
        for record in records
        if isinstance(record.result, CompletionSummary)
    ]
    found = [(each.exact, each.particles) for each in receipts if each]
    assert found == [
        (False, 256),
        (False, 6),
        (False, 256),
        (False, 5),
        (False, 4),
        (False, 4),
    ]
    for record in (records[0], records[3]):
        assert isinstance(record.result, CompletionSummary)
        images = pixels_to_values(served.images(record.spec).transpose(0, 3, 1, 2), 2)
        expected = [score_picture(four, image).nats for image in images]
        assert record.result.sample_nats == pytest.approx(expected, rel=1e-5)
    alone = centre.submit(served, n=1)
    served.wait_end(alone.id)
    np.testing.assert_array_equal(served.images(alone)[0], served.images(jobs[0][1])[0])
    served.wait_idle()


def test_small_holes_are_enumerated_where_the_job_says_so(
    served: Client, four: Model
) -> None:
    """The library's bytes, with or without images. A job that an earlier API accepted lacks
    the option and is drawn by chains; a hole with many fillings is, too, whatever it says."""
    centre = Case(four, "centre")
    earlier = centre.submit(served, n=2)
    told = earlier.options.model_dump() | {"enumerate": True}
    jobs = [
        (centre, centre.submit(served, n=2, version=8, options=told)),
        (
            Case(four, "left"),
            Case(four, "left").submit(served, version=8, options=told),
        ),
        (centre, earlier),
    ]
    records = [case.check(served, spec) for case, spec in jobs]
    words = []
    for record in records:
        assert isinstance(record.result, CompletionSummary)
        assert record.result.posterior is not None
        words.append(record.result.posterior.exact)
    assert words == [True, False, False]
    alone = centre.submit_alone(served, enumerate=True)
    record = served.wait_end(alone.id)
    assert isinstance(record.result, CompletionSummary)
    assert record.result.posterior is not None
    assert record.result.posterior.exact
    served.wait_idle()


def test_completions_go_on_when_the_worker_is_killed(
    client: Client, start_worker: StartWorker, four: Model, colour: Model
) -> None:
    """An image comes whole; what is published stays and is not published again; receipt and maps are those of an
    undisturbed run, and progress never goes back. A job without images, by particles, by the member that comes last
    or exactly, begins anew."""
    doomed = start_worker(step_delay_s=SLOW, slots=1, express_slots=0)
    cases = [Case(four, "centre"), Case(four, "left")]
    specs = [case.submit(client, n=n) for case, n in zip(cases, (3, 8), strict=True)]
    by_particles = specs[0]
    seen = [0.0]

    def look(rows: int) -> bool:
        seen.append(client.record(by_particles.id).progress)
        return all(len(client.rows(spec.id)) >= rows for spec in specs)

    wait_for(lambda: look(SIDE), "an image of each job")
    without = [Case(four, "centre"), Case(four, "lower"), Case(colour, "lower")]
    alone = [case.submit_alone(client, first=2) for case in without]
    wait_for(lambda: client.attempts(alone[0].id) == 1, "the claim of another")
    doomed.kill()
    before = [client.rows(spec.id) for spec in specs]
    assert all(
        len(rows) % SIDE == 0 and len(rows) < spec.rows_total
        for rows, spec in zip(before, specs, strict=True)
    )
    start_worker()
    wait_for(lambda: look(3 * SIDE), "the last rows")
    for case, spec, rows in zip(cases, specs, before, strict=True):
        case.check(client, spec)
        assert client.attempts(spec.id) == 2
        assert client.rows(spec.id)[: len(rows)] == rows
    assert seen == sorted(seen)
    assert any(0 < share < 1 / 3 for share in seen)
    for case, spec in zip(without, alone, strict=True):
        case.check(client, spec)


def test_particles_stop_when_the_job_is_canceled_or_the_worker_is_told_to(
    client: Client, start_worker: StartWorker, four: Model, colour: Model
) -> None:
    """Within a step; a job that is handed back goes on elsewhere with the same bytes. Of estimates there is the newest
    alone, of bounded size, with a lifetime; behind success and cancel there is none."""
    first = start_worker(step_delay_s=SLOW, drain_grace_s=0)
    case, estimated = Case(four, "centre"), Case(colour, "left")
    spec = estimated.submit(client, n=2)
    canceled, other = case.submit(client, n=40), case.submit(client, n=16, seed=4)
    seen: set[bytes] = set()

    def look() -> bool:
        for _, fields in client.redis.xrange(keys.estimate(spec.id), "-", "+"):
            seen.add(fields[b"data"])
            assert client.redis.xlen(keys.estimate(spec.id)) <= 1
            assert client.redis.ttl(keys.estimate(spec.id)) <= keys.ESTIMATE_TTL_S
        return client.status(spec.id) is JobStatus.SUCCEEDED

    wait_for(look, "the end of the first")
    wait_for(lambda: client.redis.exists(keys.estimate(canceled.id)), "an estimate")
    assert client.cancel(canceled.id) == "canceling"
    record = client.wait_end(canceled.id)
    assert record.status is JobStatus.CANCELED
    assert record.progress < 0.5
    assert not client.redis.exists(keys.estimate(canceled.id))
    wait_for(lambda: client.record(other.id).progress > 0, "the other's first steps")
    first.terminate()
    assert first.wait() == 0
    assert client.status(other.id) is JobStatus.QUEUED
    start_worker()
    case.check(client, other)
    estimated.check(client, spec)
    assert len(seen) > 1  # a newer one has taken the place of an older one
    for told in map(json.loads, seen):
        mean = (
            np.frombuffer(base64.b64decode(told["mean"]), np.uint8)
            .reshape(SIDE, SIDE, 3)
            .transpose(2, 0, 1)
        )
        keep = estimated.keep.astype(bool)
        np.testing.assert_array_equal(
            mean[:, keep], values_to_pixels(estimated.values, 4)[:, keep]
        )
        assert told["sample"] in (0, 1)
        assert 0 < told["share"] <= 1
    assert not client.redis.keys(keys.estimate("*"))


def test_a_description_without_a_method_is_clamped(served: Client, four: Model) -> None:
    """As an earlier API wrote it: the first member draws, and nothing is said of the posterior."""
    case = Case(four, "centre")
    old = served.spec(kind="complete", model="tiny-four", filled_pixels=4)
    text = json.dumps(
        old.model_dump(mode="json", exclude={"options"}, exclude_defaults=True)
        | {"filled_pixels": 4}
    )
    pixels = values_to_pixels(case.values, 2).transpose(1, 2, 0)
    served.accept(old, pixels.tobytes(), case.keep.tobytes(), spec_json=text)
    served.enqueue(old.id)
    record = served.wait_end(old.id)
    assert (record.status, record.result) == (JobStatus.SUCCEEDED, None)
    known, keep = torch.from_numpy(case.values), torch.from_numpy(case.keep).bool()
    drawn = complete(four, known, keep, 1, old.seed, method="clamp").values.numpy()
    np.testing.assert_array_equal(
        pixels_to_values(served.images(old).transpose(0, 3, 1, 2), 2), drawn
    )
