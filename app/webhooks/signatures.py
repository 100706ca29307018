"""Signatures as of the Standard Webhooks specification, which receivers have libraries for."""

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)


def key_of(secret: str) -> bytes:
    """The key that a secret stands for. Raises ValueError, without repeating it."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise ValueError(
            'expected whsec_ and 24 to 64 bytes in base64: `echo "whsec_$(openssl rand -base64 32)"`'
        )
    return key


def signed(key: bytes, message_id: str, at: int, body: bytes) -> dict[str, str]:
    """Headers that say which message this is, when it is sent (seconds since 1970), and that both and the body are
    from whoever has the key. message_id: without a dot."""
    digest = hmac.digest(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256)
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }
