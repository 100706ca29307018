"""Labels in real worker processes: what the library draws, scores and says, in any company and after a crash."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_core import classify, complete, load_model, sample, upsample
from model_core.data.pixels import pixels_to_values, values_to_pixels
from model_core.measures.picture_score import score_picture
from model_core.models import Model
from tests.tiny_models import save_tiny_labelled, save_tiny_labelled_scales
from tests.worker.harness import Client, StartWorker, one_worker, wait_for
from worker.contract.jobs import JobSpec, JobStatus
from worker.contract.kinds.classify import ClassifySummary
from worker.contract.kinds.complete import CompletionSummary
from worker.contract.kinds.sample import SampleSummary
from worker.contract.kinds.score import ScoreSummary
from worker.contract.kinds.verify import VerifySummary

SIZE = 4, 3
NAMES = "1", "0", "cat"
BOTH = pytest.mark.parametrize("name", ["tiny-labelled", "tiny-labelled-two"])
VALUES = np.array([[[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0]]])
ABOVE = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0]], np.uint8)
BELOW = np.array([[0, 0, 0], [0, 0, 1], [1, 1, 1], [1, 1, 1]], np.uint8)
"""keep (H, W): 1 = given."""


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("labelled")
    save_tiny_labelled(directory)
    save_tiny_labelled_scales(directory)
    return directory


@pytest.fixture(scope="module")
def served(
    models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    with one_worker(models_dir, tmp_path_factory.mktemp("served")) as client:
        yield client


def pixels_of(values: NDArray[np.integer]) -> bytes:
    return values_to_pixels(values, 2).transpose(1, 2, 0).tobytes()


def drawn(client: Client, spec: JobSpec, levels: int = 2) -> NDArray[np.integer]:
    """Images of a job that has ended well, as values (n, C, H, W)."""
    client.succeeded(spec)
    return pixels_to_values(client.images(spec).transpose(0, 3, 1, 2), levels)


def told_labels(client: Client, spec: JobSpec) -> tuple[str, ...]:
    result = client.succeeded(spec).result
    assert isinstance(result, SampleSummary)
    return result.labels


def ask(client: Client, name: str, n: int, **options: object) -> JobSpec:
    return client.submit(model=name, n=n, options=options)


@BOTH
def test_images_are_the_library_s_beside_whatever_labels(
    served: Client, models_dir: Path, name: str
) -> None:
    """Asked for as one label, one for each image, or none, in slots that others share: the same bytes; and the labels
    that were drawn are told, by whose names the same bytes come again."""
    model = load_model(name, models_dir=models_dir)
    each = ["cat", "1", "cat", "0", "0", "1"]
    jobs = [
        (ask(served, name, 6, label=each), each),
        (ask(served, name, 5, label="cat"), ["cat"] * 5),
        (ask(served, name, 40), None),
        (
            ask(served, name, 4, label=["1", "1", "0", "0"], first=2),
            ["1", "1", "0", "0"],
        ),
    ]
    for spec, label in jobs:
        expected = sample(
            model, spec.n, spec.seed, label=label, first=spec.first
        ).numpy()
        np.testing.assert_array_equal(drawn(served, spec), expected)
    assert [told_labels(served, spec) for spec, _ in jobs[:2]] == [
        tuple(each),
        ("cat",) * 5,
    ]
    chosen = told_labels(served, jobs[2][0])
    assert set(chosen) == set(NAMES)
    again = ask(served, name, 40, label=list(chosen))
    np.testing.assert_array_equal(drawn(served, again), drawn(served, jobs[2][0]))
    served.wait_idle()


@pytest.mark.parametrize("label", [None, "cat"])
def test_both_stages_know_the_label(
    served: Client, models_dir: Path, label: str | None
) -> None:
    """Enlarged and completed by a Multi-Scale model: the library's bytes, with a label and without."""
    name = "tiny-labelled-scales"
    model, size = load_model(name, models_dir=models_dir), (6, 4, 3)
    known = np.random.default_rng(1).integers(0, 4, (3, *size[:2]))
    small, keep = known[:, ::2, ::2], np.arange(24).reshape(6, 4) < 10
    said = {} if label is None else {"label": label}
    of_small = values_to_pixels(small, 4).transpose(1, 2, 0).tobytes()
    spec = served.submit(of_small, b"", kind="upsample", model=name, n=5, options=said)
    expected = upsample(model, torch.from_numpy(small), 5, spec.seed, label=label)
    np.testing.assert_array_equal(drawn(served, spec, 4), expected.numpy())
    whole = values_to_pixels(known, 4).transpose(1, 2, 0).tobytes()
    spec = served.submit(
        whole,
        keep.astype(np.uint8).tobytes(),
        kind="complete",
        model=name,
        n=5,
        options={"method": "clamp", "filled_pixels": 14, **said},
    )
    given = torch.from_numpy(known), torch.from_numpy(keep)
    expected = complete(model, *given, 5, spec.seed, method="clamp", label=label).values
    np.testing.assert_array_equal(drawn(served, spec, 4), expected.numpy())
    served.wait_idle()


def test_labels_are_the_same_after_a_crash(
    client: Client, start_worker: StartWorker, models_dir: Path
) -> None:
    """Of images that are resumed, in either stage, and of those that were whole before: bytes and names."""
    names = "tiny-labelled", "tiny-labelled-scales"
    doomed = start_worker(
        step_delay_s=0.05, slots=2, express_slots=0, models=",".join(names)
    )
    each = ["cat", "0"] * 4
    jobs = [
        (name, ask(client, name, 8), ask(client, name, 8, label=each)) for name in names
    ]
    wait_for(
        lambda: all(len(client.rows(free.id)) > 12 for _, free, _ in jobs), "some rows"
    )
    doomed.kill()
    start_worker(models=",".join(names))
    for name, free, asked in jobs:
        model = load_model(name, models_dir=models_dir)
        levels = model.config.values
        by_chance = sample(model, 8, free.seed).numpy()
        np.testing.assert_array_equal(drawn(client, free, levels), by_chance)
        by_label = sample(model, 8, asked.seed, label=each).numpy()
        np.testing.assert_array_equal(drawn(client, asked, levels), by_label)
        assert client.attempts(free.id) == 2
        assert told_labels(client, asked) == tuple(each)
        told = list(told_labels(client, free))
        again = sample(model, 8, free.seed, label=told).numpy()
        np.testing.assert_array_equal(by_chance, again)
    client.wait_idle()


@BOTH
def test_completions_are_the_library_s(
    served: Client, models_dir: Path, name: str
) -> None:
    """Given a label, or of all, from p(label | given): exactly, by particles and by `clamp`, scored by the same."""
    model = load_model(name, models_dir=models_dir)
    for keep in (ABOVE, BELOW):
        for label in (None, "cat"):
            for method in ("posterior", "clamp"):
                behind = int(keep is BELOW or name.endswith("two"))
                options = {
                    "method": method,
                    "particles": 6,
                    "sweeps": 1,
                    "given_behind": behind,
                    "rank": True,
                }
                said = {
                    **options,
                    "filled_pixels": int((keep == 0).sum()),
                    **({} if label is None else {"label": label}),
                }
                spec = served.submit(
                    pixels_of(VALUES),
                    keep.tobytes(),
                    kind="complete",
                    model=name,
                    n=3,
                    options=said,
                )
                images, result = drawn(served, spec), served.succeeded(spec).result
                known, kept = torch.from_numpy(VALUES), torch.from_numpy(keep).bool()
                expected = complete(
                    model,
                    known,
                    kept,
                    3,
                    spec.seed,
                    method=method,
                    particles=6,
                    sweeps=1,
                    label=label,
                    most_scores=0,
                )
                np.testing.assert_array_equal(images, expected.values.numpy())
                assert isinstance(result, CompletionSummary)
                nats = [
                    score_picture(model.given(label), image).nats for image in images
                ]
                assert result.sample_nats == pytest.approx(nats, rel=1e-5)
                if method == "posterior":
                    assert result.posterior is not None
                    assert expected.receipt is not None
                    number = expected.receipt.to_dict()["label"]
                    assert result.posterior.label == NAMES[number]
                    assert label in (None, result.posterior.label)
    served.wait_idle()


@BOTH
def test_scores_name_the_label(served: Client, models_dir: Path, name: str) -> None:
    """The likeliest whose bits the map shows, or the one that was asked for; `nats` are of the sum, or given it."""
    model = load_model(name, models_dir=models_dir)
    for label in (None, *NAMES):
        said = {"x": 1, "y": 2, "influence": True} | (
            {} if label is None else {"label": label}
        )
        spec = served.submit(
            pixels_of(VALUES), b"", kind="score", model=name, options=said
        )
        result, expected = (
            served.succeeded(spec).result,
            score_picture(model.given(label), VALUES),
        )
        assert isinstance(result, ScoreSummary)
        assert expected.label is not None
        assert result.nats == pytest.approx(expected.nats, rel=1e-5)
        is_mixture = name.endswith("two")
        assert result.member == (expected.member if is_mixture else None)
        assert result.label == NAMES[expected.label] == (label or result.label)
        is_sum = label is None or name.endswith("two")
        assert result.member_nats == (
            pytest.approx(expected.member_nats, rel=1e-5) if is_sum else None
        )
        assert result.pixel is not None
        assert result.pixel.colours[0].bits == pytest.approx(
            float(expected.bits[0, 2, 1]), rel=1e-4
        )
    served.wait_idle()


def test_a_picture_is_verified_by_its_label(served: Client, models_dir: Path) -> None:
    """By the one that it names; by another it is another picture."""
    name = "tiny-labelled"
    values = sample(
        load_model(name, models_dir=models_dir), 12, seed=7, label="cat"
    ).numpy()

    def found(i: int, **options: object) -> bool:
        said = {"sample": i, **options}
        spec = served.submit(
            pixels_of(values[i]), b"", kind="verify", model=name, options=said
        )
        result = served.succeeded(spec).result
        assert isinstance(result, VerifySummary)
        return result.verified

    assert all(found(i, label="cat") for i in range(12))
    assert not all(found(i, label="0") for i in range(12))
    assert not all(found(i) for i in range(12))
    served.wait_idle()


def check_classified(
    result: object, model: Model, keep: NDArray[np.uint8] | None
) -> ClassifySummary:
    """It says what the library says."""
    given = None if keep is None else torch.from_numpy(keep).bool()
    expected = classify(model, torch.from_numpy(VALUES), given, seed=7, particles=8)
    assert isinstance(result, ClassifySummary)
    assert result.nats == pytest.approx(float(expected.total_nats[0]), rel=1e-5)
    assert [belief.p for belief in result.labels] == pytest.approx(
        sorted(expected.p[0], reverse=True), rel=1e-4
    )
    for belief in result.labels:
        assert belief.name == NAMES[belief.label]
        assert belief.p == pytest.approx(expected.p[0, belief.label], rel=1e-4)
        assert belief.nats == pytest.approx(expected.nats[0, belief.label], rel=1e-5)
        assert (
            (belief.sd is None)
            == (belief.p_sd is None)
            == result.exact
            == expected.exact
        )
    assert (result.quality, result.particles) == (
        expected.quality,
        0 if expected.exact else 8,
    )
    return result


@BOTH
def test_classifications_are_the_library_s(
    served: Client, models_dir: Path, name: str
) -> None:
    """Whole pictures, and parts of them; exact wherever that is possible."""
    model = load_model(name, models_dir=models_dir)
    members = [member.orientation for member in model.members]
    for keep in (None, ABOVE, BELOW, np.zeros(SIZE, np.uint8)):
        behind = int(keep is BELOW or (keep is ABOVE and len(members) > 1))
        said = {"particles": 8, "components": 3 * len(members), "given_behind": behind}
        spec = served.submit(
            pixels_of(VALUES),
            b"" if keep is None else keep.tobytes(),
            kind="classify",
            model=name,
            options=said,
        )
        result = check_classified(served.succeeded(spec).result, model, keep)
        assert result.exact == (behind == 0)
    served.wait_idle()


def test_classifications_by_particles_give_way(
    client: Client, start_worker: StartWorker, models_dir: Path
) -> None:
    """Pictures of which all is given are told while they go on, and so is how far they are; one that is canceled
    stops; after a crash they begin anew."""
    name = "tiny-labelled"
    doomed = start_worker(step_delay_s=0.02, models=name)
    said = {"particles": 8, "components": 3, "given_behind": 9}
    part, other, third = (
        client.submit(
            pixels_of(VALUES),
            BELOW.tobytes(),
            kind="classify",
            model=name,
            options=said,
        )
        for _ in range(3)
    )
    wait_for(lambda: client.record(part.id).progress > 0, "its first steps")
    assert client.record(other.id).progress == 0, "one at a time holds memory"
    whole = client.submit(
        pixels_of(VALUES), b"", kind="classify", model=name, options={"components": 3}
    )
    client.succeeded(whole)
    assert client.status(part.id) is JobStatus.RUNNING
    assert client.cancel(third.id) == "canceling"
    doomed.kill()
    start_worker(models=name)
    model = load_model(name, models_dir=models_dir)
    for spec in (part, other):
        check_classified(client.succeeded(spec).result, model, BELOW)
    assert client.wait_end(third.id).status is JobStatus.CANCELED
    client.wait_idle()
