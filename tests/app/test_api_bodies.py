"""How many bytes of bodies are in flight, and what is looked at before a body costs anything."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from PIL import Image

from app.services import bodies
from app.services.bodies import Bodies
from app.wire import receiving
from model_core.codec.container import Header
from tests.app.answers import is_problem, metric
from tests.app.connections import connected
from tests.app.hand_worker import GREY, SCORER, HandWorker, eventually
from tests.app.holders import ALICE, BOB, SAMPLE, settings
from tests.app.live import serving, speaking
from tests.app.pictures import png
from tests.archives import zipped
from worker.contract import keys
from worker.contract.coded_file import MEDIA_TYPE

SIZE = 2 * 2**20
UPLOAD = (
    b"POST /complete HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n{"
)

BODY = b'{"model": "grey"}'
SHORT = (
    b"POST /sample HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 17\r\nX-API-Key: %b\r\n\r\n"
)


def upload(size: int = SIZE) -> bytes:
    """The beginning of one of alice's that is slow."""
    return UPLOAD % (b"alice-key", size)


@pytest.fixture
def limited(
    redis_url: str, worker: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, httpx.Client]]:
    """An API with room for 24 MiB of bodies, half of it for one client alone; and one who has reads its metrics."""
    monkeypatch.setattr(bodies, "MOST_BYTES", 24 * 2**20)
    given = settings(redis_url, metrics_open=True, max_upload_bytes=2**20)
    with (
        serving(given) as (url, _),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield url, client


def held(client: httpx.Client) -> float:
    return metric(client, "pixelrnn_body_bytes")


def test_bodies_of_one_client_have_their_share_and_leave_the_rest(
    limited: tuple[str, httpx.Client],
) -> None:
    """One more is refused before it is read, with when to come back; others are read; and room comes back with an end
    or with a client that leaves."""
    url, client = limited
    with ExitStack() as slow:
        for _ in range(6):
            slow.enter_context(connected(url)).sendall(upload())
        eventually(lambda: held(client) == 6 * SIZE, seconds=60)
        with connected(url) as beyond:
            beyond.sendall(upload())
            answer = beyond.recv(4096)
            assert b"503 Service Unavailable" in answer
            assert b"retry-after: 1" in answer
            assert b"too-many-bytes" in answer
        assert client.post("/sample", json=SAMPLE, headers=BOB).status_code == 202
        assert metric(client, "pixelrnn_bodies_refused_total") == 1
    eventually(lambda: held(client) == 0, seconds=60)
    assert client.post("/sample", json=SAMPLE, headers=ALICE).status_code == 202


def test_body_of_unknown_length_takes_room_as_it_comes(
    limited: tuple[str, httpx.Client],
) -> None:
    """In pieces, it is refused where its share ends."""
    url, client = limited
    with ExitStack() as slow:
        for _ in range(6):
            slow.enter_context(connected(url)).sendall(upload())
        eventually(lambda: held(client) == 6 * SIZE, seconds=60)
        for kind in ("application/json", "multipart/form-data; boundary=x"):
            answer = client.post(
                "/complete",
                content=iter([b"{"] * 9),
                headers={**ALICE, "Content-Type": kind},
            )
            is_problem(answer, 503)


def test_room_of_a_body_is_free_while_its_job_is_waited_for(
    limited: tuple[str, httpx.Client], worker: HandWorker
) -> None:
    """The bytes are needed no more once the job is there."""
    url, client = limited
    with connected(url) as waiting:
        waiting.sendall(SHORT % b"bob-key\r\nPrefer: wait=30" + BODY)
        # The seat is taken before the job is queued.
        eventually(lambda: metric(client, "pixelrnn_streams") == 1, seconds=60)
        eventually(lambda: held(client) == 0, seconds=60)
        worker.draw()
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")


def file_to_decode() -> bytes:
    """A request that waits, with a coded file of SIZE."""
    header = Header(GREY.digest, "none", 3, bytes(8)).pack()
    head = (
        f"POST /decode HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {SIZE}\r\nPrefer: wait=30\r\n\r\n"
    )
    return head.encode() + header + bytes(SIZE - len(header))


def edit_with_mask() -> bytes:
    """A request for an edit, whose mask has SIZE bytes."""
    image = png(Image.new("L", (3, 4)))
    mask = png(Image.new("LA", (3, 4))).ljust(SIZE, b"\0")
    part = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    body = (
        part % (b"model", b"", b"grey")
        + part % (b"image", b'; filename="i"', image)
        + part % (b"mask", b'; filename="m"', mask)
        + b"--x--\r\n"
    )
    head = (
        "POST /v1/images/edits HTTP/1.1\r\nHost: x\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.mark.parametrize("make", [file_to_decode, edit_with_mask])
def test_files_are_forgotten_while_their_job_is_waited_for(
    redis_url: str, worker: HandWorker, make: Callable[[], bytes]
) -> None:
    """Their bytes are counted no more, so that nothing may keep them."""
    worker.announce(GREY.model_copy(update={"can": ("decode", "complete")}))
    request = make()
    with (
        serving(settings(redis_url, api_keys=())) as (url, _),
        ExitStack() as connections,
    ):
        tracemalloc.start()
        connections.callback(tracemalloc.stop)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(4):
            connections.enter_context(connected(url)).sendall(request)
        eventually(lambda: worker.redis.zcard(keys.OPEN) == 4, seconds=60)

        def taken() -> int:
            gc.collect()
            return tracemalloc.get_traced_memory()[0] - before

        # Modules of Pillow, imported meanwhile, take more than one SIZE.
        eventually(lambda: taken() < 2 * SIZE)


def test_room_is_large_enough_for_the_largest_body() -> None:
    """Whatever an operator lets clients upload: of four clients each may send one."""
    room = Bodies(largest=100 * 2**20)
    with ExitStack() as places:
        for name in "abcd":
            places.enter_context(room.place(name)).expect(100 * 2**20)
        fifth = places.enter_context(room.place("e"))
        with pytest.raises(bodies.TooManyBytesError, match="other requests"):
            fifth.expect(1)
        assert room.bytes_held == 400 * 2**20
    assert room.bytes_held == 0


def test_a_place_gives_its_bytes_back_once() -> None:
    """Also if it is left when the job is there, and again when the request ends."""
    room = Bodies(largest=2**20)
    with room.place("a") as one, room.place("a") as other:
        one.expect(1000)
        one.expect_unpacked(200)
        other.expect(30)
        assert room.bytes_held == 1230
        one.leave()
        one.leave()
        assert room.bytes_held == 30
    assert room.bytes_held == 0


def test_pixels_take_room_while_they_are_decoded() -> None:
    """Beside that of bodies, and of theirs what nobody else has."""
    counted: list[None] = []
    room = Bodies(largest=2**20, refused=lambda: counted.append(None))
    largest = 2 * 2048 * 2048 * 4
    with ExitStack() as places:
        for name in "abcd":
            places.enter_context(room.place(name)).expect(16 * 2**20)
        with room.decoding(largest):
            assert room.bytes_held == 64 * 2**20 + largest
            with pytest.raises(bodies.TooManyBytesError, match="decode"):
                places.enter_context(room.decoding(1))
        assert room.bytes_held == 64 * 2**20
    with ExitStack() as places:
        for _ in range(3):
            places.enter_context(room.decoding(largest))
        place = places.enter_context(room.place("a"))
        with pytest.raises(bodies.TooManyBytesError, match="other requests"):
            place.expect(1)
    assert (room.bytes_held, len(counted)) == (0, 2)


def test_unpacked_bytes_count_as_their_clients(
    limited: tuple[str, httpx.Client], worker: HandWorker
) -> None:
    """A zip that fits packed is refused if its client has no room for its files."""
    url, client = limited
    worker.announce(SCORER)
    bomb = zipped({"x": bytes(2**20)})
    with ExitStack() as slow:
        sizes = [SIZE] * 5 + [SIZE // 2]
        for size in sizes:
            slow.enter_context(connected(url)).sendall(upload(size))
        eventually(lambda: held(client) == sum(sizes), seconds=60)
        sent = [("image", ("i", bomb))] * 2
        answer = client.post(
            "/score", data={"model": "scorer"}, files=sent, headers=ALICE
        )
        is_problem(answer, 503)
        assert "this client's other requests" in answer.json()["detail"]
        eventually(lambda: held(client) == sum(sizes), seconds=60)
        answer = client.post(
            "/score", data={"model": "scorer"}, files=sent, headers=BOB
        )
        is_problem(answer, 400)


def test_picture_is_not_read_when_its_client_may_hand_in_no_job(
    redis_url: str, worker: HandWorker
) -> None:
    """A refusal must not cost what a picture costs: here it is none, and nobody has looked. A repeated request is
    answered all the same."""
    worker.announce(SCORER)
    picture = {"image": png(Image.frombytes("L", (3, 4), bytes([0, 255] * 6)))}
    for terms, slug in (
        ({"client_jobs": 1}, "too-many-open-jobs"),
        ({"client_rate": 0.4}, "too-many-requests"),
    ):
        worker.redis.flushdb()
        worker.announce(SCORER)
        given = settings(redis_url, **terms)
        with speaking(given, headers=ALICE) as client:
            named = {"Idempotency-Key": "same"}
            first = client.post(
                "/score", data={"model": "scorer"}, files=picture, headers=named
            )
            assert first.status_code == 202
            refused = client.post(
                "/score", data={"model": "scorer"}, files={"image": b"no picture"}
            )
            assert is_problem(refused, 429)["type"].endswith(slug)
            assert int(refused.headers["retry-after"]) >= 1
            again = client.post(
                "/score", data={"model": "scorer"}, files=picture, headers=named
            )
            assert again.json()["id"] == first.json()["id"]


def test_slow_upload_is_not_pushed_out_by_idle_connections(
    redis_url: str, worker: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was let in keeps the place; those who have sent nothing, or a wrong key, leave."""
    monkeypatch.setattr(receiving, "MOST_WAITING", 20)
    with (
        serving(settings(redis_url, metrics_open=True)) as (url, _),
        ExitStack() as opened,
    ):
        client = opened.enter_context(httpx.Client(base_url=url, timeout=60))
        slow, wrong = (opened.enter_context(connected(url)) for _ in "12")
        slow.sendall(SHORT % b"bob-key" + BODY[:5])
        eventually(lambda: held(client) == 17, seconds=60)
        wrong.sendall(SHORT % b"wrong" + BODY[:5])
        assert wrong.recv(4096).startswith(b"HTTP/1.1 401")
        for _ in range(100):
            opened.enter_context(connected(url))
        assert client.get("/healthz").status_code == 200
        slow.sendall(BODY[5:])
        assert slow.recv(100).startswith(b"HTTP/1.1 202")


@pytest.mark.parametrize("charset", ["punycode", "PunyCode", "idna", "undefined"])
@pytest.mark.parametrize("path", ["/complete", "/v1/images/edits"])
def test_form_is_not_decoded_by_any_codec_of_python(
    client: httpx.Client, worker: HandWorker, path: str, charset: str
) -> None:
    """Some take minutes for a megabyte, others raise errors of their own."""
    field = (
        b'--x\r\nContent-Disposition: form-data; name="xn--a."\r\n\r\n1\r\n--x--\r\n'
    )
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    answer = client.post(path, content=field, headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert "UTF-8" in answer.text


def test_form_may_name_the_charset_that_it_has(
    client: httpx.Client, worker: HandWorker
) -> None:
    picture = png(Image.new("L", (3, 4)))
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\ngrey\r\n',
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n',
        picture,
        b'\r\n--x\r\nContent-Disposition: form-data; name="mask"; filename="b"\r\n\r\n',
        png(Image.new("L", (3, 4), 255)),
        b"\r\n--x--\r\n",
    ]
    for charset in ("utf-8", '"UTF-8"', "us-ascii"):
        kind = f"multipart/form-data; charset={charset}; boundary=x"
        headers = {"Content-Type": kind}
        answer = client.post("/complete", content=b"".join(parts), headers=headers)
        assert answer.status_code == 202, answer.text
