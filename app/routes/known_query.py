"""Routes that take no query parameters but those that they declare: a misspelt one would otherwise pass unnoticed."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel


class KnownQueryRoute(APIRoute):
    """Refuses with 422, as an unknown field of a body is refused."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = self.get_checked_handler()
        known = frozenset(_names(self.dependant))

        async def checked(request: Request) -> Response:
            if request.scope["query_string"] and not self.takes_further_words(request):
                _expect(known, request.scope["query_string"])
            return await handle(request)

        return checked

    def takes_further_words(self, request: Request) -> bool:
        """True if it is not for this route to say which parameters there may be."""
        return False

    def get_checked_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of a request whose query is known."""
        return super().get_route_handler()


def _names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (each.alias or name for name, each in kind.model_fields.items())
        else:
            yield field.alias
    for further in dependant.dependencies:
        yield from _names(further)


def _expect(known: frozenset[str], query: bytes) -> None:
    sent = dict.fromkeys(
        name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    )
    unknown = [name for name in sent if name not in known]
    if unknown:
        told = (
            f"expected one of {', '.join(sorted(known))}"
            if known
            else "this call takes no query parameters"
        )
        raise RequestValidationError(
            [
                {
                    "type": "extra_forbidden",
                    "loc": ("query", name),
                    "msg": told,
                    "input": None,
                }
                for name in unknown
            ]
        )
