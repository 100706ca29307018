"""Nothing that a client sends makes the API answer 5xx, hang, or swell.

FUZZ_REQUESTS=100000 pytest tests/fuzz -k hostile -s    as many as that, and a summary as one JSON line
"""

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.fuzz.hostile import requests
from tests.fuzz.volley import volley
from tests.house.running import ForkedUp, Up

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "1500"))
WARM_UP = max(500, REQUESTS // 20)
"""Sent before memory is looked at: pools and caches fill first."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400 + REQUESTS // 20)]
MIB = 2**20
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def patient(
    all_models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Up]:
    """The running service, with no limit on how much one client may ask for."""
    open_handed = {
        "PIXELRNN_CLIENT_RATE": "1000000",
        "PIXELRNN_CLIENT_JOBS": "1000000",
        "PIXELRNN_QUEUE_JOBS": "1000000",
    }
    with ForkedUp(
        tmp_path_factory.mktemp("data"),
        all_models_dir,
        PIXELRNN_LINK_SECRET=32 * "s",
        **open_handed,
    ) as running:
        yield running


def test_hostile_requests_are_answered_and_leave_nothing(patient: Up) -> None:
    """Spoilt bodies, headers, pictures, paths and HTTP: no 5xx, no hang, no descriptor kept, memory as before."""
    api = psutil.Process(patient.children()["api"])
    shots = requests(seed=1)
    asyncio.run(volley(patient.url, itertools.islice(shots, WARM_UP)))
    memory, descriptors = api.memory_info().rss, api.num_fds()
    counts, bad = asyncio.run(volley(patient.url, itertools.islice(shots, REQUESTS)))
    grown_mib, more_descriptors = (
        (api.memory_info().rss - memory) / MIB,
        api.num_fds() - descriptors,
    )
    summary = {
        "requests": REQUESTS,
        "answers": dict(sorted(counts.items())),
        "bad": len(bad),
    }
    print(
        json.dumps(
            {
                **summary,
                "grown_mib": round(grown_mib, 1),
                "more_descriptors": more_descriptors,
            }
        )
    )
    assert not bad, bad[:3]
    assert {200, 202, 400, 404, 413, 415, 422} <= set(counts), counts
    assert grown_mib < 30
    assert more_descriptors < 20


def test_every_answer_is_one_that_the_schema_declares(patient: Up) -> None:
    """schemathesis over all operations, in all its phases, the stateful one too."""
    command = [
        Path(sys.executable).with_name("schemathesis"),
        "--config-file",
        CONFIG,
        "run",
        f"{patient.url}/openapi.json",
    ]
    limits = [
        "--max-examples",
        "12",
        "--seed",
        "1",
        "--request-timeout",
        "40",
        "--no-color",
    ]
    done = subprocess.run(
        [*command, *limits], capture_output=True, text=True, check=False, timeout=380
    )
    print(done.stdout.rpartition(" SUMMARY ")[2])
    assert done.returncode == 0, done.stdout[-6000:]
