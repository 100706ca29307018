"""Signatures of the Standard Webhooks specification, for which receivers have
libraries."""

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)
"""Allowed lengths of a key, in bytes."""


def key_of(secret: str) -> bytes:
    """Return the key that a secret (`whsec_` and base64) stands for. Raise ValueError,
    whose message does not contain the secret, if it is malformed."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise ValueError(
            "expected whsec_ and 24 to 64 bytes in base64: "
            '`echo "whsec_$(openssl rand -base64 32)"`'
        )
    return key


def signature_headers(
    key: bytes, message_id: str, at: int, body: bytes
) -> dict[str, str]:
    """Return the headers with a message's id, the time at which it is sent, and the
    signature of both and of the body.

    message_id: without a dot.
    at: in seconds since 1970.
    """
    digest = hmac.digest(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256)
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }
