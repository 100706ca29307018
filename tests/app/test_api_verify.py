"""POST /verify: a picture of ours is handed in again, and is drawn again from what it says."""

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from model_core import shipped
from model_core.card import Card
from tests import verification
from tests.app.answers import is_problem, picture_of, submit_sample
from tests.app.hand_worker import COLOUR, GREY, SCALES, HandWorker, image_bytes
from tests.app.pictures import encoded, grey, png, text_bomb
from worker.contract import keys
from worker.contract.cards import ModelCard
from worker.contract.kind import Pixel
from worker.contract.kinds.verify import VerifySummary

ABLE = GREY.model_copy(update={"can": ("sample", "complete", "verify")})
PICTURE = grey([0, 255, 10], [30, 40, 50], [60, 70, 80], [90, 100, 110])
TINTED = Image.merge("RGB", (PICTURE, PICTURE, PICTURE.point(lambda grey: 255 - grey)))
RECIPE = {
    "kind": "sample",
    "model": "grey",
    "digest": GREY.digest,
    "seed": "5",
    "temperature": "0.5",
    "sample": "3",
}

NOT_LOADED = (
    "drawn by a model that this service does not load: use pixelrnn verify FILE"
)


@pytest.fixture(autouse=True)
def models(worker: HandWorker) -> None:
    worker.announce(ABLE, COLOUR, SCALES)


def verify(client: httpx.Client, image: bytes) -> httpx.Response:
    return client.post("/verify", files={"image": ("i", image)})


def told(picture: Image.Image, **changes: str | None) -> bytes:
    """A picture that says how it was drawn."""
    chunks = PngInfo()
    for key, value in {**RECIPE, **changes}.items():
        if value is not None:
            chunks.add_text(key, value)
    return png(picture, pnginfo=chunks)


@pytest.mark.parametrize(("scale", "grid"), [(1, False), (7, False), (2, True)])
def test_picture_that_we_wrote_reaches_the_worker(
    client: httpx.Client, worker: HandWorker, scale: int, grid: bool
) -> None:
    """With all that it says, enlarged or not; a grid of one sample is that sample."""
    n = 1 if grid else 3
    job = submit_sample(client, n=n, seed=5, temperature=0.5)
    drawn = worker.draw()
    which = {"grid": 1} if grid else {"sample": 2}
    image = client.get(job["links"]["image"], params={**which, "scale": scale}).content
    answer = verify(client, image)
    assert answer.status_code == 202, answer.text
    verification = answer.json()
    assert (verification["kind"], verification["model"], verification["seed"]) == (
        "verify",
        "grey",
        5,
    )
    assert (verification["n"], verification["rows_total"], verification["result"]) == (
        1,
        0,
        None,
    )
    spec = worker.take()
    sample = 0 if grid else 2
    options = spec.options.model_dump()
    assert (spec.kind, spec.seed, options["sample"], spec.temperature) == (
        "verify",
        5,
        sample,
        0.5,
    )
    assert (spec.digest, options["drawn_with"]) == (GREY.digest, "by-hand")
    pixels = image_bytes(drawn, sample)
    assert worker.redis.hget(keys.image(spec.id), "pixels") == pixels
    worker.settle_told(
        spec,
        VerifySummary(
            verified=False, sample=2, changed_pixels=1, changed=(Pixel(x=1, y=3),)
        ),
    )
    result = client.get(verification["links"]["self"]).json()["result"]
    assert result == {
        "type": "verification",
        "verified": False,
        "sample": 2,
        "changed_pixels": 1,
        "name": None,
        "changed": [{"x": 1, "y": 3}],
        "images": [f"/jobs/{spec.id}/image"],
    }
    with picture_of(client.get(result["images"][0])) as shown:
        assert (shown.size, shown.tobytes()) == ((3, 4), pixels)
    is_problem(client.get(result["images"][0], params={"stage": "small"}), 422)


def test_a_name_reaches_the_worker_if_it_hashes_to_the_seed(
    client: httpx.Client, worker: HandWorker
) -> None:
    """`printf alice | sha256sum` gives the seed; a name of another seed is not taken."""
    for seed, sample, taken in (
        ("1542618457563584", "0", "alice"),
        ("1542618457563585", "0", ""),
        ("1542618457563584", "1", ""),
    ):
        verify(client, told(PICTURE, name="alice", seed=seed, sample=sample))
        assert worker.take().options.model_dump()["name"] == taken


def test_picture_of_a_card_that_has_changed_since_goes_by_the_weights(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The job says so; nothing is said of a picture that names the sha256 alone, or of a worker that does."""
    card = ABLE.model_copy(update={"identity": "e" * 64})
    for announced, identity, changed in (
        (card, "e" * 64, False),
        (card, "f" * 64, True),
        (card, None, False),
        (ABLE, "f" * 64, False),
    ):
        worker.announce(announced)
        job = verify(client, told(PICTURE, identity=identity)).json()
        assert (job["card_changed"], job["identity"]) == (
            changed or None,
            announced.identity or None,
        )
        assert worker.take().options.job_fields()["card_changed"] is (changed or None)
    assert "card_changed" not in submit_sample(client)


def test_answer_is_422_when_nobody_can_tell(
    client: httpx.Client, subtests: pytest.Subtests
) -> None:
    """What a picture does not say, what makes no sense, and what was done to it since: a sentence each."""
    for image, words in [
        (png(PICTURE), "does not say how it was drawn: expected the PNG of a sample"),
        (
            told(PICTURE, kind="complete"),
            "this is a completion, and only samples can be verified",
        ),
        (
            told(PICTURE, kind="upsample"),
            "this is an upsampling, and only samples can be verified",
        ),
        (told(PICTURE, kind="verify"), "does not say how it was drawn"),
        (
            told(PICTURE, sample=None, samples="3"),
            "shows several samples: expected one",
        ),
        (told(PICTURE, seed="x"), "makes no sense: seed"),
        (told(PICTURE, seed="-1"), "makes no sense: seed"),
        (told(PICTURE, seed=None), "makes no sense: seed"),
        (told(PICTURE, temperature="nan"), "makes no sense: temperature"),
        (told(PICTURE, digest="d" * 64), "with other weights of this model"),
        (
            told(PICTURE, label="cat"),
            "drawn with the label 'cat', which the model's card does not name now",
        ),
        (
            told(PICTURE.resize((4, 4))),
            "is 4x4 (width x height), expected 3x4 or a multiple",
        ),
        (
            told(PICTURE.resize((2, 2))),
            "is 2x2 (width x height), expected 3x4 or a multiple",
        ),
        (told(TINTED), "other colours than it was written with"),
    ]:
        with subtests.test(words=words):
            assert words in is_problem(verify(client, image), 422)["detail"]


def test_changed_pixel_is_named_when_the_picture_is_enlarged(
    client: httpx.Client,
) -> None:
    """A square that is not of one colour any more was changed; no worker is needed to see that."""
    large = PICTURE.resize((12, 16), Image.Resampling.NEAREST)
    large.putpixel((6, 9), 1)
    problem = is_problem(verify(client, told(large)), 422)
    assert "pixel (1, 2) is no square of one colour any more" in problem["detail"]


def test_a_picture_that_a_record_drew_is_verified_by_the_command(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Whether no model has the record's name now, or one with other weights; whether the
    picture names an identity or not. Pictures of models that nobody has are as before."""
    worker.reserve(**{"old": "e" * 64, "grey-0.3": "f" * 64, "grey": "a" * 64})
    others = "with other weights of this model"
    for changes, status, words in (
        ({"model": "old", "identity": "e" * 64}, 422, NOT_LOADED),
        ({"model": "old"}, 422, NOT_LOADED),
        ({"identity": "f" * 64, "digest": "d" * 64}, 422, NOT_LOADED),
        ({"identity": "b" * 64, "digest": "d" * 64}, 422, others),
        ({"digest": "d" * 64}, 422, others),
        ({"model": "nowhere", "identity": "b" * 64}, 404, "expected one of"),
        ({"model": "nowhere"}, 404, "expected one of"),
    ):
        problem = is_problem(verify(client, told(PICTURE, **changes)), status)
        assert words in problem["detail"], changes
    not_loaded = verify(client, told(PICTURE, model="old")).json()
    assert not_loaded["type"] == "urn:pixelrnn:problem:not-verifiable"
    assert verify(client, told(PICTURE)).status_code == 202


@pytest.mark.parametrize("place", [(6, 8), (3, 0), (6, 4)])
@pytest.mark.parametrize("samples", [None, "1", "3"])
def test_forged_sheet_is_not_taken(
    client: httpx.Client, place: tuple[int, int], samples: str | None
) -> None:
    """Three images of 3 x 4 with a changed empty cell, line or margin: whatever its
    text says, only the picture of one sample is compared, and it has no lines."""
    sheet = Image.new("L", (7, 9), 128)
    for corner in ((0, 0), (4, 0), (0, 5)):
        sheet.paste(PICTURE, corner)
    sheet.putpixel(place, 7)
    problem = is_problem(verify(client, told(sheet, samples=samples)), 422)
    assert (
        "shows several samples" if samples == "3" else "is 7x9 (width x height)"
    ) in problem["detail"]


@pytest.mark.parametrize(
    ("image", "status"),
    [
        (encoded(PICTURE, "JPEG"), 400),
        (told(PICTURE)[:-20], 400),
        (text_bomb(), 400),
        (told(PICTURE, model="unknown"), 404),
        (told(PICTURE, model="colour", digest=COLOUR.digest), 422),
    ],
)
def test_hostile_picture_is_refused(
    client: httpx.Client, image: bytes, status: int
) -> None:
    """No PNG, cut off, a text that unpacks to 50 MB, a model that is not there or does no such work."""
    is_problem(verify(client, image), status)


def test_set_of_pictures_is_verified(client: httpx.Client, worker: HandWorker) -> None:
    """Honest and forged ones, and those of earlier versions: the worker gets the drawn
    pixels of honest ones alone. With a palette it may get others of a forged one."""
    cards = {
        answer["model"]: shipped_card(answer["model"])
        for answer in verification.ANSWERS.values()
    }
    worker.announce(*cards.values())
    drawn: dict[str, bytes] = {}
    for name, answer in verification.ANSWERS.items():
        response = verify(client, (verification.FOLDER / name).read_bytes())
        if response.status_code == 202:
            pixels = worker.redis.hget(keys.image(worker.take().id), "pixels")
            is_drawn = drawn.setdefault(answer["model"], pixels) == pixels
        else:
            is_problem(response, 422)
            is_drawn = False
        assert is_drawn == ("service" in answer["verified_by"]), name


def shipped_card(name: str) -> ModelCard:
    """Announced as a worker that has the model does."""
    folder = shipped.MODELS / name
    if not folder.exists():
        folder = shipped.MODELS / "records" / name
    card = Card.read(folder / "card.json")
    size = card.config
    return ModelCard(
        name=name,
        network="any",
        parameters=1,
        data=card.data,
        digest=card.sha256,
        identity=card.identity,
        height=size.height,
        width=size.width,
        channels=size.channels,
        values=size.values,
        palette=card.palette,
        can=("sample", "verify"),
    )
