"""POST /complete: which pixels are kept, which are filled, and which files are refused."""

import httpx
import pytest
from PIL import Image

from app.imaging.decode import decode
from tests.app import pictures
from tests.app.answers import is_problem
from tests.app.hand_worker import HandWorker
from tests.app.pictures import grey, png
from worker.contract import keys

IMAGE = grey([0, 10, 20], [30, 40, 50], [60, 70, 80], [90, 100, 110])
MASK = grey([0, 0, 0], [0, 127, 128], [255, 255, 255], [255, 255, 255])
KEPT = bytes([1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])


def send(
    client: httpx.Client, image: bytes, mask: bytes | None = None, **fields: object
) -> httpx.Response:
    files = (
        {"image": ("i", image)}
        if mask is None
        else {"image": ("i", image), "mask": ("m", mask)}
    )
    return client.post("/complete", files=files, data={"model": "grey"} | fields)


def stored(worker: HandWorker, answer: httpx.Response) -> tuple[bytes, bytes]:
    """(pixels, keep) as the worker will find them."""
    assert answer.status_code == 202, answer.text
    fields = worker.redis.hgetall(keys.image(answer.json()["id"]))
    return fields[b"pixels"], fields[b"keep"]


def test_white_is_filled_when_a_mask_is_given(
    client: httpx.Client, worker: HandWorker
) -> None:
    """128 and above = fill; the job says how many pixels; a worker finds bytes and map."""
    answer = send(client, png(IMAGE), png(MASK), n=2, seed=5, temperature=0.5)
    assert stored(worker, answer) == (IMAGE.tobytes(), KEPT)
    job = answer.json()
    assert (
        job["kind"],
        job["filled_pixels"],
        job["n"],
        job["seed"],
        job["temperature"],
    ) == ("complete", 7, 2, 5, 0.5)
    assert worker.take().options.filled_pixels == 7


def test_transparent_is_filled_when_there_is_no_mask(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Alpha below 128 = fill, and what shines through lies on black, for a model of colours on white."""
    image = Image.merge(
        "LA",
        (
            grey(*[[200] * 3] * 4),
            grey([255, 255, 255], [128, 127, 0], [0] * 3, [0] * 3),
        ),
    )
    pixels, keep = stored(worker, send(client, png(image)))
    assert keep == bytes([1, 1, 1, 1, 0, 0] + [0] * 6)
    assert pixels[:4] == bytes([200, 200, 200, 100])
    coloured = Image.new("RGBA", (2, 3), (200, 0, 0, 128))
    coloured.putpixel((0, 1), (0, 0, 0, 0))
    pixels, _ = stored(worker, send(client, png(coloured), model="colour"))
    assert pixels[:3] == bytes([227, 127, 127])


def test_mask_wins_when_the_image_is_transparent_too(
    client: httpx.Client, worker: HandWorker
) -> None:
    """An explicit mask is the whole truth."""
    image = IMAGE.copy()
    image.putalpha(0)
    assert stored(worker, send(client, png(image), png(MASK)))[1] == KEPT


def test_empty_mask_field_counts_as_none_when_a_form_sends_it(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A browser sends a file field that was left empty."""
    image = IMAGE.copy()
    image.putalpha(0)
    files = {"image": ("i", png(image)), "mask": ("", b"")}
    answer = client.post("/complete", files=files, data={"model": "grey", "seed": ""})
    assert stored(worker, answer)[1] == bytes(12)


@pytest.mark.parametrize("mask", [png(Image.new("L", (3, 4), 127)), None])
def test_answer_is_422_when_nothing_is_to_fill(
    client: httpx.Client, worker: HandWorker, mask: bytes | None
) -> None:
    """A black mask, or no mask and no transparency."""
    assert (
        is_problem(send(client, png(IMAGE), mask), 422)["type"]
        == "urn:pixelrnn:problem:nothing-to-fill"
    )


@pytest.mark.parametrize("role", ["image", "mask"])
def test_answer_names_both_sizes_when_they_differ(
    client: httpx.Client, worker: HandWorker, role: str
) -> None:
    """What came, what was expected, and the way out."""
    files = {
        "image": png(IMAGE),
        "mask": png(MASK),
        role: png(Image.new("L", (4, 3), 255)),
    }
    problem = is_problem(send(client, files["image"], files["mask"]), 422)
    assert problem["type"] == "urn:pixelrnn:problem:wrong-size"
    for word in (role, "4x3", "3x4", "fit=resize"):
        assert word in problem["detail"]


def test_both_are_stretched_when_resize_is_asked(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Enlarged 8 times and resized back, image and mask are what they were."""
    big = [
        png(part.resize((24, 32), Image.Resampling.NEAREST)) for part in (IMAGE, MASK)
    ]
    assert stored(worker, send(client, *big, fit="resize")) == (IMAGE.tobytes(), KEPT)


def test_colours_are_three_bytes_a_pixel_when_the_model_has_three(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Row by row, pixel by pixel, red, green, blue; grey images become coloured ones."""
    image = Image.new("RGB", (2, 3), (1, 2, 3))
    image.putpixel((1, 0), (9, 8, 7))
    mask = png(Image.new("L", (2, 3), 255))
    assert stored(worker, send(client, png(image), mask, model="colour"))[0][
        :6
    ] == bytes([1, 2, 3, 9, 8, 7])
    pixels, _ = stored(
        worker, send(client, png(Image.new("L", (2, 3), 5)), mask, model="colour")
    )
    assert pixels == bytes([5] * 18)


def test_upper_bits_are_kept_when_grey_has_sixteen(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Value 1000 of 65535 is 3 of 255, not white."""
    image = pictures.grey16([0, 255, 256], [1000, 32768, 65535], [0] * 3, [0] * 3)
    assert stored(worker, send(client, image, png(MASK)))[0][:6] == bytes(
        [0, 0, 1, 3, 128, 255]
    )


def test_every_usual_mode_is_read_when_decoded() -> None:
    """1, L, LA, P, P with a transparent colour, RGB, RGB with one, RGBA, CMYK; PNG, JPEG and WebP."""
    colours = Image.new("RGB", (3, 4), (255, 0, 0))
    palette = colours.quantize(2)
    cases = {
        "1": (png(Image.new("1", (3, 4), 1)), "L", 255),
        "L": (png(IMAGE), "L", 0),
        "LA": (png(Image.new("LA", (3, 4), (9, 7))), "LA", (9, 7)),
        "L, transparent colour": (
            png(Image.new("L", (3, 4), 9), transparency=9),
            "LA",
            (9, 0),
        ),
        "P": (png(palette), "RGBA", (255, 0, 0, 255)),
        "P, transparent colour": (png(palette, transparency=0), "RGBA", (255, 0, 0, 0)),
        "RGB": (png(colours), "RGB", (255, 0, 0)),
        "RGB, transparent colour": (
            png(colours, transparency=(255, 0, 0)),
            "RGBA",
            (255, 0, 0, 0),
        ),
        "RGBA": (png(Image.new("RGBA", (3, 4), (1, 2, 3, 4))), "RGBA", (1, 2, 3, 4)),
        "JPEG": (pictures.encoded(Image.new("L", (3, 4), 77), "JPEG"), "L", 77),
        "CMYK": (
            pictures.encoded(Image.new("CMYK", (3, 4), (0, 0, 0, 0)), "JPEG"),
            "RGB",
            (255, 255, 255),
        ),
        "WebP": (pictures.encoded(colours, "WEBP", lossless=True), "RGB", (255, 0, 0)),
    }
    for name, (data, mode, first) in cases.items():
        image = decode(data, "image").image
        assert (image.mode, image.getpixel((0, 0))) == (mode, first), name


UNREADABLE = {
    "empty": b"",
    "text": b"this is not an image, whatever its name says",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "pdf": b"%PDF-1.7\n",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 3 4\n",
    "gif": pictures.encoded(IMAGE, "GIF"),
    "tiff": pictures.encoded(IMAGE, "TIFF"),
    "bmp": pictures.encoded(IMAGE, "BMP"),
    "signature only": b"\x89PNG\r\n\x1a\n",
    "jpeg cut off": pictures.encoded(Image.effect_noise((64, 64), 50), "JPEG")[:-700],
    "webp cut off": pictures.encoded(Image.effect_noise((64, 64), 50), "WEBP")[:-100],
    "text bomb": pictures.text_bomb(),
    "no pixels": pictures.raw_png(0, 4, 8, 0, b""),
    "bad depth": pictures.raw_png(3, 4, 7, 0, b"\0" * 16),
    "too little data": pictures.raw_png(3, 4, 8, 0, b"\0" * 3),
}


def test_answer_is_400_when_a_file_is_unreadable(
    client: httpx.Client, worker: HandWorker, subtests: pytest.Subtests
) -> None:
    """Anything that is not a whole PNG, JPEG or WebP, judged by its bytes; nothing is queued."""
    for name in UNREADABLE:
        for role in ["image", "mask"]:
            with subtests.test(name=name, role=role):
                files = {"image": png(IMAGE), "mask": png(MASK), role: UNREADABLE[name]}
                problem = is_problem(send(client, files["image"], files["mask"]), 400)
                assert role in problem["detail"]
                assert not list(worker.redis.scan_iter("px:job:*"))


def test_answer_is_400_when_a_png_is_cut_anywhere(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Every proper prefix is refused; Pillow alone reads one without its end."""
    whole = png(IMAGE)
    for length in range(1, len(whole) - 4, 5):
        is_problem(send(client, whole[:length], png(MASK)), 400)


@pytest.mark.parametrize("side", [2100, 2900, 30_000, 2**31 - 1])
def test_answer_is_413_when_a_picture_claims_too_many_pixels(
    client: httpx.Client, worker: HandWorker, side: int
) -> None:
    """From the header, before anything is unpacked: bombs cost nothing."""
    is_problem(send(client, pictures.bomb(side), png(MASK)), 413)


def test_photograph_of_a_phone_is_taken_with_its_preview(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A JPEG with further pictures after it is called MPO by Pillow, and is not animated."""
    photograph = Image.new("L", (3, 4), 200)
    photograph.putpixel((0, 0), 10)
    file = pictures.with_preview(photograph)
    alone = pictures.encoded(photograph, "JPEG", quality=100)
    found, expected = (
        stored(worker, send(client, each, png(MASK))) for each in (file, alone)
    )
    assert found == expected


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_answer_is_422_when_a_picture_moves(
    client: httpx.Client, worker: HandWorker, kind: str
) -> None:
    """Which frame would it be?"""
    problem = is_problem(send(client, pictures.animated(kind), png(MASK)), 422)
    assert problem["type"] == "urn:pixelrnn:problem:unusable-image"
    assert "the image has 3 frames" in problem["detail"]


def test_answer_is_413_when_a_file_is_too_large(
    client: httpx.Client, worker: HandWorker
) -> None:
    """One file over its own limit, and a whole body over the sum."""
    padded = png(IMAGE) + b"\0" * (2 * 1024 * 1024)
    assert "image" in is_problem(send(client, padded, png(MASK)), 413)["detail"]
    is_problem(send(client, png(IMAGE), b"\0" * (5 * 1024 * 1024)), 413)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"n": "0"}, "#/n"),
        ({"n": "many"}, "#/n"),
        ({"seed": "-1"}, "#/seed"),
        ({"seed": "1e400"}, "#/seed"),
        ({"temperature": "nan"}, "#/temperature"),
        ({"temperature": "1e999"}, "#/temperature"),
        ({"fit": "field"}, "#/fit"),
        ({"colour": "red"}, "#/colour"),
        ({"model": ""}, "#/model"),
    ],
)
def test_answer_is_422_and_points_when_a_form_field_is_wrong(
    client: httpx.Client, worker: HandWorker, fields: dict[str, str], pointer: str
) -> None:
    """The same rules as for JSON, from text."""
    problem = is_problem(send(client, png(IMAGE), png(MASK), **fields), 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=a", b"--b\r\n\r\n--b--"),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="n"\r\n\r\n' + b"1" * 20_000,
        ),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n' * 20,
        ),
        (
            "multipart/form-data; boundary=a",
            b"--a\r\nContent-Disposition: form-data\r\n\r\n1\r\n--a--",
        ),
    ],
)
def test_answer_is_refusal_when_multipart_is_broken(
    client: httpx.Client, worker: HandWorker, kind: str, body: bytes
) -> None:
    """No boundary, a wrong one, an endless field, too many fields, a field without a name."""
    answer = client.post("/complete", content=body, headers={"Content-Type": kind})
    is_problem(answer, answer.status_code)
    assert answer.status_code in (400, 422)
