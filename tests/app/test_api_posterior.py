"""POST /complete by `posterior`, and GET /jobs/{id}/marginals."""

import io
import struct

import httpx
import numpy as np
import pytest
from PIL import Image

from app.imaging.given import given_behind_hole
from model_core.card import Card
from model_core.orientation import ORIENTATIONS, turn
from model_core.posterior import completion, targets
from model_core.posterior.plan import given_behind, window_size
from model_core.shipped import MODELS
from tests.app.answers import is_problem, picture_of
from tests.app.completions import FOUR, POSTERIOR, png, post
from tests.app.hand_worker import GREY, SCALES, HandWorker
from tests.app.live import events_of
from worker.contract import scripts
from worker.contract.jobs import JobSpec
from worker.contract.kinds import complete
from worker.contract.kinds.complete import CompletionSummary, Receipt
from worker.contract.traits import Method


@pytest.fixture
def posterior(worker: HandWorker) -> HandWorker:
    """A worker of this version with three models, of which one offers `posterior`."""
    worker.announce(GREY, SCALES, POSTERIOR)
    return worker


def settle(
    worker: HandWorker,
    spec: JobSpec,
    receipt: Receipt,
    mean: list[float],
    entropy: list[float],
) -> None:
    text = CompletionSummary(posterior=receipt, values=2).model_dump_json(
        exclude_none=True
    )
    maps = {
        field: struct.pack(f"<{len(found)}f", *found)
        for field, found in (("mean", mean), ("entropy", entropy))
    }
    arguments = [worker.token, "succeeded", "", text]
    pairs = [part for pair in maps.items() for part in pair]
    assert (
        worker.redis.eval(scripts.SETTLE, 4, *scripts.of(spec.id), *arguments, *pairs)
        == b"ended"
    )


def test_posterior_is_the_way_when_the_model_offers_it(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """The job says so, and its description is of a version that earlier workers leave; elsewhere it is clamp."""
    card = client.get("/models/posterior").json()
    assert (card["methods"], card["max_particles"], card["title"]) == (
        ["posterior", "clamp"],
        64,
        "PixelCNN",
    )
    assert card["members"] == list(FOUR)
    job = post(client).json()
    assert (job["method"], job["particles"], job["sweeps"]) == ("posterior", 32, 2)
    spec = posterior.take()
    assert (spec.version, spec.options.method) == (8, Method.POSTERIOR)
    assert (spec.options.given_behind, spec.options.filled_pixels) == (7, 1)
    assert spec.work == 1560
    for fields in ({"model": "grey"}, {"method": "clamp"}):
        job = post(client, **fields).json()
        assert (job["method"], job["particles"], job["sweeps"]) == ("clamp", None, None)
        spec = posterior.take()
        assert (spec.version, spec.options.method, spec.work) == (4, Method.CLAMP, 1)
        assert "particles" not in spec.entry()


MIRRORED = ("none", "flip_left_right")


def keep_without(*missing: int) -> np.ndarray:
    """Return keep (4, 3) in which these pixels, by their place in raster order, are missing."""
    keep = np.ones(12, np.uint8)
    keep[[*missing]] = 0
    return keep.reshape(4, 3)


@pytest.mark.parametrize(
    ("members", "missing", "values", "fields", "version", "limit"),
    [
        (FOUR, range(3, 9), 2, {}, 8, 0),
        (FOUR, range(3, 10), 2, {}, 10, 1666),
        (FOUR, range(1, 10), 2, {}, 4, 0),
        (("none",), range(2, 10), 2, {}, 8, 0),
        (("none",), range(2, 11), 2, {}, 4, 0),
        (("none",), [5], 256, {}, 8, 0),
        (("none",), [5, 6], 256, {}, 4, 0),
        (("none",), range(9, 12), 2, {}, 4, 0),
        (MIRRORED, range(6, 12), 2, {}, 8, 0),
        (MIRRORED, range(3, 12), 2, {}, 8, 0),
        (MIRRORED, range(7, 12), 256, {}, 4, 0),
        (FOUR, range(3, 10), 2, {"method": "clamp"}, 4, 0),
    ],
    ids=[
        "64 fillings by four networks",
        "128 fillings by four networks",
        "512 fillings by four networks",
        "256 fillings",
        "512 fillings",
        "256 values",
        "256 values, two pixels",
        "nothing given behind",
        "64 fillings with nothing given behind for any of two networks",
        "512 fillings with nothing given behind for any of two networks",
        "something given behind for one of two networks",
        "clamp",
    ],
)
def test_a_job_says_if_its_hole_is_drawn_exactly_in_a_way_of_a_later_version(
    client: httpx.Client,
    posterior: HandWorker,
    members: tuple[str, ...],
    missing: list[int],
    values: int,
    fields: dict[str, object],
    version: int,
    limit: int,
) -> None:
    """By enumeration, or by a mixture whose members all draw it last. Workers of earlier
    versions, which would draw it by particles, leave such a job and take all others. No
    form and no Job has the options."""
    # 1e11 operations score 416 images of one such network.
    changed = {"members": members, "values": values, "parameters": 10**7}
    posterior.announce(POSTERIOR.model_copy(update=changed))
    job = post(client, keep_without(*missing), **fields).json()
    assert "enumerate" not in job
    spec = posterior.take()
    stored = spec.options.stored_fields()
    assert (spec.version, stored.get("most_scores", 0)) == (version, limit)
    assert ("enumerate" in stored) == (version > 4)


def test_a_job_of_several_pictures_says_so_for_the_smallest_hole(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """One within the limit is enough: the worker decides for each picture. They share the
    limit, of 1,666 scores here."""
    changed = {"members": ("none",), "values": 2, "parameters": 2_500_000}
    posterior.announce(POSTERIOR.model_copy(update=changed))
    keeps = [keep_without(*range(1, 11)), keep_without(4)]
    picture = png(np.zeros((4, 3), np.uint8))
    files = [("image", picture) for _ in keeps]
    files += [("mask", png(255 * (1 - keep))) for keep in keeps]
    answer = client.post("/complete", files=files, data={"model": "posterior"})
    assert answer.status_code == 202, answer.text
    stored = posterior.take().options.stored_fields()
    assert (stored["enumerate"], stored["most_scores"]) == (True, 833)


def test_particles_are_as_many_as_there_is_room_for_when_not_asked(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """Never more than the card says."""
    posterior.announce(POSTERIOR.model_copy(update={"max_particles": 7}))
    assert post(client).json()["particles"] == 7


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"method": "guess"}, "method", "'posterior' or 'clamp'"),
        ({"particles": 0}, "particles", "greater than or equal to 1"),
        ({"particles": 257}, "particles", "less than or equal to 256"),
        ({"particles": 65}, "particles", "at most 64"),
        ({"particles": 64, "n": 33}, "particles", "at most 62 for 33 images"),
        ({"sweeps": 17}, "sweeps", "less than or equal to 16"),
        ({"sweeps": -1}, "sweeps", "greater than or equal to 0"),
        ({"model": "grey", "method": "posterior"}, "method", "expected clamp"),
    ],
)
def test_request_is_refused_when_it_asks_for_too_much(
    client: httpx.Client,
    posterior: HandWorker,
    fields: dict[str, object],
    field: str,
    said: str,
) -> None:
    """The field is named, and what was expected."""
    answer = post(client, **fields)
    is_problem(answer, 422)
    (error,) = answer.json()["errors"]
    assert error["pointer"] == f"#/{field}"
    assert said in error["detail"]


def test_multi_scale_model_has_no_posterior_when_asked(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """And the reason is given; asked for nothing it clamps."""
    keep = np.ones((4, 6), np.uint8)
    keep[0, 0] = 0
    answer = post(client, keep, model="scales", method="posterior")
    is_problem(answer, 422)
    assert "Multi-Scale model, which has no posterior" in answer.json()["detail"]
    assert post(client, keep, model="scales").json()["method"] == "clamp"


def test_hole_may_cover_everything_and_two_thousand_particles_are_enough(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """Nothing is given, so nothing lies behind; 64 x 32 = 2048."""
    assert post(client, np.zeros((4, 3), np.uint8), n=64).status_code == 202
    assert (
        posterior.take().options.given_behind,
        posterior.redis.llen("rq:queue:pixelrnn"),
    ) == (0, 0)


@pytest.mark.parametrize("members", [("none",), FOUR, ORIENTATIONS])
def test_given_pixels_behind_a_hole_are_counted_as_the_worker_does(
    members: tuple[str, ...],
) -> None:
    """The API knows what a job costs; the worker decides by itself."""
    random = np.random.default_rng(0)
    for _ in range(20):
        keep = (random.random((5, 5)) < random.random()).astype(np.uint8)
        known = [name for name in ORIENTATIONS if name in members]
        expected = max(given_behind(turn(keep.astype(bool), each)) for each in known)
        assert (
            given_behind_hole(Image.fromarray(keep), [*known, "of a later version"])
            == expected
        )


def test_limits_are_the_library_s() -> None:
    """Two packages that do not know each other say the same."""
    assert complete.PARTICLES == completion.PARTICLES
    assert complete.MAX_PARTICLES == completion.MAX_PARTICLES
    assert complete.CompleteOptions().sweeps == completion.SWEEPS
    assert complete.MAX_SWEEPS == completion.MAX_SWEEPS
    for name in ("FEW_SCORES", "MOST_SCORES", "OPERATIONS"):
        assert getattr(complete, name) == getattr(targets, name)
    for card in map(Card.read, MODELS.glob("*/card.json")):
        changed = {
            "members": tuple(each.orientation for each in card.members) or ("none",),
            "parameters": card.parameters,
            "height": card.config.height,
            "width": card.config.width,
        }
        model = POSTERIOR.model_copy(update=changed)
        assert complete.most_scores(model) == targets.most_scores(card)
    assert window_size(40 * complete.WINDOWS, 28 * complete.WINDOWS) == (40, 28)


def test_earlier_workers_do_not_get_it_when_they_hold_the_model(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """They cannot read what is said of a completion: nobody is there, and the client is told so. Where nothing is said
    that only one kind says, they are as good as any."""
    posterior.announce(POSTERIOR, version=3)
    for method in Method:
        assert (
            "earlier version"
            in is_problem(post(client, method=method.value), 503)["detail"]
        )
    assert client.post("/sample", json={"model": "posterior"}).status_code == 202


def test_job_without_images_has_what_is_expected_alone(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """n = 0: no rows and no addresses of images; marginals and receipt as always, and the expected image is the job's
    picture, also as the answer of the request. Before the end there is none."""
    key = {"Idempotency-Key": "k"}
    job = post(client, n=0, seed=1, headers=key).json()
    assert (job["n"], job["rows_total"], job["progress"]) == (0, 0, 0)
    spec = posterior.take()
    assert (spec.version, spec.n, spec.work) == (8, 0, 1560)
    link = f"/jobs/{spec.id}"
    is_problem(client.get(f"{link}/image"), 409)
    assert (
        "row by row"
        in is_problem(client.get(f"{link}/image", params={"follow": 1}), 422)["detail"]
    )
    for given in ("image", "mask"):
        shown = client.get(f"{link}/given", params={"of": given})
        assert shown.status_code == 200, shown.text
        assert picture_of(shown).size == (3, 4)
    receipt = Receipt(
        exact=False,
        member="none",
        particles=32,
        ess=3.0,
        distinct=4,
        quality="good",
        nats=(),
    )
    settle(posterior, spec, receipt, [0, 0, 0, 0, 0.75, 0, *[1] * 6], [0.0] * 12)
    ended = client.get(link).json()
    assert (ended["status"], ended["progress"], ended["result"]["images"]) == (
        "succeeded",
        1,
        [],
    )
    assert ended["result"]["marginals"] == f"{link}/marginals"
    numbers = client.get(
        f"{link}/marginals", headers={"Accept": "application/json"}
    ).json()
    assert (numbers["draws"], numbers["map"][1][1]) == (32, [0.75])
    again = post(
        client, n=0, seed=1, headers={**key, "Accept": "image/png", "Prefer": "wait=5"}
    )
    assert again.headers["X-Job-Id"] == spec.id
    for file in (
        again.content,
        client.get(f"{link}/image").content,
        client.get(f"{link}/image?grid=1").content,
    ):
        pixels = np.asarray(Image.open(io.BytesIO(file)))
        assert pixels.tolist() == [[0, 0, 0], [0, 191, 0], [255] * 3, [255] * 3]
    assert (
        "samples 0 to 0"
        in is_problem(client.get(f"{link}/image?sample=1"), 422)["detail"]
    )
    assert (
        "no image of the model's values"
        in is_problem(client.get(f"{link}/image?format=npy"), 422)["detail"]
    )
    assert client.get(f"{link}/image?format=zip").status_code == 200
    assert [event.name for event in events_of(client.get(f"{link}/events"))] == [
        "snapshot",
        "done",
    ]
    is_problem(post(client, n=1, seed=1, headers=key), 422)


def test_job_without_images_is_for_posterior_and_for_workers_that_know_it(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """Clamp expects nothing, there is nothing to rank, and no other kind draws none."""
    for fields, field in (
        ({"method": "clamp"}, "n"),
        ({"model": "grey"}, "n"),
        ({"rank": True}, "rank"),
    ):
        (error,) = is_problem(post(client, n=0, **fields), 422)["errors"]
        assert error["pointer"] == f"#/{field}"
    is_problem(client.post("/sample", json={"model": "grey", "n": 0}), 422)
    large = POSTERIOR.model_copy(update={"parameters": 10**9})
    posterior.announce(large, version=6)
    many = keep_without(*range(1, 10))
    assert "earlier version" in is_problem(post(client, many, n=0), 503)["detail"]
    assert post(client, many).status_code == 202


def test_request_is_the_same_when_it_says_what_is_usual(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """A digest leaves out later fields where nothing is said in them; another method is another request."""
    key = {"Idempotency-Key": "k"}
    first = post(client, headers=key, seed=1).json()["id"]
    assert post(client, headers=key, seed=1, sweeps=2).json()["id"] == first
    is_problem(post(client, headers=key, seed=1, method="clamp"), 422)


def test_progress_counts_what_particles_have_done(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """Beside rows; it never goes back, and an estimate is made of it."""
    post(client, n=2)
    spec = posterior.take()
    seen = []
    for share in ("0.2", "0.4", "0.3"):
        assert posterior.progress(spec, share) == b"ok"
        job = client.get(f"/jobs/{spec.id}").json()
        seen.append(job["progress"])
        assert job["eta_s"] is not None
    assert seen == [0.2, 0.4, 0.4]
    posterior.rows(spec, *((0, y) for y in range(4)))
    assert client.get(f"/jobs/{spec.id}").json()["progress"] == 0.5
    assert posterior.progress(spec, "0.9", token="another") == b"lost"
    client.post(f"/jobs/{spec.id}/cancel")
    assert posterior.progress(spec, "0.9") == b"canceling"


def test_receipt_and_marginals_are_served_when_the_job_has_ended(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """As pictures, and as numbers that say how many draws they come from; a browser may keep both."""
    post(client, n=2, particles=8)
    spec = posterior.take()
    address = f"/jobs/{spec.id}/marginals"
    answer = client.get(address)
    is_problem(answer, 409)
    assert int(answer.headers["retry-after"]) > 0
    posterior.rows(spec, *((s, y) for s in range(2) for y in range(4)))
    receipt = Receipt(
        exact=False,
        member="none",
        particles=8,
        ess=3.5,
        distinct=2,
        evidence_nats=9.25,
        evidence_sd=0.1,
    )
    mean, entropy = [0.0] * 12, [0.0] * 12
    mean[4], entropy[4] = 0.6, 0.5
    settle(posterior, spec, receipt, mean, entropy)
    result = client.get(f"/jobs/{spec.id}").json()["result"]
    assert result["posterior"] == receipt.model_dump()
    assert (result["marginals"], result["ranking"]) == (address, None)
    for of, pixel in (("mean", 153), ("entropy", 128)):
        answer = client.get(address, params={"of": of})
        assert answer.headers["content-type"] == "image/png"
        assert "immutable" in answer.headers["cache-control"]
        image = picture_of(answer)
        assert (image.size, image.getpixel((1, 1)), image.getpixel((0, 0))) == (
            (3, 4),
            pixel,
            0,
        )
        again = client.get(
            address,
            params={"of": of},
            headers={"If-None-Match": answer.headers["etag"]},
        )
        assert (again.status_code, again.content) == (304, b"")
    assert picture_of(client.get(address, params={"scale": 4})).size == (12, 16)
    answer = client.get(
        address, params={"of": "entropy"}, headers={"Accept": "application/json"}
    )
    found = answer.json()
    assert (found["of"], found["values"], found["draws"], found["ancestors"]) == (
        "entropy",
        2,
        16,
        4,
    )
    assert found["map"][1][1] == [0.5]
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    again = client.get(
        address,
        params={"of": "entropy"},
        headers={"Accept": "application/json", "If-None-Match": "*"},
    )
    assert (again.status_code, again.headers["etag"][:2]) == (
        304,
        "W/",
    )  # one tag, compressed or not
    for query in ({"of": "mode"}, {"scale": 99}, {"size": 1}):
        is_problem(client.get(address, params=query), 422)


def test_there_are_no_marginals_when_the_job_is_another(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """404 for a clamp, also before its end, and for a posterior that failed; 410 when it is deleted."""
    clamped = post(client, method="clamp").json()["id"]
    is_problem(client.get(f"/jobs/{clamped}/marginals"), 404)
    posterior.draw()
    is_problem(client.get(f"/jobs/{clamped}/marginals"), 404)
    failed = post(client).json()["id"]
    posterior.settle(posterior.take(), "failed")
    is_problem(client.get(f"/jobs/{failed}/marginals"), 404)
    client.delete(f"/jobs/{failed}")
    is_problem(client.get(f"/jobs/{failed}/marginals"), 410)
    is_problem(client.get("/jobs/unheard-of/marginals"), 404)


def test_card_says_what_all_holders_have_room_for_when_workers_differ(
    client: httpx.Client, posterior: HandWorker, redis_url: str
) -> None:
    """The method is offered when anyone has it, with as many particles as every such worker takes."""
    offers = (("none", 0, (Method.CLAMP,)), ("few", 20, tuple(Method)))
    for name, room, methods in offers:
        able = {"max_particles": room, "methods": methods}
        other = HandWorker(redis_url, name)
        other.announce(POSTERIOR.model_copy(update=able), started_at=2.0)
        other.redis.close()
    card = client.get("/models/posterior").json()
    assert (card["methods"], card["max_particles"]) == (["posterior", "clamp"], 20)
    assert post(client).json()["particles"] == 20
