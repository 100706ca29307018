"""Around every request: its id, who sends it, the headers of every answer, and what is noted when it is over.

It stands outside the application, so that not one byte of a body is read from somebody who is not let in.
"""

import re
import secrets
import time
from collections.abc import Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.gatekeeper import Gatekeeper
from app.access.origins import is_preflight
from app.errors import RefusedError, StoppingError
from app.metrics import Metrics
from app.settings import Settings
from app.wire.cross_origin import CrossOrigin
from app.wire.error_handlers import response_to, response_to_bug
from app.wire.stopping import Stopping
from worker.contract.tracing import Span, Spans, trace_id

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
FOR_EVER = "public, max-age=31536000, immutable"
"""`Cache-Control` of a file whose address changes when it does."""
_UNNOTED = frozenset({"/healthz", "/readyz", "/metrics"})
_log = structlog.get_logger("pixelrnn.api")


class RequestMiddleware:
    """ASGI middleware. Leaves `caller` and `request_id` in the request's state."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        gatekeeper: Gatekeeper,
        metrics: Metrics,
        stopping: Stopping,
    ) -> None:
        self._app = app
        self._gatekeeper = gatekeeper
        self._cross_origin = CrossOrigin(settings.origins)
        self._metrics = metrics
        self._stopping = stopping
        self._noted = settings.access_log
        self._spans = Spans("pixelrnn-api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = self._cross_origin.headers(Headers(scope=scope).get("origin"))
        visit = _Visit(scope, send, self._metrics, headers)
        structlog.contextvars.bind_contextvars(request_id=visit.request_id)
        span = self._spans.begin("SERVER", Headers(scope=scope).get("traceparent", ""))
        scope["state"]["traceparent"] = span.traceparent
        if span.traceparent:
            structlog.contextvars.bind_contextvars(trace_id=trace_id(span.traceparent))
        try:
            scope["state"]["caller"] = self._gatekeeper.admit(scope)
        except RefusedError as error:
            self._metrics.rejected(error.problem.slug)
            await response_to(error, scope["path"])(scope, receive, visit.send)
        else:
            await self._answer(scope, receive, visit)
        finally:
            self._note(scope, visit, span)

    async def _answer(self, scope: Scope, receive: Receive, visit: "_Visit") -> None:
        headers = Headers(scope=scope)
        if self._cross_origin and is_preflight(scope["method"], headers):
            await self._cross_origin.preflight(headers)(scope, receive, visit.send)
            return
        try:
            async with self._stopping.in_time():
                await self._app(scope, receive, visit.send)
        except TimeoutError:  # the application answers its own
            if not visit.has_begun:
                stopping = StoppingError(
                    "this server is stopping; ask again, another one may answer"
                )
                await response_to(stopping, scope["path"])(scope, receive, visit.send)
        except Exception as error:  # here and not outside, because every answer gets the headers of all
            if visit.has_begun:
                raise
            await response_to_bug(error, scope["path"])(scope, receive, visit.send)

    def _note(self, scope: Scope, visit: "_Visit", span: Span) -> None:
        route = getattr(scope.get("route"), "path", "other")
        seconds = time.perf_counter() - visit.begun
        span.end(
            f"{scope['method']} {route}",
            {
                "http.request.method": scope["method"],
                "http.route": route,
                "http.response.status_code": visit.status,
                "pixelrnn.request_id": visit.request_id,
            },
            failed=visit.status >= 500,
        )
        self._metrics.answered(
            scope["method"], route, visit.status, None if visit.is_stream else seconds
        )
        if self._noted and route not in _UNNOTED:
            _log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=visit.status,
                ms=round(seconds * 1000, 1),
                client=getattr(scope["state"].get("caller"), "account", None),
            )


class _Visit:
    """One request on its way through."""

    def __init__(
        self, scope: Scope, send: Send, metrics: Metrics, headers: Mapping[str, str]
    ) -> None:
        """headers: of the answer, whatever it is."""
        given = Headers(scope=scope).get("x-request-id", "")
        self.request_id = (
            given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        )
        self.status = 500
        self.is_stream = False
        self.has_begun = False
        self.begun = time.perf_counter()
        self._send = send
        self._metrics = metrics
        self._headers = {**headers, "X-Content-Type-Options": "nosniff"}
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            if not headers.get("cache-control", "").startswith(
                FOR_EVER
            ):  # a first view asks for sixty such files
                headers["X-Request-Id"] = self.request_id
                headers["Server-Timing"] = (
                    f"app;dur={1000 * (time.perf_counter() - self.begun):.1f}"
                )
            for name, value in self._headers.items():
                if name == "Vary":
                    headers.add_vary_header(value)
                else:
                    headers[name] = value
            self.is_stream = "content-length" not in headers and self.status == 200
        elif self.is_stream:
            self._metrics.streamed(len(message.get("body", b"")))
        await self._send(message)
