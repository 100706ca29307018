"""The service from Python: `Client`, and `AsyncClient` for asyncio. Needs httpx
(`pip install '.[client]'`).

    with Client("http://127.0.0.1:8000") as client:
        job = client.sample("mnist-diagonal-bilstm", n=4, seed=7)
        for row in job.rows():
            print(row.sample, row.y, row.pixels)
        job.save("digits.png", grid=True, scale=4)

Requests are repeated if the connection failed, or if the server asks to repeat them
later. Each POST carries an idempotency key of its own, so that a job is made once. A
stream that breaks continues after the last row that arrived.
"""

try:
    import httpx as _needed  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "pixelrnn.client needs httpx: pip install httpx",
        name="httpx",
    ) from error

try:
    import pixelrnn.client.documents
    import pixelrnn.client.synchronous  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error.name} is generated, and this checkout has not been built: run "
        "`make .venv/installed-all`, or `pip install unasync` and `python docs/tools/make_client.py`",
        name=error.name,
    ) from error

from pixelrnn.client import documents
from pixelrnn.client.asynchronous import AsyncClient, AsyncJob
from pixelrnn.client.errors import (
    AddressError,
    ApiError,
    ApiKeyError,
    CardError,
    JobEndedError,
    ServiceError,
    UnexpectedAnswerError,
    UnreachableError,
)
from pixelrnn.client.feed import Estimate, Row
from pixelrnn.client.synchronous import Client, Job

__all__ = [
    "AddressError",
    "ApiError",
    "ApiKeyError",
    "AsyncClient",
    "AsyncJob",
    "CardError",
    "Client",
    "Estimate",
    "Job",
    "JobEndedError",
    "Row",
    "ServiceError",
    "UnexpectedAnswerError",
    "UnreachableError",
    "documents",
]
