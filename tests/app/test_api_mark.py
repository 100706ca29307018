"""Pictures say in their files that a program drew them, in IPTC's words."""

import io
from collections.abc import Iterator
from xml.etree import ElementTree

import httpx
import pytest
from PIL import Image

from app.settings import Settings
from tests.app.hand_worker import GREY, SCALES, HandWorker, image_bytes
from tests.app.live import speaking
from tests.app.pictures import grey, png

TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
HOLE = {
    "image": ("i", png(grey([0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]))),
    "mask": ("m", png(grey([0, 0, 0], [0, 255, 0], [0, 0, 0], [0, 0, 0]))),
}


def mark_of(file: bytes) -> str | None:
    """IPTC's term in a picture's XMP packet; None where it has no packet."""
    with Image.open(io.BytesIO(file)) as picture:
        packet = picture.info.get("XML:com.adobe.xmp", picture.info.get("xmp"))
    if packet is None:
        return None
    text = packet if isinstance(packet, str) else packet.decode()
    (source,) = ElementTree.fromstring(text.encode()).iter(SOURCE)
    assert source.text is not None
    assert source.text.startswith(TERMS)
    return source.text.removeprefix(TERMS)


def asked(client: httpx.Client, kind: str) -> str:
    """The address of the picture of a new job."""
    if kind == "sample":
        answer = client.post("/sample", json={"model": "grey", "n": 2, "seed": 3})
    elif kind == "complete":
        answer = client.post("/complete", data={"model": "grey", "n": 2}, files=HOLE)
    else:
        small = png(Image.new("RGB", (3, 2)))
        answer = client.post(
            "/upsample", data={"model": "scales", "n": 2}, files={"image": ("i", small)}
        )
    assert answer.status_code == 202, answer.text
    return answer.json()["links"]["image"]


@pytest.mark.parametrize(
    "way", [{}, {"grid": 1, "scale": 3}, {"follow": 1}], ids=["one", "grid", "followed"]
)
@pytest.mark.parametrize(
    ("kind", "term"),
    [
        ("sample", "trainedAlgorithmicMedia"),
        ("complete", "compositeWithTrainedAlgorithmicMedia"),
        ("upsample", "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_a_drawn_picture_says_so(
    client: httpx.Client, worker: HandWorker, kind: str, term: str, way: dict[str, int]
) -> None:
    """In every format: samples are a model's, completions and upsamplings a composite."""
    worker.announce(GREY, SCALES)
    link = asked(client, kind)
    spec = worker.take()
    rows = [(sample, y) for y in range(spec.height) for sample in range(spec.n)]
    worker.rows(spec, *rows)
    formats = ["png"] if way == {"follow": 1} else ["png", "webp", "jpeg"]
    for name in formats:
        if way == {"follow": 1}:
            with client.stream("GET", link, params=way) as answer:
                file = answer.read()
        else:
            file = client.get(link, params={**way, "format": name}).content
        assert mark_of(file) == term


@pytest.fixture
def unmarking(redis_server: str, client: httpx.Client) -> Iterator[httpx.Client]:
    """Speaks to an API that is told to mark nothing, beside the other."""
    settings = Settings(redis_url=redis_server, port=0, fleet_age_s=0, mark=False)
    with speaking(settings) as speaker:
        yield speaker


def test_pixels_are_the_same_without_a_mark(
    client: httpx.Client, unmarking: httpx.Client, worker: HandWorker
) -> None:
    """A setting turns it off; of a PNG and a WebP, also followed and enlarged, every pixel is the same."""
    link = asked(client, "sample")
    followed = (
        client.stream("GET", link, params={"follow": 1}),
        unmarking.stream("GET", link, params={"follow": 1}),
    )
    with followed[0] as marked, followed[1] as plain:
        spec = worker.draw()
        pictures = [(marked.read(), plain.read())]
    formats = {"format": "png"}, {"format": "webp"}, {"format": "jpeg", "scale": 4}
    pictures += [
        tuple(each.get(link, params=how).content for each in (client, unmarking))
        for how in formats
    ]
    for marked, plain in pictures:
        assert (mark_of(marked), mark_of(plain)) == ("trainedAlgorithmicMedia", None)
        with (
            Image.open(io.BytesIO(marked)) as one,
            Image.open(io.BytesIO(plain)) as other,
        ):
            assert one.convert("RGB").tobytes() == other.convert("RGB").tobytes()
            assert one.format == "JPEG" or one.convert("L").tobytes() == image_bytes(
                spec, 0
            )


def test_what_was_handed_in_is_not_marked(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Nor is a mask; the picture is the client's, and nobody drew it here."""
    link = asked(client, "complete").removesuffix("image")
    worker.draw()
    for of in ("image", "mask"):
        assert mark_of(client.get(f"{link}given", params={"of": of}).content) is None
