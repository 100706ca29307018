"""What happens around every request: its id, its caller, the headers of every response,
HEAD for every GET, and the log line and metrics at its end.

It runs outside the application, so that no byte of a body is read from a caller who is
not admitted.
"""

import re
import secrets
import time
from collections.abc import Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.gatekeeper import Gatekeeper
from app.access.origins import address_prefixes, is_preflight
from app.errors import RefusedError, StoppingError
from app.imaging.turns import set_account
from app.metrics import Metrics
from app.settings import Settings
from app.wire.cross_origin import FOR_ALL_ORIGINS, CrossOrigin
from app.wire.error_handlers import response_to, response_to_bug
from app.wire.stopping import Stopping
from worker.contract.tracing import Span, Spans, trace_id

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
FOR_EVER = "public, max-age=31536000, immutable"
"""`Cache-Control` of a file whose URL changes when its content does."""
_UNLOGGED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Routes without a log line, because probes request them all the time."""
_log = structlog.get_logger("pixelrnn.api")


class RequestMiddleware:
    """ASGI middleware. It stores `caller`, `request_id` and `traceparent` in the
    request's state."""

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
        self._addresses = address_prefixes(settings.address_models)
        self._metrics = metrics
        self._stopping = stopping
        self._has_access_log = settings.access_log
        self._spans = Spans("pixelrnn-api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = (
            FOR_ALL_ORIGINS
            if scope["path"].startswith(self._addresses)
            else self._cross_origin.headers(Headers(scope=scope).get("origin"))
        )
        exchange = _Exchange(scope, send, self._metrics, headers)
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        span = self._spans.begin("SERVER", Headers(scope=scope).get("traceparent", ""))
        scope["state"]["traceparent"] = span.traceparent
        if span.traceparent:
            structlog.contextvars.bind_contextvars(trace_id=trace_id(span.traceparent))
        try:
            caller = self._gatekeeper.admit(scope)
        except RefusedError as error:
            self._metrics.rejected(error.problem.slug)
            await response_to(error, scope["path"])(scope, receive, exchange.send)
        else:
            scope["state"]["caller"] = caller
            set_account(caller.account)
            await self._answer(scope, receive, exchange)
        finally:
            self._record(scope, exchange, span)

    async def _answer(
        self, scope: Scope, receive: Receive, exchange: "_Exchange"
    ) -> None:
        """Answer a preflight, or let the application answer."""
        headers = Headers(scope=scope)
        send = exchange.send
        path = scope["path"]
        if self._cross_origin and is_preflight(scope["method"], headers):
            await self._cross_origin.preflight(headers)(scope, receive, send)
            return
        try:
            async with self._stopping.in_time():
                if scope["method"] == "HEAD":
                    await self._answer_head(scope, receive, send)
                else:
                    await self._app(scope, receive, send)
        except TimeoutError:  # of in_time; the application answers its own timeouts
            if not exchange.has_begun:
                stopping = StoppingError(
                    "this server is stopping; ask again, another one may answer"
                )
                await response_to(stopping, path)(scope, receive, send)
        # Here and not in the application, so that this response has the headers of
        # every response too.
        except Exception as error:
            if exchange.has_begun:
                raise
            await response_to_bug(error, path)(scope, receive, send)

    async def _answer_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer a GET, and send only the headers of its response.

        The response ends after them; the server then tells the application that the
        client has disconnected, so that a stream ends too.
        """

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                end = {"type": "http.response.body", "body": b"", "more_body": False}
                await send(end)

        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send_head)
        finally:
            # The router stores the route in its own scope, and `_record` needs it.
            scope["route"] = as_get.get("route")

    def _record(self, scope: Scope, exchange: "_Exchange", span: Span) -> None:
        """End the request's span, count it in the metrics, and log it."""
        route = getattr(scope.get("route"), "path", "other")
        seconds = time.perf_counter() - exchange.started_at
        span.end(
            f"{scope['method']} {route}",
            {
                "http.request.method": scope["method"],
                "http.route": route,
                "http.response.status_code": exchange.status,
                "pixelrnn.request_id": exchange.request_id,
            },
            failed=exchange.status >= 500,
        )
        # The duration of a stream depends on the job and not on this server.
        duration = None if exchange.is_stream else seconds
        self._metrics.answered(scope["method"], route, exchange.status, duration)
        if self._has_access_log and route not in _UNLOGGED:
            _log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=exchange.status,
                ms=round(seconds * 1000, 1),
                client=getattr(scope["state"].get("caller"), "account", None),
            )


class _Exchange:
    """One request and its response."""

    def __init__(
        self, scope: Scope, send: Send, metrics: Metrics, headers: Mapping[str, str]
    ) -> None:
        """headers: those of the response, whatever it is."""
        # The client's own id, if it is short and safe to log.
        own_id = Headers(scope=scope).get("x-request-id", "")
        is_valid = _REQUEST_ID.fullmatch(own_id)
        self.request_id = own_id if is_valid else secrets.token_hex(8)
        self.status = 500
        self.is_stream = False
        self.has_begun = False
        self.started_at = time.perf_counter()
        self._send = send
        self._metrics = metrics
        self._headers = {**headers, "X-Content-Type-Options": "nosniff"}
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        """Send a message of the response, with the headers of every response."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            # Not for immutable files, of which the page requests sixty at once.
            if not headers.get("cache-control", "").startswith(FOR_EVER):
                milliseconds = 1000 * (time.perf_counter() - self.started_at)
                headers["X-Request-Id"] = self.request_id
                headers["Server-Timing"] = f"app;dur={milliseconds:.1f}"
            for name, value in self._headers.items():
                if name == "Vary":
                    headers.add_vary_header(value)
                else:
                    headers[name] = value
            self.is_stream = "content-length" not in headers and self.status == 200
        elif self.is_stream:
            self._metrics.streamed(len(message.get("body", b"")))
        await self._send(message)
