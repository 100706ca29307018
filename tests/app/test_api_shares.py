"""No client keeps the others from what is scarce: see worker.contract.fairness."""

from contextlib import ExitStack

import httpx

from tests.app.answers import is_problem, metric
from tests.app.hand_worker import HandWorker, eventually
from tests.app.holders import ALICE, BOB, SAMPLE, settings
from tests.app.live import serving


def test_a_client_leaves_seats_for_the_others(
    redis_url: str, worker: HandWorker
) -> None:
    """Of four seats one client alone has two, the next one has one, and one is left for a
    newcomer; a reader that leaves makes room."""
    given = settings(redis_url, max_streams=4, metrics_open=True)
    with (
        serving(given) as (url, _),
        httpx.Client(base_url=url, timeout=60) as client,
        ExitStack() as readers,
    ):

        def submit(who: dict[str, str]) -> str:
            job = client.post("/sample", json=SAMPLE, headers=who).json()
            return job["links"]["events"]

        def read(link: str, who: dict[str, str]) -> httpx.Response:
            stream = client.stream("GET", link, headers=who)
            return readers.enter_context(stream)

        def is_refused(link: str, who: dict[str, str]) -> None:
            answer = read(link, who)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            answer.read()
            assert "this client has its share" in is_problem(answer, 503)["detail"]

        of_alice = submit(ALICE)
        of_bob = submit(BOB)
        streams = [read(of_alice, ALICE) for _ in range(2)]
        is_refused(of_alice, ALICE)
        is_refused(f"{of_alice.removesuffix('/events')}?wait=1", ALICE)
        streams.append(read(of_bob, BOB))
        is_refused(of_bob, BOB)
        assert [stream.status_code for stream in streams] == [200] * 3
        streams[0].close()
        eventually(lambda: metric(client, "pixelrnn_streams") == 2, seconds=60)
        assert read(of_alice, ALICE).status_code == 200
        is_refused(of_bob, BOB)
