"""A server that asks for a key."""

import hashlib
import re
from typing import Any

import pytest

from app.settings import Settings
from tests.app.live import serving

KEY = "opensesame-opensesame-opensesame"


@pytest.fixture
def page(browser: Any, redis_url: str) -> Any:
    """The page of a server with keys, without a worker behind it."""
    settings = Settings.model_validate(
        {
            "redis_url": redis_url,
            "port": 0,
            "api_keys": f"ann:{hashlib.sha256(KEY.encode()).hexdigest()}",
        }
    )
    with serving(settings) as (url, _):
        context = browser.new_context(base_url=url)
        opened = context.new_page()
        opened.goto("/")
        yield opened
        context.close()


def test_key_is_asked_for_and_used(page: Any) -> None:
    """With the key the page sees the fleet; after a reload it still has it."""
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Use it").click()
    page.locator("#fleet", has_text="Starting").wait_for()
    page.reload()
    page.locator("#fleet", has_text="Starting").wait_for()
    assert page.get_by_role("dialog").count() == 0


def test_wrong_key_is_asked_for_again(page: Any) -> None:
    """It does not let anybody in, and the page says so by asking once more."""
    page.get_by_label("Key", exact=True).fill("something else")
    with page.expect_response(lambda answer: answer.status == 401):
        page.get_by_role("button", name="Use it").click()
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Use it").click()
    page.locator("#fleet", has_text="Starting").wait_for()


def test_declined_key_is_not_asked_for_again_until_something_is_drawn(
    page: Any,
) -> None:
    """The page says what is wrong, and stays quiet while it only looks."""
    page.get_by_role("button", name="Not now").click()
    page.locator("#fleet", has_text="Not connected").wait_for()
    page.wait_for_timeout(5500)
    assert page.get_by_role("dialog").count() == 0
    assert re.search("key", page.locator("#fleet").get_attribute("title"))
