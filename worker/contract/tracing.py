"""Spans of requests and of jobs, in the words of OpenTelemetry.

They are sent where OTEL_EXPORTER_OTLP_ENDPOINT says (OTLP over HTTP), by whoever has the packages:
`pip install '.[tracing]'` in the checkout. Everybody else hands on the trace that a caller names
(W3C Trace Context), and the logs name it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

_ENDPOINTS = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACEPARENT = re.compile(
    r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_EXPORT_S = 2.0
"""Patience with the receiver; a process that ends waits no longer for it."""

Attributes = Mapping[str, str | int | float]


def trace_id(traceparent: str) -> str:
    """Id of the trace that a `traceparent` header names; empty if it names none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return found[1] if found else ""


@dataclass(frozen=True)
class Span:
    """A piece of work under way. `traceparent` names it to whoever does a part of it; empty outside of any trace."""

    traceparent: str = ""
    span: Any = None
    """OpenTelemetry's own; None where nothing is sent."""

    def end(self, name: str, attributes: Attributes, failed: bool = False) -> None:
        """It is over, under this name."""
        if self.span is None:
            return
        from opentelemetry.trace import StatusCode

        self.span.update_name(name)
        self.span.set_attributes(attributes)
        if failed:
            self.span.set_status(StatusCode.ERROR)
        self.span.end()


class Spans:
    """service: what the spans say they are of, where OTEL_SERVICE_NAME does not."""

    def __init__(self, service: str) -> None:
        self._tracer = _tracer(service)

    def begin(self, kind: str, parent: str) -> Span:
        """kind: SERVER, CONSUMER, ... parent: a `traceparent`, or anything else for none."""
        if self._tracer is None:
            return Span(parent if trace_id(parent) else "")
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import (
            TraceContextTextMapPropagator,
        )

        context = TraceContextTextMapPropagator().extract({"traceparent": parent})
        span = self._tracer.start_span(
            kind.lower(), context, SpanKind[kind], start_time=time.time_ns()
        )
        ours = span.get_span_context()
        return Span(
            f"00-{ours.trace_id:032x}-{ours.span_id:016x}-{int(ours.trace_flags):02x}",
            span,
        )


def _tracer(service: str) -> Any:
    """None where nothing is sent."""
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        reason = (
            "an endpoint is set, and the packages are not there: pip install "
            "'.[tracing]' in the checkout, or the wheel's file in place of the dot"
        )
        structlog.get_logger("tracing").warning("traces_not_sent", reason=reason)
        return None
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_EXPORT_S)))
    return provider.get_tracer("pixelrnn")
