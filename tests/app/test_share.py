"""Links with a face: a page that says what is behind it, for those who paste links, and the way to the playground."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from pydantic import create_model

from app.routes.share import Recipe
from tests.app.answers import picture_of, submit_sample
from tests.app.hand_worker import GREY, HandWorker
from tests.app.holders import ALICE, BOB, settings
from tests.app.live import process_serving, speaking

PICTURES = Path(__file__).parents[2] / "app" / "playground" / "img"
RECIPE = {"model": "grey", "seed": 7, "temperature": 1, "n": 4, "digest": "a" * 64}


class Faces(HTMLParser):
    """What a chat reads of a page: its og: properties, and where it leads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "meta":
            name = (
                found.get("property")
                or found.get("http-equiv")
                or found.get("name")
                or ""
            )
            self.said[name] = found.get("content") or ""


def preview(client: httpx.Client, address: str) -> bytes:
    """The preview at this address, which is a picture."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    with picture_of(answer) as picture:
        assert picture.size == (1200, 630)
    return answer.content


def test_link_says_what_it_is_and_leads_to_the_page(client: httpx.Client) -> None:
    """Every word of the recipe goes on to the page, which draws it again."""
    answer = client.get("/s", params=RECIPE)
    assert answer.status_code == 200
    assert "script-src" not in answer.headers["content-security-policy"]
    said = Faces(answer.text).said
    assert said["refresh"].startswith(
        "0; url=/#sample?model=grey&seed=7&temperature=1.0&n=4&digest=aaa"
    )
    assert "grey" in said["og:title"]


def test_link_has_a_preview_as_large_as_messengers_ask_for(
    client: httpx.Client,
) -> None:
    """The preview shows what a shipped model draws, pixel for pixel, or else the sign of the project."""
    found = {}
    for model in ("emoji", "grey", "../../main"):
        said = Faces(client.get("/s", params={**RECIPE, "model": model}).text).said
        assert said["og:image"].startswith(str(client.base_url).rstrip("/"))
        answer = client.get(said["og:image"])
        assert answer.headers["content-type"] == "image/png"
        picture = picture_of(answer)
        size = int(said["og:image:width"]), int(said["og:image:height"])
        assert picture.size == size == (1200, 630)
        found[model] = picture
    shipped = Image.open(PICTURES / "model-emoji.webp").convert("RGB")
    side = 64 * 8
    left, top = 28 + (574 - side) // 2, (630 - side) // 2
    cut = found["emoji"].crop((left, top, left + side, top + side))
    assert cut.resize((64, 64), Image.Resampling.NEAREST).tobytes() == shipped.tobytes()
    assert found["grey"].tobytes() == found["../../main"].tobytes()
    for picture in found.values():  # words at its right
        assert picture.crop((630, 0, 1172, 630)).convert("L").getextrema()[1] > 200
        assert picture.crop((1172, 0, 1200, 630)).convert("L").getextrema()[1] < 50


def test_link_to_bets_shows_their_picture_half_drawn(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Made of stored rows; when they are gone, of what the model has."""
    job = submit_sample(client, seed=7)["id"]
    worker.draw()
    earlier = {"model": "grey", "seed": 7, "of": 10, "bits": 9.1, "job": job}
    said = Faces(client.get("/s/bet", params=earlier).text).said
    assert said["refresh"] == "0; url=/#bet/model=grey&seed=7&of=10"
    bets = {**earlier, "away": 12.5}
    said = Faces(client.get("/s/bet", params=bets).text).said
    assert said["refresh"] == "0; url=/#bet/model=grey&seed=7&of=10&away=12.5"
    assert "12.5 points away" in said["og:description"]
    picture = picture_of(client.get(said["og:image"]))
    assert picture.size == (1200, 630)
    fog = (51, 64, 95)
    assert [picture.getpixel((300, y)) == fog for y in (200, 450)] == [False, True]
    client.delete(f"/jobs/{job}")
    plain = "/s/preview.png?model=grey"
    said_so = preview(client, said["og:image"])
    assert said_so == preview(client, f"{plain}&away=12.5")
    assert said_so != preview(client, plain)
    assert client.get("/s/bet", params={**bets, "job": "../x"}).status_code == 422


def test_link_to_invented_characters_says_how_many_were_found(
    client: httpx.Client,
) -> None:
    """In words and on the preview, which shows no character of the set."""
    finds = {"model": "grey", "seed": 20260119, "found": 5}
    said = Faces(client.get("/s/real", params=finds).text).said
    assert said["refresh"] == "0; url=/#real/model=grey&seed=20260119&found=5"
    assert "I found 5 of 6. You?" in said["og:description"]
    plain = preview(client, "/s/preview.png?model=grey")
    assert preview(client, said["og:image"]) != plain
    drawn = preview(client, "/s/preview.png?model=characters")
    assert preview(client, "/s/preview.png?model=characters&found=5") != drawn
    assert client.get("/s/real", params={**finds, "found": 7}).status_code == 422


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("size", ["4096x1", "1x4096"])
def test_preview_of_a_long_field_takes_little_memory(
    redis_url: str, worker: HandWorker, size: str
) -> None:
    """Eight at once: enlarged by one side only, each would take gigabytes."""
    shape = {"height": 1, "width": 1, "field": True, "field_step": 1}
    worker.announce(GREY.model_copy(update=shape))
    with (
        process_serving(redis_url) as (process, url),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        asked = {"model": "grey", "size": size}
        job = client.post("/sample", json=asked).raise_for_status().json()["id"]
        worker.draw()
        query = {"model": "grey", "job": job}
        plain = client.get("/s/preview.png", params={"model": "grey"}).content
        with ThreadPoolExecutor(8) as threads:
            answers = threads.map(
                lambda _: client.get("/s/preview.png", params=query), range(8)
            )
            for answer in answers:
                with picture_of(answer) as picture:
                    assert picture.size == (1200, 630)
                assert answer.content != plain
        status = Path(f"/proc/{process.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    assert int(peak[1]) / 1024 < 200


def test_preview_of_a_key_holders_picture_is_kept_by_no_cache(
    redis_url: str, worker: HandWorker
) -> None:
    """Without keys everybody may see it, and messengers keep it for a day."""
    preview = "/s/preview.png"
    with speaking(settings(redis_url)) as client:
        job = submit_sample(client, headers=ALICE)["id"]
        worker.draw()
        query = {"model": "grey", "job": job}
        own = client.get(preview, params=query, headers=ALICE)
        foreign = client.get(preview, params=query, headers=BOB)
        assert own.content != foreign.content
        for answer in (own, foreign):
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store"


def test_nothing_in_a_link_becomes_part_of_the_page(client: httpx.Client) -> None:
    """A model's name is text, whatever it is."""
    evil = '"><script>alert(1)</script>'
    text = client.get("/s", params={**RECIPE, "model": evil}).text
    assert "<script" not in text
    assert evil in Faces(text).said["og:title"]
    assert re.search("%22%3E%3Cscript", text)


@pytest.mark.parametrize(
    "wrong",
    [{"seed": "x"}, {"seed": -1}, {"n": 10**6}, {"temperature": 0}, {"digest": "<"}],
)
def test_recipe_that_is_none_is_refused(
    client: httpx.Client, wrong: dict[str, Any]
) -> None:
    """By its own words, before anybody is led to the page."""
    assert client.get("/s", params={**RECIPE, **wrong}).status_code == 422


@pytest.mark.parametrize(("said", "query"), [(True, "&mirrored=true"), (False, "")])
def test_flag_is_written_as_the_page_reads_it(said: bool, query: str) -> None:
    """The page takes no other text than `true` for an option that is on."""
    trial: Any = create_model("Trial", __base__=Recipe, mirrored=(bool, False))
    found = trial(model="m", seed=0, mirrored=said).query
    assert found == f"model=m&seed=0&temperature=1.0&n=1&first=0{query}"
