"""GET /p/{model}/{name}.png: a picture that is an address."""

import hashlib
from typing import Annotated
from urllib.parse import parse_qsl, unquote_to_bytes

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.access.callers import Caller
from app.dependencies import CallerDep, Services, ServicesDep
from app.errors import BadParameterError, RefusedError
from app.routes.caching import IfNoneMatch, has_seen, has_whatever_is_there
from app.routes.known_query import KnownQueryRoute
from app.routes.picture_response import PngResponse
from app.routes.waiting import waited_for
from app.schema.answers import Model
from app.schema.openapi import refusals
from app.schema.preference_headers import Media
from app.services.addresses import IDENTITY_DIGITS, Address
from app.services.submission import JobRequest
from app.wire.middleware import FOR_EVER
from worker.contract.addresses import FORMATS, MAX_SCALE, AddressNameError, normalised
from worker.contract.jobs import MAX_TEMPERATURE, MIN_TEMPERATURE
from worker.contract.labels import AskedLabel
from worker.contract.size import PATTERN

router = APIRouter(route_class=KnownQueryRoute, tags=["draw"])

WAIT_S = 30.0
_SVG = "image/svg+xml"
_PLACEHOLDER = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">'
    '<rect width="1" height="1" fill="#ddd"/></svg>'
)
_FORM = f"/p/MODEL/NAME.png, or MODEL@ and {IDENTITY_DIGITS} digits of its identity"


class AddressQuery(BaseModel):
    """Query of an address."""

    scale: int = Field(
        default=1,
        ge=1,
        le=MAX_SCALE,
        description="Side of the square that each pixel becomes.",
    )
    label: AskedLabel | None = Field(
        default=None, description="The picture's label: its name or index."
    )
    size: str | None = Field(
        default=None,
        pattern=PATTERN,
        description="WIDTHxHEIGHT of a picture larger than the model's.",
    )
    temperature: float = Field(
        default=1.0, ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE, allow_inf_nan=False
    )
    named: bool = Field(default=False, description="Write the name into a PNG.")
    placeholder: bool = Field(
        default=False,
        description="Answer a grey SVG where the answer would be 503, since an `<img>` "
        "shows nothing of that.",
    )


@router.get(
    "/p/{model}/{file:path}",
    operation_id="get_addressed",
    response_class=PngResponse,
    responses={
        200: {"description": "The picture", "content": {Media.WEBP: {}, _SVG: {}}},
        302: {"description": "`Location` is the address that never changes"},
        304: {"description": "Unchanged"},
        **refusals(401, 404, 410, 422, 424, 503),
    },
)
async def get_addressed(
    model: str,
    file: str,
    query: Annotated[AddressQuery, Query()],
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The picture of a name: `file` is the name, percent-encoded, with `.png` or
    `.webp`. Its seed is the hash of the name.

    `/p/MODEL/NAME.png` leads to `/p/MODEL@IDENTITY/NAME.png`, whose pixels never
    change; 410 if they are not kept and no worker serves these weights any more. Every
    site may show these pictures, and no key is needed. Only the models that
    `PIXELRNN_ADDRESS_MODELS` names have addresses.
    """
    try:
        return await _answer(query, services, caller, request, if_none_match)
    except RefusedError as error:
        if not query.placeholder or error.problem.status != 503:
            raise
        headers = {"Cache-Control": "no-store"}
        return Response(_PLACEHOLDER, headers=headers, media_type=_SVG)


async def _answer(
    query: AddressQuery,
    services: Services,
    caller: Caller,
    request: Request,
    if_none_match: str | None,
) -> Response:
    """Return the picture if its canonical address was asked for, else a redirect."""
    addresses = services.addresses
    address, sent_name = _address(request, query)
    sent_query = parse_qsl(request.url.query, keep_blank_values=True)
    is_canonical = sent_name == address.name and sent_query == address.query
    only = address
    picture = await addresses.kept(address)
    if picture is None:
        only, model = await addresses.canonical(address, caller)
        is_canonical = is_canonical and only == address
        # A redirect is no placeholder: what it leads to has to be there.
        if is_canonical or (query.placeholder and await addresses.kept(only) is None):
            picture = await _drawn(only, model, services, request)
    if is_canonical and picture is not None:
        return _picture(picture, only, if_none_match)

    headers = {
        "Location": f"{services.settings.root_path}{only.path}",
        "Cache-Control": "public, max-age=300",
    }
    return Response(status_code=302, headers=headers)


def _address(request: Request, query: AddressQuery) -> tuple[Address, str]:
    """Return what a request asks for, and the name as it was sent. Raises
    BadParameterError if the path is no address."""
    # The decoded path does not tell %2F from a slash.
    parts = request.scope["raw_path"].split(b"/")
    try:
        version, file = (unquote_to_bytes(part).decode() for part in parts[2:])
    except ValueError:
        raise BadParameterError(
            f"name: expected {_FORM}, with UTF-8 percent-encoded"
        ) from None
    model, at, identity = version.partition("@")
    name, _, picture_format = file.rpartition(".")
    is_identity = len(identity) == IDENTITY_DIGITS and set(identity) <= set(
        "0123456789abcdef"
    )
    if picture_format not in FORMATS or (at and not is_identity):
        raise BadParameterError(f"name: expected {_FORM}, or .webp in place of .png")
    try:
        only = normalised(name)
    except AddressNameError as error:
        raise BadParameterError(str(error)) from None
    options = query.model_dump(exclude={"placeholder"})
    return Address(model, identity, only, picture_format, **options), name


async def _drawn(
    address: Address, model: Model, services: Services, request: Request
) -> bytes:
    """Draw a picture that is not kept, or wait for others who draw it. Raises
    NotDrawnYetError if that takes longer than WAIT_S."""
    state = request.scope["state"]
    sent = JobRequest(state["caller"], state["request_id"], state["traceparent"])
    account = sent.caller.account
    services.seats.expect_free(account)
    with services.seats.hold(account):
        job = await services.addresses.begin(address, model, sent)
    await waited_for(job, WAIT_S, services, request.receive, account)
    return await services.addresses.drawn(address)


def _picture(picture: bytes, address: Address, if_none_match: str | None) -> Response:
    tag = f'"{hashlib.sha256(picture).hexdigest()[:32]}"'
    headers = {"Cache-Control": FOR_EVER, "ETag": tag}
    if has_seen(if_none_match, tag) or has_whatever_is_there(if_none_match):
        return Response(status_code=304, headers=headers)
    media_type = f"image/{address.picture_format}"
    return Response(picture, headers=headers, media_type=media_type)
