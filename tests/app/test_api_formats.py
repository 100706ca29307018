"""GET /jobs/{id}/image in other formats than PNG, and all pictures of a job in one archive."""

import asyncio
import io
import zipfile

import httpx
import pytest
from anyio import CapacityLimiter
from PIL import Image

from app.imaging import archive, render
from app.imaging.render import MAX_SIDE
from app.routes.pictures import ImageQuery
from tests.app.answers import is_problem, picture_of, submit_sample
from tests.app.hand_worker import GREY, SCALES, HandWorker, eventually, image_bytes
from tests.app.pictures import grey, png
from worker.contract.jobs import JobSpec

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI = "image/webp,image/avif,image/jxl,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


def drawn(
    client: httpx.Client, worker: HandWorker, model: str = "colour", n: int = 1
) -> tuple[str, JobSpec]:
    link = submit_sample(client, model=model, n=n, seed=3)["links"]["image"]
    return link, worker.draw()


@pytest.mark.parametrize("model", ["grey", "colour"])
def test_webp_has_the_pixels_of_the_png(
    client: httpx.Client, worker: HandWorker, model: str
) -> None:
    """Without loss, scaled or not; by `format` and by `Accept`."""
    link, spec = drawn(client, worker, model)
    for how in ({"params": {"format": "webp"}}, {"headers": {"Accept": "image/webp"}}):
        answer = client.get(link, **how)
        assert (answer.status_code, answer.headers["content-type"]) == (
            200,
            "image/webp",
        )
        picture = picture_of(answer)
        assert picture.format == "WEBP"
        assert picture.convert(
            "L" if model == "grey" else "RGB"
        ).tobytes() == image_bytes(spec, 0)


def test_jpeg_is_near_and_not_the_same(
    client: httpx.Client, worker: HandWorker
) -> None:
    """With loss, as the schema says of it."""
    link, spec = drawn(client, worker)
    answer = client.get(link, params={"format": "jpeg", "scale": 8})
    assert answer.headers["content-type"] == "image/jpeg"
    picture = picture_of(answer)
    assert (picture.format, picture.size) == ("JPEG", (8 * spec.width, 8 * spec.height))
    pixels = picture.resize((spec.width, spec.height), Image.Resampling.BOX).tobytes()
    assert (
        max(abs(a - b) for a, b in zip(pixels, image_bytes(spec, 0), strict=True)) <= 8
    )
    formats = client.get("/openapi.json").json()["paths"]["/jobs/{job_id}/image"][
        "get"
    ]["parameters"]
    assert any("lossy" in parameter.get("description", "") for parameter in formats)


@pytest.mark.parametrize(
    "accept",
    ["*/*", "image/*", CHROME, SAFARI, "image/webp;q=0.5, image/png", "text/html", "x"],
)
def test_png_is_what_comes_when_nothing_is_liked_better(
    client: httpx.Client, worker: HandWorker, accept: str
) -> None:
    """Browsers name WebP and take anything: what is saved from a page still says how it was drawn."""
    link, _ = drawn(client, worker)
    answer = client.get(link, headers={"Accept": accept})
    assert (answer.headers["content-type"], answer.headers["vary"]) == (
        "image/png",
        "Accept",
    )
    assert (
        answer.content
        == client.get(
            link, params={"format": "png"}, headers={"Accept": "image/webp"}
        ).content
    )


@pytest.mark.parametrize(
    "accept",
    [
        "image/webp, image/*;q=0.5",
        "image/webp, */*;q=0.1",
        "image/png;q=0.1, image/webp",
    ],
)
def test_webp_comes_when_it_is_liked_better(
    client: httpx.Client, worker: HandWorker, accept: str
) -> None:
    """By the numbers that the client gives."""
    link, _ = drawn(client, worker)
    assert (
        client.get(link, headers={"Accept": accept}).headers["content-type"]
        == "image/webp"
    )


def test_each_option_makes_another_picture_when_cached(
    client: httpx.Client, worker: HandWorker
) -> None:
    """An option joins the tag by being a field of the query, and is refused where the
    answer would ignore it."""
    worker.announce(GREY, SCALES)
    link, _ = drawn(client, worker, "scales", n=2)
    others = {"sample": 1, "scale": 3, "stage": "small", "grid": True}
    assert {*others, "follow", "format"} == set(ImageQuery.model_fields)
    queries = [{}, *({name: value} for name, value in others.items())]
    queries += [{"format": form} for form in ("webp", "jpeg", "npy", "zip")]
    tags = {client.get(link, params=query).headers["etag"] for query in queries}
    assert len(tags) == len(queries)
    for ignored in ({"format": "zip", "sample": 0}, {"follow": True, "grid": True}):
        problem = is_problem(client.get(link, params=ignored), 422)
        assert problem["detail"].startswith(f"{[*ignored][1]}: has no effect with ")


def test_picture_has_a_name_when_it_is_saved(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Shown where it is opened, and called after its job and sample."""
    worker.announce(GREY, SCALES)
    link, spec = drawn(client, worker, "scales", n=2)
    for query, name in (
        ("", "0.png"),
        ("?sample=1&format=jpeg", "1.jpeg"),
        ("?grid=1&format=webp", "grid.webp"),
        ("?stage=small", "small-0.png"),
    ):
        said = client.get(f"{link}{query}").headers["content-disposition"]
        assert said == f'inline; filename="{spec.id}-{name}"'
    said = client.get(f"{link}?format=zip").headers["content-disposition"]
    assert said == f'attachment; filename="{spec.id}.zip"'


def test_given_picture_has_a_name_too(client: httpx.Client, worker: HandWorker) -> None:
    """As has its mask."""
    files = {"image": png(grey(*[[9] * 3] * 4)), "mask": png(grey(*[[255] * 3] * 4))}
    link = client.post("/complete", data={"model": "grey"}, files=files).json()[
        "links"
    ]["self"]
    said = client.get(f"{link}/given", params={"of": "mask"}).headers[
        "content-disposition"
    ]
    assert said == f'inline; filename="{link.rpartition("/")[2]}-given-mask.png"'


def test_archive_has_every_picture_byte_for_byte(
    client: httpx.Client, worker: HandWorker
) -> None:
    """In order, as PNG, and readable from the first to the last; the same each time."""
    link, _ = drawn(client, worker, n=12)
    answer = client.get(link, params={"format": "zip", "scale": 2})
    assert (answer.status_code, answer.headers["content-type"]) == (
        200,
        "application/zip",
    )
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert found.testzip() is None
        assert found.namelist() == [f"{sample:02}.png" for sample in range(12)]
        for sample, name in enumerate(found.namelist()):
            assert (
                found.read(name)
                == client.get(link, params={"sample": sample, "scale": 2}).content
            )
    assert (
        client.get(link, params={"format": "zip", "scale": 2}).content == answer.content
    )


def test_archive_has_what_is_drawn_so_far(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Samples without a row are left out; 409 while there is none. Such an archive is not kept."""
    link = submit_sample(client, n=3)["links"]["image"]
    is_problem(client.get(link, params={"format": "zip"}), 409)
    worker.rows(worker.take(), (1, 0))
    answer = client.get(link, params={"format": "zip"})
    assert answer.headers["cache-control"] == "no-store"
    assert zipfile.ZipFile(io.BytesIO(answer.content)).namelist() == ["01.png"]


def test_archive_is_made_picture_by_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """None before the one before it was taken, so that no more than one is held; and none for a reader who has left."""
    canvas = render.Canvas(9, 4, 3, 1, {sample: bytes(12) for sample in range(9)}, {})
    made = []

    def counted(canvas: render.Canvas, sample: int, scale: int) -> bytes:
        made.append(sample)
        return render.sample_file(canvas, sample, scale)

    async def read() -> list[list[int]]:
        whole = archive.Archive(canvas, 1, CapacityLimiter(1))
        seen = []
        async for chunk in whole.chunks():
            assert chunk.startswith(b"PK")
            seen.append(list(made))
            if len(made) == 3:
                whole.end()
        return seen

    monkeypatch.setattr(archive, "sample_file", counted)
    assert asyncio.run(read()) == [[0], [0, 1], [0, 1, 2]]


def test_archive_gives_back_its_seat_when_it_was_sent(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A HEAD makes one picture at most."""
    link, _ = drawn(client, worker, n=64)
    head = client.head(link, params={"format": "zip"})
    assert (head.status_code, head.content) == (200, b"")
    assert len(client.get(link, params={"format": "zip"}).content) > 64 * 67
    eventually(lambda: "pixelrnn_streams 0.0" in client.get("/metrics").text)


def test_archive_is_refused_when_it_would_be_too_large(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The largest scale is named: that of all pictures together, or that of one."""
    worker.announce(GREY.model_copy(update={"height": 200, "width": 100}))
    for n, most in ((64, 7), (1, 20)):
        link = submit_sample(client, n=n)["links"]["image"]
        spec = worker.take()
        worker.rows(spec, *((sample, 0) for sample in range(n)))
        problem = is_problem(
            client.get(link, params={"format": "zip", "scale": most + 1}), 422
        )
        assert f"at most {most} " in problem["detail"]
        assert n * 200 * 100 * most**2 <= archive.MAX_PIXELS
        assert 200 * most <= MAX_SIDE


@pytest.mark.parametrize(
    "query",
    [
        "format=gif",
        "format=PNG",
        "format=zip&grid=1",
        "format=zip&sample=0",
        "format=webp&follow=1",
    ],
)
def test_answer_is_422_when_there_is_no_such_format(
    client: httpx.Client, worker: HandWorker, query: str
) -> None:
    """Also of two ways that exclude each other, whether the job has ended or not."""
    link = submit_sample(client)["links"]["image"]
    is_problem(client.get(f"{link}?{query}"), 422)
    worker.draw()
    is_problem(client.get(f"{link}?{query}"), 422)
