"""A service that a proxy shows below a path, whether the proxy removes that path or not."""

import httpx
import pytest
from pydantic import ValidationError

from tests.app.hand_worker import HandWorker
from tests.app.holders import ALICE, settings
from tests.app.live import serving

ROOT = "/pixels"
SECRET = "s" * 32
PATHS = (
    "/", "/healthz", "/readyz", "/info", "/docs", "/docs/swagger-ui.css", "/openapi.json", "/metrics", "/models",
    "/models/grey", "/jobs", "/v1/models", "/portable/x", "/playground/js/main.js", "/s?model=grey&seed=1", "//metrics",
    f"{ROOT}/metrics", "/nothing",
)  # fmt: skip


def test_a_prefix_decides_nothing(redis_url: str, worker: HandWorker) -> None:
    """Keys, open paths, limits and refusals are the same below it, with and without a key. It is removed once."""
    with (
        serving(settings(redis_url, root_path=ROOT, metrics_open=True)) as (below, _),
        serving(settings(redis_url, metrics_open=True)) as (plain, _),
    ):
        for headers in ({}, ALICE):
            for path in PATHS:
                expected = httpx.get(plain + path, headers=headers).status_code
                found = httpx.get(f"{below}{ROOT}{path}", headers=headers)
                assert found.status_code == expected, path
                if not path.startswith(ROOT):
                    same = httpx.get(below + path, headers=headers)
                    assert same.status_code == expected, path
            assert httpx.get(f"{below}/{ROOT}/metrics", headers=headers).is_error
        large = {"Content-Type": "application/octet-stream", **ALICE}
        answer = httpx.post(
            f"{below}{ROOT}/decode", content=b"x" * (64 << 20), headers=large
        )
        assert answer.status_code == 413
        assert httpx.get(below + ROOT).headers["location"] == f"{ROOT}/"


def test_all_addresses_begin_with_the_prefix(
    redis_url: str, worker: HandWorker
) -> None:
    """Those of jobs, `Location`, signed links, shared pages, previews and openapi.json; each leads there."""
    wanted = settings(redis_url, root_path=ROOT, link_secret=SECRET)
    with (
        serving(wanted) as (url, _),
        httpx.Client(base_url=url, headers=ALICE) as client,
    ):
        made = client.post(f"{ROOT}/sample", json={"model": "grey"})
        worker.draw()
        job = client.get(made.headers["location"]).json()
        signed = client.post(f"{job['links']['self']}/links").json()
        for address in (
            *job["links"].values(),
            *job["result"]["images"],
            signed["image"],
        ):
            assert address.startswith(f"{ROOT}/jobs/")
            assert client.get(address).status_code == 200
        bare = signed["image"].removeprefix(ROOT)
        assert httpx.get(url + bare).status_code == 200  # a signature has no prefix
        page = client.get(f"{ROOT}/s?model=grey&seed=1").text
        assert f'content="{url}{ROOT}/s/preview.png?' in page
        assert f"url={ROOT}/#sample?" in page
        assert client.get("/openapi.json").json()["servers"][0]["url"] == ROOT


def test_a_prefix_is_a_path() -> None:
    """Anything else is refused at the start."""
    for wrong in (
        "pixels",
        "/",
        "//pixels",
        "/a b",
        "/pixels?x",
        "https://a.example/x",
    ):
        with pytest.raises(ValidationError, match="expected a path such as /pixels"):
            settings("redis://127.0.0.1", root_path=wrong)
    both = settings("redis://127.0.0.1", root_path=f"{ROOT}/", public_url="https://a.example/pixels/")  # fmt: skip
    assert (both.root_path, both.public_origin) == (ROOT, "https://a.example")
