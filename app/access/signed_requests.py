"""Requests with a signed URL: `?expires=...&signature=...`. Only two paths of a job can
be signed, and only for reading: its picture and its events."""

import re
from dataclasses import dataclass

from starlette.types import Scope

_SIGNABLE = re.compile(r"/jobs/([A-Za-z0-9_-]{1,64})/(?:image|events)")
_READING = ("GET", "HEAD")
_EXPIRES = b"expires="
_SIGNATURE = b"signature="


@dataclass(frozen=True)
class SignedRequest:
    """What a signed URL claims, before `LinkSignatures.check` has verified it.

    job_id: from the path.
    expires, signature: as they are in the query; empty if the field is missing or
        occurs more than once.
    """

    job_id: str
    expires: str
    signature: str


def take_signature(scope: Scope) -> SignedRequest | None:
    """Return what a signed URL claims, and remove `expires` and `signature` from the
    `query_string` of `scope`, so that later code cannot leak them.

    Nothing is verified here. Return None, and leave the scope as it is, if the query
    has neither field, or if the path or the method cannot be signed: only GET and HEAD
    of a job's image and events can.

    scope: ASGI scope of an HTTP request.
    """
    path = _SIGNABLE.fullmatch(scope["path"])
    if path is None or scope["method"] not in _READING:
        return None
    fields = scope["query_string"].split(b"&")
    signing = [field for field in fields if field.startswith((_EXPIRES, _SIGNATURE))]
    if not signing:
        return None
    scope["query_string"] = b"&".join(field for field in fields if field not in signing)
    return SignedRequest(path[1], _only(signing, _EXPIRES), _only(signing, _SIGNATURE))


def _only(fields: list[bytes], name: bytes) -> str:
    """Return the value of a field; empty unless it occurs exactly once."""
    values = [field.removeprefix(name) for field in fields if field.startswith(name)]
    return values[0].decode("latin-1") if len(values) == 1 else ""
