"""What tests expect of answers, and read from them."""

import io
from collections.abc import Mapping
from typing import Any

import httpx
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families


def is_problem(answer: httpx.Response, status: int) -> dict:
    """The body, which is a problem of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (
        {"type", "title", "status", "detail"}
        <= set(body)
        <= {"type", "title", "status", "detail", "errors"}
    )
    assert body["status"] == status
    assert body["type"].startswith("urn:pixelrnn:problem:")
    return body


def picture_of(answer: httpx.Response) -> Image.Image:
    return Image.open(io.BytesIO(answer.content))


def submit_sample(
    client: httpx.Client,
    model: str = "grey",
    headers: Mapping[str, str] | None = None,
    **fields: object,
) -> Any:
    """The job that POST /sample answers with."""
    answer = client.post("/sample", json={"model": model, **fields}, headers=headers)
    return answer.raise_for_status().json()


def metric(client: httpx.Client, name: str, **labels: str) -> float:
    """What /metrics counts under this name and these labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [
        sample
        for family in families
        for sample in family.samples
        if sample.name == name
    ]
    return sum(
        sample.value for sample in samples if labels.items() <= sample.labels.items()
    )
