"""HEAD for every GET: the same headers, without a body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """ASGI middleware. The application behind it receives a GET. The response ends
    after its headers; the server then tells the application that the client has
    disconnected, so that a stream ends too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send(
                    {"type": "http.response.body", "body": b"", "more_body": False}
                )

        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send_head)
        finally:
            # The middleware outside needs the route for its metrics.
            scope["route"] = as_get.get("route")
