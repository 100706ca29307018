"""No archive that a client uploads makes the API answer 500, swell, or keep a file.

FUZZ_ARCHIVES=10000 pytest tests/fuzz/test_archives.py    sends as many
"""

import itertools
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.archives import picture
from tests.fuzz.archives import archives
from tests.fuzz.uploads import (
    Request,
    complete,
    costly_requests,
    forget_peak,
    peak_mib,
    put_model,
    score,
    send_all,
    service,
    status_of,
    train,
)
from tests.house.processes import eventually
from tests.house.running import READY_LIMIT_S, Up

LIMIT_MIB = 300
"""Peak memory of one API process that no client may exceed."""
COUNT = int(os.environ.get("FUZZ_ARCHIVES", "200"))
AT_ONCE = 2
BUSY = "503"
"""Another upload has the place, or the room: to be sent again."""
IN_MAKE_TEST = 20
IN_WEEKLY = 200

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900 + COUNT)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def running(place: Path, models_dir: Path) -> Iterator[Up]:
    """A service in processes of its own: a forked API would begin with the memory of
    the tests."""
    with service(place, models_dir) as up:
        yield up


def requests(seed: int) -> Iterator[Request]:
    """Yield requests with hostile archives."""
    rng = random.Random(seed)
    sent = archives(seed)
    plain = picture(6, 5)
    while True:
        one, other = next(sent), next(sent)
        yield rng.choice(
            (
                train(one),
                train(one),
                train(one, other),
                train(one, crops="true", channels="3"),
                score(one),
                score(one, plain, other),
                complete(one, plain),
                complete(plain, one, fit="resize"),
                complete(one, other, fit="crop"),
                put_model(b'{"name": "x"}', one),
                put_model(one, other),
            )
        )


def left_behind(place: Path) -> list[str]:
    """Return the files of uploads that are still there."""
    added = place / "data" / "added"
    places = [added / "uploads", added / "models", place / "tmp"]
    return [
        f"{folder}/{name}"
        for each in places
        for folder, _, names in os.walk(each)  # unlike rglob, it survives a deletion
        for name in names
        if name != "lock"
    ]


def checked(running: Up, place: Path, sent: list[Request], at_once: int) -> str:
    """Send requests; assert that the API stayed small and kept nothing. Returns a
    summary as JSON."""
    api = running.children()["api"]
    forget_peak(api)
    answers = send_all(running.url, sent, at_once)
    peak = peak_mib(api)
    counts = Counter(map(status_of, answers))
    for answer in answers:
        if status_of(answer) == "202":
            job = answer.json()["id"]
            httpx.post(f"{running.url}/jobs/{job}/cancel", timeout=60)
    summary = json.dumps({"answers": counts, "peak_mib": round(peak)})
    print(summary)
    bad = [
        (request.path, answer)
        for request, answer in zip(sent, answers, strict=True)
        if not status_of(answer).startswith(("2", "4")) and status_of(answer) != BUSY
    ]
    assert not bad, bad[:3]
    assert peak < LIMIT_MIB
    assert eventually(lambda: not left_behind(place), READY_LIMIT_S), left_behind(place)
    assert running.children()["api"] == api
    assert httpx.get(f"{running.url}/healthz", timeout=60).status_code == 200
    return summary


def test_generated_archives_are_refused_or_read(running: Up, place: Path) -> None:
    """Of every method, nested, with odd names, wrong sizes and changed bytes."""
    sent = list(itertools.islice(requests(seed=56), COUNT))
    summary = checked(running, place, sent, AT_ONCE)
    answers = json.loads(summary)["answers"]
    assert {"400", "413", "422"} <= set(answers), answers


def mixed(count: int) -> list[Request]:
    """Return so many of the hostile uploads, all kinds mixed."""
    every = costly_requests()
    random.Random(count).shuffle(every)
    return list(itertools.islice(itertools.cycle(every), count))


def test_hostile_uploads_at_once_leave_the_api_small(running: Up, place: Path) -> None:
    """Of 8 owners, all kinds mixed."""
    checked(running, place, mixed(IN_MAKE_TEST), IN_MAKE_TEST)


@pytest.mark.weekly
def test_many_hostile_uploads_at_once_leave_the_api_small(
    running: Up, place: Path
) -> None:
    """Ten times as many."""
    began = time.monotonic()
    checked(running, place, mixed(IN_WEEKLY), IN_WEEKLY)
    print(f"{time.monotonic() - began:.0f} s")
