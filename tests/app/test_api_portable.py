"""GET /models/{name}/portable, and the files to which it leads."""

import shutil
from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from tests.app.answers import is_problem
from tests.app.hand_worker import COLOUR, GREY, HandWorker
from tests.app.holders import ALICE, settings
from tests.app.live import serving, speaking

RELEASE = "0123456789abcdef"


@pytest.fixture
def laid_out(worker: HandWorker, client: httpx.Client, tmp_path: Path) -> Path:
    """A directory in which a worker has laid out `grey`, and not `colour`."""
    place = tmp_path / "portable"
    for name, content in (
        ("engine/index.js", "export {}"),
        ("engine/posterior/chain.js", "export {}"),
        (f"models/{client.get('/models/grey').json()['digest']}/portable.json", "{}"),
    ):
        file = place / RELEASE / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (place / "release").write_text(RELEASE)
    (place / "secret.txt").write_text("secret")
    return place


def test_cards_of_the_same_weights_have_addresses_of_their_own(
    redis_url: str, worker: HandWorker, laid_out: Path
) -> None:
    """Other labels, or other priors: what may be kept for ever is one model's, and the old one is not served as the
    new. What an earlier worker laid out lies where it names it."""
    renamed = GREY.model_copy(update={"identity": "e" * 64})
    with speaking(without_keys(redis_url, laid_out)) as client:
        before = client.get("/models/grey/portable").raise_for_status().json()
        assert (before["identity"], before["model"]) == (
            None,
            f"/portable/{RELEASE}/models/{GREY.digest}/",
        )
        worker.announce(renamed)
        is_problem(client.get("/models/grey/portable"), 404)
        place = laid_out / RELEASE / "models" / renamed.identity
        place.mkdir()
        (place / "portable.json").write_text("{}")
        after = client.get("/models/grey/portable").raise_for_status().json()
        assert (after["identity"], after["model"]) == (
            renamed.identity,
            f"/portable/{RELEASE}/models/{'e' * 64}/",
        )


def test_files_of_a_model_are_given_only_while_a_worker_serves_it(
    redis_url: str, worker: HandWorker, laid_out: Path, tmp_path: Path
) -> None:
    """Those of a deleted one are gone before workers have noticed; a model with the
    same weights keeps them. The engine's are always there."""
    mine = GREY.model_copy(update={"name": "mine", "job": "job"})
    private = GREY.model_copy(update={"name": "theirs", "owner": "alice"})
    added = tmp_path / "models" / "mine"
    added.mkdir(parents=True)
    (added / "card.json").write_text("{}")
    file = f"/portable/{RELEASE}/models/{GREY.digest}/portable.json"
    given = without_keys(redis_url, laid_out)
    given = given.model_copy(update={"added_dir": tmp_path, "fleet_age_s": 0})
    with speaking(given) as client:
        worker.announce(COLOUR, mine)
        assert client.get(file).status_code == 200
        shutil.rmtree(added)
        is_problem(client.get(file), 404)
        worker.announce(GREY, mine)
        assert client.get(file).status_code == 200
        worker.announce(COLOUR)
        is_problem(client.get(file), 404)
        worker.leave()
        is_problem(client.get(file), 503)
        assert client.get(f"/portable/{RELEASE}/engine/index.js").status_code == 200

    open_to_all = settings(redis_url, portable_dir=laid_out, portable_open=True)
    with serving(open_to_all) as (url, _):
        for card, status in ((private, 404), (GREY, 200)):
            worker.announce(COLOUR, card)
            assert httpx.get(f"{url}{file}", timeout=60).status_code == status


def without_keys(redis_url: str, folder: Path | None) -> Settings:
    return settings(redis_url, api_keys=(), portable_dir=folder)


def test_addresses_lead_to_files_that_may_be_kept(
    redis_url: str, laid_out: Path
) -> None:
    with speaking(without_keys(redis_url, laid_out)) as client:
        found = client.get("/models/grey/portable").raise_for_status().json()
        assert found["digest"] == client.get("/models/grey").json()["digest"]
        for name in ("index.js", "posterior/chain.js"):
            module = client.get(found["engine"] + name)
            assert (module.text, module.headers["content-type"]) == (
                "export {}",
                "text/javascript; charset=utf-8",
            )
            assert "wasm-unsafe-eval" in module.headers["content-security-policy"]
            assert "immutable" in module.headers["cache-control"]
        described = client.get(f"{found['model']}portable.json")
        assert described.json() == {}
        # `pixelrnn calibrate` changes it.
        assert described.headers["cache-control"] == "no-cache"
        is_problem(client.get("/models/colour/portable"), 404)
        is_problem(client.get("/models/nobody/portable"), 404)
        assert client.get("/models").json()["portable"] == ["grey"]


@pytest.mark.parametrize(
    "path",
    [
        "secret.txt",
        f"{RELEASE}/../secret.txt",
        f"{RELEASE}/engine/..%2f..%2fsecret.txt",
        f"{RELEASE}/engine/",
        f"{RELEASE}/engine/posterior/",
        "release",
    ],
)
def test_nothing_else_is_given(redis_url: str, laid_out: Path, path: str) -> None:
    with serving(without_keys(redis_url, laid_out)) as (url, _):
        assert httpx.get(f"{url}/portable/{path}", timeout=60).status_code == 404


def test_nothing_is_offered_where_the_operator_names_no_directory(
    redis_url: str, worker: HandWorker
) -> None:
    with serving(without_keys(redis_url, None)) as (url, _):
        is_problem(httpx.get(f"{url}/models/grey/portable", timeout=60), 404)


def test_keys_keep_weights_unless_they_are_for_everybody(
    redis_url: str, laid_out: Path
) -> None:
    """Files of an address are then open to who has no key: a Web Worker asks with none."""
    file = f"/portable/{RELEASE}/engine/index.js"
    for is_open, offered, given in ((False, 404, 404), (True, 200, 200)):
        kept = settings(redis_url, portable_dir=laid_out, portable_open=is_open)
        with speaking(kept) as client:
            assert client.get("/models/grey/portable").status_code == 401
            assert (
                client.get("/models/grey/portable", headers=ALICE).status_code
                == offered
            )
            assert client.get(file).status_code == given


def test_a_directory_that_is_not_filled_yet_is_none(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    with serving(without_keys(redis_url, tmp_path / "none")) as (url, _):
        is_problem(httpx.get(f"{url}/models/grey/portable", timeout=60), 404)
