"""Routes that reject query parameters which they do not declare, because a misspelt one
would otherwise have no effect."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel


class KnownQueryRoute(APIRoute):
    """A route that responds to an unknown query parameter with 422, as to an unknown
    field of a body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which refuses query parameters that the route does not
        have."""
        handle = self.get_checked_handler()
        known = frozenset(_names(self.dependant))

        async def checked(request: Request) -> Response:
            query = request.scope["query_string"]
            if query and not self.takes_other_parameters(request):
                _expect(known, query)
            return await handle(request)

        return checked

    def takes_other_parameters(self, request: Request) -> bool:
        """Return True if something else checks the parameters of this request."""
        return False

    def get_checked_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests whose query has been checked."""
        return super().get_route_handler()


def _names(dependant: Dependant) -> Iterator[str]:
    """Yield the names of the query parameters that a route and its dependencies
    take."""
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (each.alias or name for name, each in kind.model_fields.items())
        else:
            yield field.alias
    for further in dependant.dependencies:
        yield from _names(further)


def _expect(known: frozenset[str], query: bytes) -> None:
    """Raise RequestValidationError if a query has a parameter that is not known."""
    sent = dict.fromkeys(
        name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    )
    unknown = [name for name in sent if name not in known]
    if not unknown:
        return
    message = "this call takes no query parameters"
    if known:
        message = f"expected one of {', '.join(sorted(known))}"
    raise RequestValidationError(
        [
            {
                "type": "extra_forbidden",
                "loc": ("query", name),
                "msg": message,
                "input": None,
            }
            for name in unknown
        ]
    )
