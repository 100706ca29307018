"""Spans of requests and jobs, with the names of OpenTelemetry.

They are sent to OTEL_EXPORTER_OTLP_ENDPOINT (OTLP over HTTP) if the packages are
installed: `pip install '.[tracing]'` in the checkout. Otherwise the trace that a caller
names (W3C Trace Context) is only passed on and logged.
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
"""Timeout of an export in seconds; a process that ends waits no longer for it."""

Attributes = Mapping[str, str | int | float]


def trace_id(traceparent: str) -> str:
    """Return the id of the trace in a `traceparent` header: 32 hexadecimal digits, or
    an empty string if the header is not valid."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return found[1] if found else ""


@dataclass(frozen=True)
class Span:
    """A piece of work that has begun; `Spans.begin` makes it.

    It may only pass on the caller's trace, without a span of its own.
    """

    traceparent: str = ""
    """Header with which a part of this work joins the trace; empty if there is no
    trace."""
    span: Any = None
    """OpenTelemetry's span; None if tracing is off."""

    def end(self, name: str, attributes: Attributes, failed: bool = False) -> None:
        """End the span with this name and these attributes, as an error if `failed`. Do
        nothing if tracing is off."""
        if self.span is None:
            return
        from opentelemetry.trace import StatusCode

        self.span.update_name(name)
        self.span.set_attributes(attributes)
        if failed:
            self.span.set_status(StatusCode.ERROR)
        self.span.end()


class Spans:
    """Makes the spans of one process, and sends them if an endpoint is configured."""

    def __init__(self, service: str) -> None:
        """service: name of the service in all spans, unless OTEL_SERVICE_NAME is
        set."""
        self._tracer = _tracer(service)

    def begin(self, kind: str, parent: str) -> Span:
        """Begin a span now and return it; end it with `Span.end`.

        kind: name of a member of OpenTelemetry's SpanKind, such as SERVER or CONSUMER.
        parent: a `traceparent` header; without a valid one a new trace begins. If
            tracing is off, the span only carries a valid parent.
        """
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
    """Return OpenTelemetry's tracer, or None if no endpoint is set or the packages are
    missing, which is logged."""
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
            "an endpoint is set, but the packages are missing: run pip install "
            "'.[tracing]' in the checkout, or with the wheel's file instead of the dot"
        )
        structlog.get_logger("tracing").warning("traces_not_sent", reason=reason)
        return None
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_EXPORT_S)))
    return provider.get_tracer("pixelrnn")
