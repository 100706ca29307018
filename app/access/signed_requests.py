"""Requests with a signed URL: `?expires=...&signature=...`. Only reading a job's
picture and events can be signed."""

import re
from dataclasses import dataclass

from starlette.types import Scope

_SIGNABLE = re.compile(r"/jobs/([A-Za-z0-9_-]{1,64})/(?:image|events)")
_READING = ("GET", "HEAD")
_EXPIRES = b"expires="
_SIGNATURE = b"signature="


@dataclass(frozen=True)
class SignedRequest:
    """The claims of a signed URL, unchecked: expires and signature as they are in the
    URL, and the job's id from its path."""

    job_id: str
    expires: str
    signature: str


def take_signature(scope: Scope) -> SignedRequest | None:
    """Remove `expires` and `signature` from the URL in `scope`, and return their values,
    which are not checked here. Later code cannot leak what it does not have.

    Return None, and leave the URL as it is, if there is no signature or if the path or
    method cannot be signed.
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
