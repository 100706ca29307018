"""Links with a face: a page whose picture is the drawing, for those who paste links, and the way to the playground."""

import io
import re
from html.parser import HTMLParser
from threading import Thread
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.queue_entry import queue_key
from tests.app.hand_worker import HandWorker, eventually
from tests.app.holders import settings
from tests.app.live import serving

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
            name = found.get("property") or found.get("http-equiv") or found.get("name") or ""
            self.said[name] = found.get("content") or ""


def _picture(answer: httpx.Response) -> np.ndarray:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"))


def test_link_has_the_drawing_for_a_face_and_leads_to_the_page(client: httpx.Client) -> None:
    """Every word of the recipe goes on to the page, which draws it again."""
    answer = client.get("/s", params=RECIPE)
    assert answer.status_code == 200
    assert "script-src" not in answer.headers["content-security-policy"]
    said = Faces(answer.text).said
    assert said["og:image"].startswith(str(client.base_url).rstrip("/") + "/s/card.png?")
    assert said["refresh"].startswith("0; url=/#sample?model=grey&seed=7&temperature=1.0&n=4&digest=aaa")
    assert "grey" in said["og:title"]


def test_nothing_in_a_link_becomes_part_of_the_page(client: httpx.Client) -> None:
    """A model's name is text, whatever it is."""
    evil = '"><script>alert(1)</script>'
    text = client.get("/s", params={**RECIPE, "model": evil}).text
    assert "<script" not in text
    assert evil in Faces(text).said["og:title"]
    assert re.search("%22%3E%3Cscript", text)


@pytest.mark.parametrize("wrong", [{"seed": "x"}, {"seed": -1}, {"n": 10**6}, {"temperature": 0}, {"digest": "<"}])
def test_recipe_that_is_none_is_refused(client: httpx.Client, wrong: dict[str, Any]) -> None:
    """Before anything is drawn."""
    for path in ("/s", "/s/card.png"):
        assert client.get(path, params={**RECIPE, **wrong}).status_code == 422


def test_picture_is_drawn_once_and_behind_all_other_work(client: httpx.Client, worker: HandWorker) -> None:
    """One image, in bulk; whoever asks again has the same card, without a job."""
    cards: list[httpx.Response] = []
    asking = Thread(target=lambda: cards.append(client.get("/s/card.png", params=RECIPE)))
    asking.start()
    assert eventually(lambda: worker.redis.llen(queue_key(worker.queue)) == 1)
    spec = worker.draw()
    asking.join()
    assert (spec.n, spec.seed, spec.priority) == (1, 7, "bulk")
    card = _picture(cards[0])
    assert card.shape == (630, 1200)
    drawn = card[105:630:140, 460:810:140]  # the middle of each of 4 x 3 pixels, 140 wide
    assert drawn.tolist() == [[10 * y + x for x in range(3)] for y in range(4)]
    again = client.get("/s/card.png", params={**RECIPE, "n": 2})
    assert again.content == cards[0].content
    assert "max-age" in again.headers["cache-control"]


def test_plain_card_stands_in_where_nothing_can_be_drawn(client: httpx.Client, worker: HandWorker) -> None:
    """No such model, or no worker: a picture all the same, which nobody keeps."""
    plain = client.get("/s/card.png", params={**RECIPE, "model": "other"})
    assert _picture(plain).shape == (630, 1200)
    assert plain.headers["cache-control"] == "no-store"
    worker.leave()
    assert client.get("/s/card.png", params=RECIPE).content == plain.content


def test_server_that_stops_draws_no_card(redis_url: str, worker: HandWorker) -> None:
    """The plain one is there, and the store is not asked for the job again and again meanwhile."""
    with serving(settings(redis_url, api_keys=())) as (url, server), httpx.Client(base_url=url, timeout=60) as client:
        app: Any = server.config.app
        app.state.services.row_reader.stop()
        before = worker.redis.info("stats")["total_commands_processed"]
        assert _picture(client.get("/s/card.png", params=RECIPE)).shape == (630, 1200)
        assert worker.redis.info("stats")["total_commands_processed"] - before < 1000


def test_page_of_another_site_has_nothing_drawn(client: httpx.Client, worker: HandWorker) -> None:
    """It gets the plain card, and no job is made; where the link is pasted, browsers and crawlers say nothing of it."""
    foreign = client.get("/s/card.png", params=RECIPE, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.content == client.get("/s/card.png", params={**RECIPE, "model": "other"}).content
    assert client.get("/jobs").json()["jobs"] == []
