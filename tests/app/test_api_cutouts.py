"""`fit=crop`: holes in a larger picture, the cut-outs that a worker gets, and the picture with what it drew put in."""

import io
import random
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image, ImageCms

from app.imaging.arrays import Shape
from app.imaging.cutouts import Box, boxes_of
from app.imaging.render import Canvas
from app.services import pictures
from tests.app.answers import picture_of
from tests.app.hand_worker import GREY, HandWorker, image_bytes
from tests.app.live import events_of
from tests.app.pictures import deep_png, png
from worker.contract import keys
from worker.contract.jobs import JobSpec
from worker.contract.kinds.complete import CompletionSummary, Receipt
from worker.contract.several import SeveralSummary
from worker.contract.traits import Method

ABLE = {
    "methods": tuple(Method),
    "max_particles": 32,
    "height": 12,
    "width": 16,
    "values": 16,
}
PAPER = GREY.model_copy(update={"name": "paper", **ABLE})
INK = GREY.model_copy(
    update={"name": "ink", **ABLE, "values": 2, "palette": ("#000000", "#ff0000")}
)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def worker(worker: HandWorker) -> HandWorker:
    worker.announce(PAPER, INK, GREY)
    return worker


def noise(mode: str, size: tuple[int, int] = (60, 40)) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(
        mode, size, random.Random(size[0]).randbytes(size[0] * size[1] * bands)
    )


def mask_of(boxes: Sequence[Box], size: tuple[int, int] = (60, 40)) -> Image.Image:
    mask = Image.new("L", size)
    for box in boxes:
        mask.paste(255, box)
    return mask


def send(
    client: httpx.Client, image: bytes, mask: bytes | None, **fields: Any
) -> httpx.Response:
    files = {"image": ("i", image)} | ({} if mask is None else {"mask": ("m", mask)})
    return client.post(
        "/complete", files=files, data={"model": "paper", "fit": "crop"} | fields
    )


def accepted(worker: HandWorker, answer: httpx.Response) -> JobSpec:
    assert answer.status_code == 202, answer.text
    return worker.take()


def draw(worker: HandWorker, spec: JobSpec, count: int | None = None) -> None:
    """All cut-outs, or the first so many, and the end."""
    worker.rows(
        spec,
        *(
            (s, y)
            for s in range(spec.n if count is None else count)
            for y in range(spec.height)
        ),
    )
    if count is not None:
        return
    words = ("good", "poor", "exact")
    parts = [
        CompletionSummary(
            posterior=Receipt(
                exact=False,
                quality=words[i % 3],
                member="none",
                particles=1,
                nats=(float(i),),
            )
        )
        for i in range(spec.n)
    ]
    worker.settle_told(spec, SeveralSummary(pictures=tuple(parts)))


def picture(client: httpx.Client, spec: JobSpec, query: str = "") -> Image.Image:
    answer = client.get(f"/jobs/{spec.id}/image{query}")
    assert answer.status_code == 200, answer.text
    return picture_of(answer)


HOLES: Sequence[Box] = [(20, 4, 24, 8), (30, 5, 31, 6), (0, 36, 3, 40)]
PLACES = [(14, 0), (22, 0), (0, 28)]


def test_cutouts_lie_around_the_holes_in_reading_order(
    client: httpx.Client, worker: HandWorker
) -> None:
    """As central as the edges allow; what belongs to a later hole is missing in them too, and an earlier one is given.
    The job says where they are, and that earlier workers leave it alone."""
    answer = send(client, png(noise("L")), png(mask_of(HOLES)), n=2)
    spec, job = accepted(worker, answer), answer.json()
    pixels, keep, upload = worker.redis.hmget(
        keys.image(spec.id), "pixels", "keep", "upload"
    )
    assert job["cutouts"] == [{"x": x, "y": y} for x, y in PLACES]
    assert (
        job["n"],
        spec.n,
        spec.options.picture_count,
        spec.version,
        job["rows_total"],
    ) == (2, 6, 6, 8, 72)
    assert upload == png(noise("L"))
    assert (
        pixels[: len(pixels) // 2]
        == pixels[len(pixels) // 2 :]
        == b"".join(
            noise("L").crop((x, y, x + 16, y + 12)).tobytes() for x, y in PLACES
        )
    )
    for i, (x, y) in enumerate(PLACES * 2):
        missing = mask_of(HOLES[i % 3 :]).crop((x, y, x + 16, y + 12)).tobytes()
        assert keep[i * 192 : (i + 1) * 192] == bytes(
            1 - value // 255 for value in missing
        )
    assert keep[:192].count(0) == 16  # the second hole begins behind this cut-out
    assert job["filled_pixels"] == 16
    assert client.get(f"/jobs/{spec.id}/given?of=mask&picture=1").status_code == 200


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_no_other_pixel_changes(
    client: httpx.Client, worker: HandWorker, mode: str
) -> None:
    """The picture keeps its mode, its profile and all that is not hole; a hole has the model's grey and is opaque. Each
    of n is by itself; the result says how good each cut-out is."""
    original, mask = noise(mode), mask_of(HOLES)
    out = io.BytesIO()
    original.save(out, "png", icc_profile=SRGB)
    spec = accepted(worker, send(client, out.getvalue(), png(mask), n=2, first=6))
    draw(worker, spec)
    for j in range(2):
        found, expected = picture(client, spec, f"?sample={j}"), original.copy()
        for i, (box, (x, y)) in enumerate(zip(HOLES, PLACES, strict=True)):
            part = Image.frombytes("L", (16, 12), image_bytes(spec, 3 * j + i)).convert(
                mode
            )
            expected.paste(
                part.crop((box[0] - x, box[1] - y, box[2] - x, box[3] - y)), box
            )
        assert (found.mode, found.info["icc_profile"]) == (mode, SRGB)
        assert found.tobytes() == expected.tobytes()
        assert found.info["sample"] == str(6 + 3 * j)
    job = client.get(f"/jobs/{spec.id}").json()
    assert job["result"]["images"] == [
        f"/jobs/{spec.id}/image?sample={j}" for j in range(2)
    ]
    assert job["result"]["cutouts"] == [
        {"x": x, "y": y, "quality": word, "nats": [float(i), float(3 + i)]}
        for i, ((x, y), word) in enumerate(
            zip(PLACES, ("good", "poor", "exact"), strict=True)
        )
    ]
    grid = picture(client, spec, "?grid=1")
    assert (grid.size, grid.info["sample"]) == ((121, 40), "6")
    assert client.get(f"/jobs/{spec.id}/image?format=zip").status_code == 200
    assert client.get(f"/jobs/{spec.id}/image?format=npy").status_code == 422
    assert client.get(f"/jobs/{spec.id}/image?format=jpeg").status_code == (
        422 if "A" in mode else 200
    )


def test_a_print_loses_the_profile_of_its_inks(
    client: httpx.Client, worker: HandWorker
) -> None:
    """It comes back in RGB, whose numbers that profile would make other colours of."""
    out = io.BytesIO()
    noise("RGB").convert("CMYK").save(out, "jpeg", icc_profile=SRGB)
    spec = accepted(worker, send(client, out.getvalue(), png(mask_of(HOLES))))
    draw(worker, spec)
    found = picture(client, spec, "")
    assert (found.mode, "icc_profile" in found.info) == ("RGB", False)


def test_transparent_holes_are_filled_upright(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A photograph lies as its camera was held, and what is transparent needs no mask; a mask is the whole truth."""
    turned = noise("RGBA", (40, 60))
    turned.putalpha(
        mask_of([(10, 20, 14, 26)], (40, 60)).point(lambda value: 255 - value)
    )
    exif = Image.Exif()
    exif[0x0112] = 6  # turned to the left
    out = io.BytesIO()
    turned.save(out, "png", exif=exif)
    spec = accepted(worker, send(client, out.getvalue(), None))
    draw(worker, spec)
    upright, found = turned.transpose(Image.Transpose.ROTATE_270), picture(client, spec)
    box = (34, 10, 40, 14)
    assert spec.options.places == ((29, 6),)
    assert set(found.crop(box).getchannel("A").tobytes()) == {255}
    for image in (upright, found):
        image.paste((0, 0, 0, 0), box)
    assert found.tobytes() == upright.tobytes()
    masked = send(client, png(turned), png(mask_of([(30, 50, 31, 51)], (40, 60))))
    assert accepted(worker, masked).options.stored_fields()["filled_pixels"] == 1


def test_the_answer_says_when_the_model_lacks_colours(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Given pixels are converted as always, and counted: a model of greys sees greys of its own, one with a palette the
    nearest colours, where that is asked for."""
    known = Image.new("RGB", (60, 40), (17, 17, 17))
    answer = send(client, png(known), png(mask_of(HOLES[:1])))
    assert (answer.json()["moved_pixels"], answer.json()["moved_distance"]) == (0, 0)
    known.putpixel((15, 1), (17, 17, 20))
    answer = send(client, png(known), png(mask_of(HOLES[:1])))
    assert (answer.json()["moved_pixels"], answer.json()["moved_distance"]) == (1, 3.0)
    red = Image.new("RGB", (60, 40), (255, 0, 0))
    red.paste((0, 255, 0), HOLES[0])  # the hole's own colours do not count
    answer = send(client, png(red), png(mask_of(HOLES[:1])), model="ink")
    assert answer.json()["moved_pixels"] == 0
    red.putpixel((15, 1), (250, 0, 0))
    refused = send(client, png(red), png(mask_of(HOLES[:1])), model="ink")
    assert (
        "in the cut-out at (14, 0): the image has the colour #fa0000ff at (1, 1)"
        in refused.json()["detail"]
    )
    answer = send(
        client, png(red), png(mask_of(HOLES[:1])), model="ink", colours="nearest"
    )
    assert (answer.json()["moved_pixels"], answer.json()["moved_distance"]) == (1, 5.0)
    spec = [worker.take() for _ in range(4)][-1]
    worker.rows(spec, *((0, y) for y in range(12)))
    assert picture(client, spec).mode == "RGB"


def test_events_say_of_which_cutout_a_row_is(
    client: httpx.Client, worker: HandWorker
) -> None:
    """And the picture as far as it is drawn has the holes that are filled; one by one it does not come."""
    spec = accepted(worker, send(client, png(noise("L")), png(mask_of(HOLES)), n=2))
    assert client.get(f"/jobs/{spec.id}/image").status_code == 409
    draw(worker, spec, count=4)
    found, original = picture(client, spec, "?sample=1"), noise("L")
    assert found.crop(HOLES[0]).tobytes() != original.crop(HOLES[0]).tobytes()
    assert found.crop(HOLES[1]).tobytes() == original.crop(HOLES[1]).tobytes()
    assert client.get(f"/jobs/{spec.id}/image?follow=1").status_code == 422
    worker.settle(spec, "canceled")
    with client.stream("GET", f"/jobs/{spec.id}/events") as stream:
        rows = [event.data for event in events_of(stream) if event.name == "row"]
    assert [(row["sample"], row["cutout"]) for row in rows[::12]] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
    ]


SHAPE = Shape(64, 64, 1, 2)


def test_holes_that_are_near_are_one() -> None:
    """Fewer than four pixels apart, corners too, and again with what has grown; the boxes end apart."""
    assert boxes_of(mask_of([(5, 5, 7, 7), (10, 10, 11, 11)]), SHAPE) == [
        (5, 5, 11, 11)
    ]
    assert boxes_of(mask_of([(5, 5, 7, 7), (11, 5, 12, 7)]), SHAPE) == [
        (5, 5, 7, 7),
        (11, 5, 12, 7),
    ]
    corners = [
        (5, 5, 6, 6),
        (9, 20, 10, 21),
        (8, 8, 9, 9),
        (9, 12, 10, 13),
        (9, 16, 10, 17),
        (14, 6, 15, 7),
    ]
    assert boxes_of(mask_of(corners), SHAPE) == [(5, 5, 10, 21), (14, 6, 15, 7)]
    generator = random.Random(4)
    spots = [
        (x, y, x + 1, y + 1)
        for x, y in (
            (generator.randrange(58), generator.randrange(38)) for _ in range(25)
        )
    ]
    boxes, mask = boxes_of(mask_of(spots), SHAPE), mask_of(spots)
    for box in boxes:
        assert mask.crop(box).getbbox() == (0, 0, box[2] - box[0], box[3] - box[1])
        mask.paste(0, box)
        assert not [
            o
            for o in boxes
            if o != box
            and mask_of([o])
            .crop((box[0] - 3, box[1] - 3, box[2] + 3, box[3] + 3))
            .getbbox()
        ]
    assert not mask.getbbox()


def checkerboard(step: int) -> bytes:
    line = bytes([255] + [0] * (step - 1)) * (2048 // step)
    return png(
        Image.frombytes(
            "L", (2048, 2048), (line + bytes(2048 * (step - 1))) * (2048 // step)
        )
    )


LARGE = png(Image.new("L", (2048, 2048)))


def test_what_cannot_be_cut_out_is_refused(
    client: httpx.Client, worker: HandWorker, subtests: pytest.Subtests
) -> None:
    """With a sentence, before anything is queued, however many pixels and holes there are."""
    for image, mask, fields, status, words in [
        (LARGE, checkerboard(2), {}, 422, "larger than 12x8"),
        (LARGE, checkerboard(8), {}, 422, "too many holes: expected at most 64"),
        (png(noise("L")), png(mask_of([(5, 5, 18, 6)])), {}, 422, "larger than 12x8"),
        (
            png(noise("L", (16, 11))),
            png(mask_of([(5, 5, 6, 6)], (16, 11))),
            {},
            422,
            "expected 16x12",
        ),
        (png(noise("L", (5000, 12))), None, {}, 422, "at most 4096 a side"),
        (png(noise("L")), png(mask_of(HOLES, (60, 41))), {}, 422, "the mask is 60x41"),
        (png(noise("L")), png(Image.new("L", (60, 40))), {}, 422, "no pixel of 128"),
        (png(noise("L")), None, {}, 422, "expected a mask"),
        (png(Image.new("I;16", (60, 40))), png(mask_of(HOLES)), {}, 422, "8 bits"),
        (deep_png(60, 40, 4), png(mask_of(HOLES)), {}, 422, "8 bits"),
        (png(noise("L"))[:-30], png(mask_of(HOLES)), {}, 400, "cut off"),
        (
            png(noise("L")),
            png(mask_of(HOLES)),
            {"n": 22},
            422,
            "at most 21 for 3 cut-outs",
        ),
        (png(noise("L")), png(mask_of(HOLES)), {"n": 0}, 422, "at least 1"),
        (
            png(noise("L")),
            png(mask_of(HOLES)),
            {"method": "clamp"},
            422,
            "by posterior",
        ),
        (png(noise("L")), png(mask_of(HOLES)), {"rank": "true"}, 422, "rank"),
        (
            png(noise("L")),
            png(mask_of(HOLES)),
            {"model": "grey"},
            422,
            "larger than 0x0",
        ),
    ]:
        with subtests.test(words=words, fields=fields):
            answer = send(client, image, mask, **fields)
            assert (answer.status_code, words in answer.text) == (status, True), (
                answer.text
            )


def test_a_truncated_photograph_and_a_second_picture_are_refused(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A JPEG that ends too early has no pixels to keep; several pictures are for others than crop."""
    out = io.BytesIO()
    noise("RGB", (300, 200)).save(out, "jpeg")
    mask = png(mask_of(HOLES, (300, 200)))
    answer = send(client, out.getvalue()[: len(out.getvalue()) // 2], mask)
    assert (answer.status_code, "not a readable" in answer.text) == (400, True), (
        answer.text
    )
    files = [
        ("image", ("i", png(noise("L")))),
        ("image", ("i", png(noise("L")))),
        ("mask", ("m", mask)),
    ]
    answer = client.post(
        "/complete", data={"model": "paper", "fit": "crop"}, files=files
    )
    assert (answer.status_code, "one picture" in answer.text) == (422, True), (
        answer.text
    )


def test_sixty_four_holes_are_taken_and_one_more_is_not(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Each has a cut-out of its own; the upload counts as the job's."""
    spots = [(x, y, x + 1, y + 1) for y in range(2, 40, 5) for x in range(2, 60, 5)]
    spec = accepted(worker, send(client, png(noise("L")), png(mask_of(spots[:64]))))
    assert (len(spec.options.places), spec.n) == (64, 64)
    assert send(client, png(noise("L")), png(mask_of(spots[:65]))).status_code == 422
    heavy, light = noise("RGB"), Image.new("RGB", (60, 40))
    held = []
    for image in (heavy, light):
        spec = accepted(worker, send(client, png(image), png(mask_of(HOLES[:1]))))
        counted, _ = worker.redis.hget(keys.job(spec.id), "held").split(b":")
        held.append(int(counted))
    assert held[0] - held[1] == pytest.approx(
        (len(png(heavy)) - len(png(light))) * 5 / 4, abs=4
    )


def test_requests_that_wait_for_a_picture_hold_none(
    client: httpx.Client, worker: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoded picture may have 16 MiB: few are in memory, however many requests of one
    client wait for their turn."""
    spec = accepted(worker, send(client, png(noise("L")), png(mask_of(HOLES))))
    draw(worker, spec)
    canvases: list[weakref.ref[Canvas]] = []
    held: list[int] = []
    make = pictures.filled_canvas

    def filled_canvas(*given: Any) -> Canvas:
        canvas = make(*given)
        canvases.append(weakref.ref(canvas))
        held.append(sum(each() is not None for each in canvases))
        return canvas

    monkeypatch.setattr(pictures, "filled_canvas", filled_canvas)
    with ThreadPoolExecutor(12) as pool:
        shown = list(pool.map(lambda _: picture(client, spec, "?scale=8"), range(24)))
    assert len({each.tobytes() for each in shown}) == 1
    assert len(held) == 24
    assert max(held) <= 4
