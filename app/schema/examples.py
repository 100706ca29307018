"""Examples in the schema; a test checks that the models accept them."""

from typing import Any

SAMPLE: dict[str, Any] = {"model": "mnist-diagonal-bilstm", "n": 4, "seed": 7}

LINKS: dict[str, Any] = {"expires_in": 3600}

JOB: dict[str, Any] = {
    "id": "3q2-7wBhQkG1mZ0c9dXyTA",
    "kind": "sample",
    "status": "running",
    "model": "mnist-diagonal-bilstm",
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "identity": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "seed": 7,
    "label": None,
    "first": 0,
    "n": 4,
    "temperature": 1.0,
    "height": 28,
    "width": 28,
    "channels": 1,
    "palette": None,
    "small_height": 0,
    "small_width": 0,
    "size": None,
    "created_at": "2026-11-25T09:00:00.120000Z",
    "started_at": "2026-11-25T09:00:00.150000Z",
    "finished_at": None,
    "expires_at": None,
    "numerics": "cpu-compiled",
    "progress": 0.25,
    "rows_done": 28,
    "rows_total": 112,
    "position": None,
    "eta_s": 0.9,
    "waits_for": None,
    "error": None,
    "result": None,
    "links": {
        "self": "/jobs/3q2-7wBhQkG1mZ0c9dXyTA",
        "events": "/jobs/3q2-7wBhQkG1mZ0c9dXyTA/events",
        "image": "/jobs/3q2-7wBhQkG1mZ0c9dXyTA/image",
    },
    "webhook": None,
}

PROBLEM: dict[str, Any] = {
    "type": "urn:pixelrnn:problem:invalid-request",
    "title": "The request is not as expected",
    "status": 422,
    "detail": "#/n: expected a number less than or equal to 64",
    "errors": [
        {"pointer": "#/n", "detail": "expected a number less than or equal to 64"}
    ],
}

GONE: dict[str, Any] = {
    "type": "urn:pixelrnn:problem:expired-job",
    "title": "The job is no longer kept",
    "status": 410,
    "detail": "the job was deleted",
}
