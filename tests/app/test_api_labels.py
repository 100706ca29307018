"""Labels in requests, jobs, pictures and links; and POST /classify, as far as the API has a part in it."""

import io
import json

import httpx
import pytest
from PIL import Image

from tests.app.answers import is_problem, picture_of
from tests.app.hand_worker import GREY, SCALES, HandWorker
from tests.app.pictures import grey, png
from worker.contract import keys
from worker.contract.kinds import KINDS
from worker.contract.kinds.sample import SampleSummary
from worker.contract.traits import Label, Method

NAMES = ("1", "0", "猫")
LABELLED = GREY.model_copy(
    update={
        "name": "labelled",
        "can": tuple(KINDS),
        "labels": tuple(
            Label(name=name, prior=prior)
            for name, prior in zip(NAMES, (0.5, 0.3, 0.2), strict=True)
        ),
        "methods": tuple(Method),
        "max_particles": 64,
        "members": ("none", "rotate_180"),
    }
)
LABELLED_SCALES = SCALES.model_copy(
    update={"name": "labelled-scales", "labels": LABELLED.labels}
)
PLAIN = GREY.model_copy(
    update={"can": tuple(word for word, kind in KINDS.items() if not kind.needs_labels)}
)
IMAGE = png(grey([0, 255, 0], [0, 0, 0], [255, 0, 255], [0, 0, 0]))
HOLE = png(grey([0, 0, 0], [0, 255, 0], [0, 0, 0], [0, 0, 0]))
ALL_GIVEN, NONE_GIVEN = png(grey(*[[0] * 3] * 4)), png(grey(*[[255] * 3] * 4))
SMALL = png(grey([0, 255, 0], [0, 0, 255]))
FORMS = {
    "complete": {"image": IMAGE, "mask": HOLE},
    "score": {"image": IMAGE},
    "encode": {"image": IMAGE},
    "upsample": {"image": SMALL},
}


@pytest.fixture(autouse=True)
def models(worker: HandWorker) -> None:
    worker.announce(LABELLED, PLAIN, SCALES, LABELLED_SCALES)


def ask(client: httpx.Client, kind: str, **fields: object) -> httpx.Response:
    if kind == "sample":
        return client.post("/sample", json={"model": "labelled", **fields})
    model = "labelled-scales" if kind == "upsample" else "labelled"
    return client.post(f"/{kind}", data={"model": model, **fields}, files=FORMS[kind])


def test_card_says_labels_and_priors(client: httpx.Client) -> None:
    """Of a model that has any, which alone classifies."""
    models = {model["name"]: model for model in client.get("/models").json()["models"]}
    assert models["labelled"]["labels"][1] == {"name": "0", "prior": 0.3}
    assert (models["grey"]["labels"], models["scales"]["labels"]) == ([], [])
    assert [name for name, model in models.items() if "classify" in model["can"]] == [
        "labelled",
        "labelled-scales",
        "scales",
    ]


@pytest.mark.parametrize("kind", ["sample", *FORMS])
def test_label_reaches_the_worker_by_its_name(
    client: httpx.Client, worker: HandWorker, kind: str
) -> None:
    """Asked for by name or by number, a name first; an earlier worker does not take the job."""
    for asked, name in (("猫", "猫"), (2, "猫"), ("2", "猫"), ("1", "1"), (0, "0")):
        answer = ask(client, kind, label=asked)
        assert (answer.status_code, answer.json()["label"]) == (202, name), answer.text
        spec = worker.take()
        assert spec.options.label_of(0) == name
        assert spec.version >= 6  # of the label; other options may ask for more
    worker.announce(LABELLED, LABELLED_SCALES, version=5)
    assert "earlier version" in is_problem(ask(client, kind, label="0"), 503)["detail"]
    # Files of several pictures have labels, and small holes are enumerated: both are jobs
    # that an earlier worker does not take, with or without a label.
    if kind not in ("encode", "complete"):
        assert ask(client, kind).status_code == 202


def test_a_job_without_a_label_is_as_it_was(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Not a field more, of a model without labels."""
    for kind in ("sample", "complete", "score"):
        answer = (
            ask(client, kind, model="grey", seed=3)
            if kind != "score"
            else ask(client, kind, model="grey")
        )
        assert (answer.status_code, answer.json()["label"]) == (202, None), answer.text
        said = json.loads(worker.redis.hget(keys.job(worker.take().id), "spec"))
        assert not {"label", "labels", "further"} & set(said.get("options", ()))
        assert said.get("version", 1) < 6


def test_a_list_draws_one_image_each(client: httpx.Client, worker: HandWorker) -> None:
    """`n` may be left out, or say the same."""
    answer = ask(client, "sample", label=["0", 2, "1"], seed=4)
    assert (answer.json()["n"], answer.json()["label"]) == (3, ["0", "猫", "1"])
    assert ask(client, "sample", label=["0", "0"], n=2).json()["n"] == 2
    assert (
        "expected 3"
        in is_problem(ask(client, "sample", label=["0", "0", "1"], n=2), 422)["detail"]
    )
    for wrong in (
        [],
        ["0"] * 65,
        ["0", "9"],
        "9",
        -1,
        True,
        0.5,
        {"a": 1},
        [["0"]],
        "x" * 65,
    ):
        is_problem(ask(client, "sample", label=wrong), 422)


def test_who_asks_for_a_label_that_is_not_there_learns_which_are(
    client: httpx.Client,
) -> None:
    """422: another name, a number beyond the last, a model that has none; and where labels have no place."""
    for kind in ("sample", *FORMS):
        for label in ("3", "cat"):
            problem = is_problem(ask(client, kind, label=label), 422)
            assert problem["errors"][0]["pointer"] == "#/label"
            assert "expected one of 1, 0, 猫" in problem["detail"]
    for kind in ("sample", "complete", "score"):
        assert (
            "has no labels"
            in is_problem(ask(client, kind, model="grey", label="0"), 422)["detail"]
        )
    assert (
        "has no labels"
        in is_problem(ask(client, "upsample", model="scales", label="0"), 422)["detail"]
    )
    is_problem(client.post("/sample", json={"model": "scales", "label": "0"}), 422)


def test_picture_says_its_label(client: httpx.Client, worker: HandWorker) -> None:
    """The one that was asked for, or the one that was drawn, as soon as that is known; in a grid, all; and a picture
    that is handed in again is verified by it."""
    job = ask(client, "sample", seed=5, n=2).json()
    spec = worker.take()
    worker.rows(spec, (0, 0), (1, 0))
    assert "label" not in text_of(client, job, sample=1)
    worker.rows(
        spec, *((sample, y) for y in range(1, spec.height) for sample in range(2))
    )
    worker.settle_told(spec, SampleSummary(labels=("0", "猫")))
    assert client.get(job["links"]["self"]).json()["result"]["labels"] == ["0", "猫"]
    assert text_of(client, job, sample=1)["label"] == "猫"
    assert json.loads(text_of(client, job, grid=1)["labels"]) == ["0", "猫"]
    picture = client.get(job["links"]["image"], params={"sample": 1}).content
    assert client.post("/verify", files={"image": picture}).status_code == 202
    verification = worker.take()
    assert (verification.kind, verification.options.label, verification.version) == (
        "verify",
        "猫",
        6,
    )


def test_picture_says_the_label_that_was_asked_for(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Also while it is drawn; in a grid once, where all have the same."""
    job = ask(client, "sample", seed=5, n=2, label="猫").json()
    spec = worker.take()
    worker.rows(spec, *((sample, y) for y in range(spec.height) for sample in range(2)))
    assert (
        text_of(client, job, sample=1)["label"]
        == text_of(client, job, grid=1)["label"]
        == "猫"
    )
    worker.settle(spec)
    followed = client.get(job["links"]["image"], params={"follow": 1}).content
    assert Image.open(io.BytesIO(followed)).info["label"] == "猫"


def text_of(client: httpx.Client, job: dict, **which: int) -> dict:
    return picture_of(client.get(job["links"]["image"], params=which)).info


def classify(
    client: httpx.Client,
    *,
    model: str = "labelled",
    mask: bytes | None = None,
    **fields: object,
):
    files = {"image": IMAGE} | ({} if mask is None else {"mask": mask})
    return client.post("/classify", data={"model": model, **fields}, files=files)


def test_classification_says_what_is_given(
    client: httpx.Client, worker: HandWorker
) -> None:
    """All of the picture, or what the mask leaves of it; with its particles where something is given behind a hole,
    and its cost."""
    transparent = Image.new("LA", (3, 4), (255, 255))
    transparent.putpixel((2, 3), (255, 0))
    whole, masked, all_given, none_given = (
        (classify(client, mask=mask), worker.take())
        for mask in (None, HOLE, ALL_GIVEN, NONE_GIVEN)
    )
    for answer, spec in (whole, masked, all_given, none_given):
        assert answer.status_code == 202, answer.text
        assert (spec.options.components, spec.options.particles, spec.seed) == (
            6,
            32,
            0,
        )
    assert [
        spec.options.particles_needed
        for _, spec in (whole, masked, all_given, none_given)
    ] == [0, 32, 0, 0]
    assert [spec.work for _, spec in (whole, masked)] == [6 * 3, 6 * 32 * 12]
    kept = [
        worker.redis.hget(keys.image(spec.id), "keep")
        for _, spec in (whole, masked, all_given, none_given)
    ]
    assert kept == [b"", bytes([1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1]), b"", bytes(12)]
    answer = client.post(
        "/classify", data={"model": "labelled"}, files={"image": png(transparent)}
    )
    assert worker.redis.hget(keys.image(worker.take().id), "keep") == bytes(
        [1] * 11 + [0]
    )
    assert answer.json()["kind"] == "classify"


def test_classification_is_refused(client: httpx.Client) -> None:
    """By a model without labels; for more particles than there is room for; for pictures of another size; for a field
    that it does not have."""
    assert (
        "cannot classify" in is_problem(classify(client, model="grey"), 422)["detail"]
    )
    assert "at most 64" in is_problem(classify(client, particles=65), 422)["detail"]
    is_problem(classify(client, mask=png(grey([0, 255]))), 422)
    is_problem(classify(client, label="0"), 422)


def test_link_carries_the_labels(client: httpx.Client) -> None:
    """To the page."""
    text = client.get(
        "/s", params={"model": "labelled", "seed": 0, "n": 2, "label": ["猫", "0"]}
    ).text
    assert "seed=0&amp;" in text
    assert "label=%E7%8C%AB&amp;label=0" in text
