"""Spans of a request and of its job reach a collector, in the trace that the caller named."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from tests.house.processes import eventually
from tests.house.running import Up

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Collector:
    """Takes OTLP over HTTP. spans: by service, as they came."""

    def __init__(self) -> None:
        self.spans: dict[str, list[Any]] = {}
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for resource in ExportTraceServiceRequest.FromString(
                    body
                ).resource_spans:
                    service = next(
                        a.value.string_value
                        for a in resource.resource.attributes
                        if a.key == "service.name"
                    )
                    for scope in resource.scope_spans:
                        collector.spans.setdefault(service, []).extend(scope.spans)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not of interest."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def named(self, service: str, name: str) -> Any:
        return next(
            (span for span in self.spans.get(service, []) if span.name == name), None
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def test_request_and_job_are_spans_of_the_callers_trace(
    tmp_path: Path, models_dir: Path, collector: Collector
) -> None:
    """The job's is a part of the request's; both say what they were about, and the logs name the trace."""
    quick = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    up = Up(tmp_path / "data", models_dir, **quick)
    try:
        up.wait_until_ready()
        headers = {"traceparent": TRACEPARENT, "Prefer": "wait=30"}
        answer = httpx.post(
            f"{up.url}/sample",
            json={"model": "tiny-cnn", "n": 2},
            headers=headers,
            timeout=40,
        )
        assert answer.json()["status"] == "succeeded"
        assert answer.headers["server-timing"].startswith("app;dur=")
        assert eventually(
            lambda: collector.named("pixelrnn-worker", "sample tiny-cnn"), 20
        )
        assert eventually(lambda: collector.named("pixelrnn-api", "POST /sample"), 20)
    finally:
        up.stop()
    request = collector.named("pixelrnn-api", "POST /sample")
    job = collector.named("pixelrnn-worker", "sample tiny-cnn")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    assert (job.trace_id.hex(), job.parent_span_id) == (TRACE, request.span_id)
    assert job.start_time_unix_nano <= job.end_time_unix_nano <= time.time_ns()
    said = {attribute.key: attribute.value for attribute in job.attributes}
    assert said["pixelrnn.job_id"].string_value == answer.json()["id"]
    assert (
        said["pixelrnn.images"].int_value,
        said["pixelrnn.status"].string_value,
    ) == (2, "succeeded")
    logs = [
        (tmp_path / "data" / "logs" / f"{name}.log").read_text()
        for name in ("api", "worker-0")
    ]
    assert all(TRACE in log for log in logs)
