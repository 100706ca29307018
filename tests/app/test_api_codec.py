"""POST /encode and POST /decode: pictures become a file, and a file becomes pictures."""

import base64
import struct
import zlib

import httpx
import pytest
from PIL import Image

from model_core.codec.container import Header
from tests.app.answers import is_problem, picture_of, submit_sample
from tests.app.hand_worker import COLOUR, GREY, SCALES, HandWorker
from tests.app.pictures import deep_png, encoded, grey, grey16, png
from worker.contract import keys
from worker.contract.coded_file import MEDIA_TYPE
from worker.contract.kinds.encode import EncodeSummary

CODING = ("sample", "encode", "decode")
ABLE = GREY.model_copy(update={"can": CODING})
TURNED = COLOUR.model_copy(update={"can": CODING, "members": ("none", "rotate_180")})
PICTURES = [
    grey([0, 255, 10 * i], [30, 40, 50], [60, 70, 80], [90, 100, 110]) for i in range(3)
]
FILE = Header(GREY.digest, "none", 3, bytes(8)).pack() + b"stripes"
SUMMARY = EncodeSummary(
    pictures=3, bytes=70, bits_per_dim=15.5, member="none", digest=GREY.digest
)


@pytest.fixture(autouse=True)
def models(worker: HandWorker) -> None:
    worker.announce(ABLE, TURNED, SCALES.model_copy(update={"can": ("sample",)}))


def encode(
    client: httpx.Client, *pictures: bytes, model: str = "grey", **fields: str
) -> httpx.Response:
    files = [("image", ("i", picture)) for picture in pictures]
    return client.post("/encode", data={"model": model, **fields}, files=files)


def decode(
    client: httpx.Client, data: bytes, media: str = MEDIA_TYPE, **headers: str
) -> httpx.Response:
    return client.post(
        "/decode", content=data, headers={"Content-Type": media, **headers}
    )


def test_pictures_reach_the_worker_and_their_file_the_client(
    client: httpx.Client, worker: HandWorker
) -> None:
    """In their order, pixel by pixel; the file is there once the job has ended, under a name, and may be kept."""
    answer = encode(client, *map(png, PICTURES))
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["kind"], job["model"], job["n"], job["rows_total"], job["seed"]) == (
        "encode",
        "grey",
        3,
        0,
        0,
    )
    blob = f"/jobs/{job['id']}/blob"
    problem = is_problem(client.get(blob), 409)
    assert problem["type"].endswith("no-blob-yet")
    spec = worker.take()
    assert (spec.kind, spec.n, spec.digest, spec.work) == (
        "encode",
        3,
        GREY.digest,
        3 * 4 * 3,
    )
    pixels = b"".join(picture.tobytes() for picture in PICTURES)
    assert worker.redis.hget(keys.image(spec.id), "pixels") == pixels
    worker.settle_told(spec, SUMMARY, blob=FILE)
    result = client.get(job["links"]["self"]).json()["result"]
    images = [f"/jobs/{spec.id}/image?sample={i}" for i in range(3)]
    assert result == {
        **SUMMARY.model_dump(),
        "type": "encoding",
        "blob": blob,
        "images": images,
    }
    got = client.get(blob)
    assert (got.status_code, got.content) == (200, FILE)
    assert got.headers["content-type"] == MEDIA_TYPE
    assert (
        got.headers["content-disposition"] == f'attachment; filename="{spec.id}.pxrn"'
    )
    assert got.headers["x-content-type-options"] == "nosniff"
    head = client.head(blob)
    assert (head.status_code, head.content, head.headers["content-length"]) == (
        200,
        b"",
        str(len(FILE)),
    )
    assert (
        client.get(blob, headers={"If-None-Match": got.headers["etag"]}).status_code
        == 304
    )
    for i, picture in enumerate(PICTURES):
        with picture_of(client.get(images[i])) as shown:
            assert shown.tobytes() == picture.tobytes()
    with picture_of(client.get(f"/jobs/{spec.id}/given")) as given:
        assert given.size == (7, 9)


def test_every_member_that_tries_is_counted(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A mixture encodes once with each of its networks: the queue's limits and the estimates know that."""
    assert (
        encode(client, png(Image.new("RGB", (2, 3))), model="colour").status_code == 202
    )
    spec = worker.take()
    assert (spec.options.stored_fields()["members"], spec.work) == (2, 2 * 3 * 2 * 3)


@pytest.mark.parametrize(
    "media", [MEDIA_TYPE, "application/octet-stream", f"{MEDIA_TYPE}; v=1"]
)
def test_file_reaches_the_worker_and_its_pictures_the_client(
    client: httpx.Client, worker: HandWorker, media: str
) -> None:
    """The model is found by the digest; rows, pictures and grid are those of any job; it has no file of its own."""
    job = decode(client, FILE, media).json()
    assert (job["kind"], job["model"], job["n"], job["rows_total"]) == (
        "decode",
        "grey",
        3,
        12,
    )
    assert worker.redis.hget(keys.image(job["id"]), "pixels") == FILE
    spec = worker.draw()
    assert (spec.id, spec.kind, spec.work) == (job["id"], "decode", 36)
    result = client.get(job["links"]["self"]).json()["result"]
    assert (result["type"], len(result["images"])) == ("images", 3)
    assert client.get(result["images"][2]).headers["content-type"] == "image/png"
    events = client.get(job["links"]["events"]).text
    assert (events.count("event: row"), events.count("event: done")) == (12, 1)
    with picture_of(client.get(job["links"]["image"], params={"grid": 1})) as grid:
        assert grid.size == (7, 9)
    is_problem(client.get(f"/jobs/{job['id']}/blob"), 404)
    is_problem(client.get(f"/jobs/{job['id']}/given"), 404)


def test_file_is_of_the_card_that_it_names_or_of_one_with_its_weights(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Of two cards of the same weights the file's own; where nobody holds that any more, the job says so. Earlier
    workers cannot read version 2, and are left out."""
    one, other = (
        ABLE.model_copy(update={"name": name, "identity": 32 * name})
        for name in ("a1", "b2")
    )
    worker.announce(one, other)
    for identity, model, changed in (
        ("b2", "b2", None),
        ("c3", "a1", True),
        ("", "a1", None),
    ):
        header = Header(GREY.digest, "none", 3, bytes(8), identity=32 * identity)
        job = decode(client, header.pack() + b"stripes").json()
        assert (job["model"], job["card_changed"], job["identity"]) == (
            model,
            changed,
            32 * model,
        )
        assert worker.take().version == (8 if identity else 1)
    worker.announce(one, version=7)
    is_problem(
        decode(
            client,
            Header(GREY.digest, "none", 3, bytes(8), identity=one.identity).pack()
            + b"x",
        ),
        503,
    )


def test_same_request_means_the_same_job(
    client: httpx.Client, worker: HandWorker
) -> None:
    """By the file or by the pictures in their order; another file under the key is refused."""
    once = {"Idempotency-Key": "k"}
    first = decode(client, FILE, **once).json()
    assert decode(client, FILE, **once).json()["id"] == first["id"]
    is_problem(decode(client, FILE + b"x", **once), 422)
    files = [("image", ("i", png(picture))) for picture in PICTURES]
    sent = [
        client.post(
            "/encode",
            data={"model": "grey"},
            files=each,
            headers={"Idempotency-Key": "e"},
        )
        for each in (files, files, files[::-1])
    ]
    assert [answer.status_code for answer in sent] == [202, 202, 422]
    assert sent[0].json()["id"] == sent[1].json()["id"]


def test_pictures_may_come_as_json(client: httpx.Client, worker: HandWorker) -> None:
    """A list of base64 or data: URLs, as many as a job may have; anything else is refused."""
    texts = [base64.b64encode(png(picture)).decode() for picture in PICTURES]
    texts[1] = f"data:image/png;base64,{texts[1]}"
    assert (
        client.post("/encode", json={"model": "grey", "image": texts}).json()["n"] == 3
    )
    assert (
        client.post("/encode", json={"model": "grey", "image": [texts[1]] * 64}).json()[
            "n"
        ]
        == 64
    )
    assert worker.redis.hget(keys.image(worker.take().id), "pixels") == b"".join(
        p.tobytes() for p in PICTURES
    )
    for image in (texts[0], [], [1], ["?"], [[texts[0]]], texts[:1] * 65, None):
        is_problem(client.post("/encode", json={"model": "grey", "image": image}), 422)
    is_problem(client.post("/verify", json={"image": texts}), 422)


@pytest.mark.parametrize(
    ("picture", "status", "words"),
    [
        (
            png(PICTURES[0].resize((4, 4))),
            422,
            "image 1, counted from 0, is 4x4 (width x height), expected 3x4",
        ),
        (png(PICTURES[0].convert("RGBA")), 202, ""),
        (png(PICTURES[0].convert("P")), 202, ""),
        (
            png(Image.new("RGBA", (3, 4), (9, 9, 9, 254))),
            422,
            "image 1, counted from 0, would not come back as it is",
        ),
        (
            png(Image.new("RGB", (3, 4), (1, 2, 3))),
            422,
            "expected grey, 8 bits a colour, not transparent",
        ),
        (grey16(*[[257, 258, 259]] * 4), 422, "would not come back as it is"),
        (deep_png(3, 4, 3), 422, "would not come back as it is"),
        (encoded(PICTURES[0], "WEBP", lossless=True), 202, ""),
    ],
)
def test_picture_that_would_not_come_back_is_refused(
    client: httpx.Client, picture: bytes, status: int, words: str
) -> None:
    """Whatever a grey or coloured pixel of 8 bits does not hold; which picture it was is said."""
    answer = encode(client, png(PICTURES[0]), picture)
    assert (
        status == 202 == answer.status_code
        or words in is_problem(answer, status)["detail"]
    )


def test_encoding_is_bounded(client: httpx.Client) -> None:
    """64 pictures, and as many bytes as two files may have; no picture, another field, a model without a codec."""
    picture = png(PICTURES[0])
    assert encode(client, *[picture] * 64).status_code == 202
    assert (
        "at most 64 items" in is_problem(encode(client, *[picture] * 65), 422)["detail"]
    )
    is_problem(encode(client, *[picture] * 80), 400)
    limit = client.get("/info").json()["limits"]["upload_bytes"]
    is_problem(encode(client, picture, picture + bytes(limit)), 413)
    is_problem(encode(client, *[picture + bytes(limit // 2)] * 5), 413)
    is_problem(client.post("/encode", json={"model": "grey"}), 422)
    is_problem(encode(client, picture, fit="resize"), 422)
    assert (
        "cannot encode"
        in is_problem(encode(client, picture, model="scales"), 422)["detail"]
    )


def head(**changes: int) -> bytes:
    """A file's beginning with some of its numbers changed, and a right checksum."""
    numbers = {"version": 1, "numerics": 0, "member": 0, "images": 3, **changes}
    packed = struct.pack(
        ">4sBBBI32s8s", b"PXRN", *numbers.values(), bytes.fromhex(GREY.digest), bytes(8)
    )
    return packed + zlib.crc32(packed).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "this is no file of coded images"),
        (b"\x89PNG\r\n\x1a\n", "this is no file of coded images"),
        (FILE[:30], "the file ends within its header"),
        (head(), "the file ends within its header or behind it"),
        (head(version=3) + b"x", "the file is of version 3: expected version 1 or 2"),
        (FILE[:20] + b"?" + FILE[21:], "the checksum of its header is wrong"),
        (head(images=0) + b"x", "the file holds no image"),
        (
            head(images=65) + b"x",
            "the file holds 65 pictures: expected at most 64 here",
        ),
        (head(images=2**32 - 1) + b"x", "the file holds 4294967295 pictures"),
    ],
)
def test_file_that_can_be_told_wrong_at_once_is_refused(
    client: httpx.Client, data: bytes, words: str
) -> None:
    """By its first bytes, before it is kept or any worker hears of it."""
    problem = is_problem(decode(client, data), 422)
    assert problem["type"].endswith("not-decodable")
    assert words in problem["detail"]


def test_file_of_other_weights_type_or_size_is_refused(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Weights that nobody holds; a model that has no codec; JSON; more bytes than an upload has; nobody there."""
    strange = Header("d" * 64, "none", 1, bytes(8)).pack() + b"x"
    assert f"sha256 {'d' * 12}" in is_problem(decode(client, strange), 404)["detail"]
    scales = Header(SCALES.digest, "none", 1, bytes(8)).pack() + b"x"
    assert "cannot decode" in is_problem(decode(client, scales), 422)["detail"]
    is_problem(decode(client, FILE, "application/json"), 415)
    is_problem(client.post("/decode", files={"image": ("i", FILE)}), 415)
    limit = client.get("/info").json()["limits"]["upload_bytes"]
    is_problem(decode(client, FILE + bytes(limit)), 413)
    is_problem(
        client.post(
            "/decode",
            content=iter([FILE, bytes(limit)]),
            headers={"Content-Type": MEDIA_TYPE},
        ),
        413,
    )
    worker.leave()
    is_problem(decode(client, FILE), 503)
    is_problem(client.post("/decode"), 422)


def test_job_that_failed_has_no_file(client: httpx.Client, worker: HandWorker) -> None:
    """404, with a word that says where the reason is; and a job of another kind never has one."""
    job = encode(client, png(PICTURES[0])).json()
    worker.settle(
        worker.take(), "failed", {"type": "not-encodable", "title": "t", "detail": "d"}
    )
    assert (
        "its status and error say why"
        in is_problem(client.get(f"/jobs/{job['id']}/blob"), 404)["detail"]
    )
    other = submit_sample(client)
    assert (
        "only a job of POST /encode"
        in is_problem(client.get(f"/jobs/{other['id']}/blob"), 404)["detail"]
    )
