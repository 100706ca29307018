"""Requests whose address is signed: `?expires=...&signature=...`. Only reading a job's pictures and events may be."""

import re
from dataclasses import dataclass

from starlette.types import Scope

_SIGNABLE = re.compile(r"/jobs/([A-Za-z0-9_-]{1,64})/(?:image|events)")
_READING = ("GET", "HEAD")
_EXPIRES, _SIGNATURE = b"expires=", b"signature="


@dataclass(frozen=True)
class SignedRequest:
    """The claims of a signed address; none of them is checked here."""

    job_id: str
    expires: str
    signature: str


def take_signature(scope: Scope) -> SignedRequest | None:
    """Take the signature off the address: what is behind this neither needs it nor can tell it. None where there is
    none, or where none is taken."""
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
    """The value of a field; empty where it is not there just once."""
    values = [field.removeprefix(name) for field in fields if field.startswith(name)]
    return values[0].decode("latin-1") if len(values) == 1 else ""
