"""The path below which a proxy shows this service.

A request is answered with the prefix and without it, because some proxies remove it. It
is removed here, once, before anything decides by the path. All addresses that the
service writes begin with it.
"""

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """ASGI middleware that removes a prefix, such as /pixels, from the path."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        """prefix: begins with a slash and does not end with one; or empty."""
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix = self._prefix
        if prefix and scope["type"] == "http":
            if (
                scope["path"] == prefix
            ):  # the page's addresses are relative to the slash
                await RedirectResponse(f"{prefix}/")(scope, receive, send)
                return
            if scope["path"].startswith(f"{prefix}/"):
                raw = scope["raw_path"].removeprefix(prefix.encode())
                path = scope["path"].removeprefix(prefix)
                scope = {**scope, "path": path, "raw_path": raw}
        await self._app(scope, receive, send)
