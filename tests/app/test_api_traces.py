"""The trace that a caller names, where no spans are sent."""

import httpx
import pytest

from tests.app.hand_worker import HandWorker

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (TRACEPARENT, TRACEPARENT),
        (None, ""),
        ("00-" + 32 * "0" + "-b7ad6b7169203331-01", ""),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ""),
        ("nonsense", ""),
    ],
)
def test_job_carries_the_trace_that_its_request_named(
    client: httpx.Client, worker: HandWorker, sent: str | None, kept: str
) -> None:
    """As it was sent; what is no `traceparent` counts as none."""
    headers = {} if sent is None else {"traceparent": sent}
    assert (
        client.post("/sample", json={"model": "grey"}, headers=headers).status_code
        == 202
    )
    assert worker.take().traceparent == kept


def test_answers_say_how_long_they_took(client: httpx.Client) -> None:
    """Server-Timing, which browsers show."""
    name, _, milliseconds = (
        client.get("/healthz").headers["server-timing"].partition(";dur=")
    )
    assert name == "app"
    assert 0 <= float(milliseconds) < 20_000
