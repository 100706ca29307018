"""Signatures of addresses that work without a key, until a time. Knows no HTTP."""

import base64
import hashlib
import hmac
import re
import time

from app.errors import BadLinkError, NoLinksError

_PURPOSE = "pixelrnn link 1"
"""Signed along, so that what another program signs with the same secret is no link of ours."""
_TIME = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)


class LinkSignatures:
    """All APIs of a service have the same secret, so that each knows what another has signed. None: no signatures."""

    def __init__(self, secret: str | None) -> None:
        self._secret = None if secret is None else secret.encode()

    def of(self, job_id: str, expires: int) -> str:
        """The signature of a job until a time, in seconds since 1970. Raises NoLinksError."""
        secret = self.expect_secret()
        text = f"{_PURPOSE}\n{job_id}\n{expires}".encode()
        digest = hmac.digest(secret, text, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def expect_secret(self) -> bytes:
        """The secret that signs addresses. Raises NoLinksError where there is none."""
        if self._secret is None:
            raise NoLinksError(
                "this server signs no addresses: set PIXELRNN_LINK_SECRET, the same for all its APIs"
            )
        return self._secret

    def check(self, job_id: str, expires: str, signature: str) -> None:
        """Check what an address says of itself. Raises BadLinkError if it was changed, has expired, or was signed with
        another secret."""
        if self._secret is None:
            raise BadLinkError("this server signs no addresses, and takes none")
        if not _TIME.fullmatch(expires):
            raise BadLinkError("expected an address as it was given: it was changed")
        if not hmac.compare_digest(
            self.of(job_id, int(expires)).encode(), signature.encode()
        ):
            raise BadLinkError(
                "expected an address as it was given: it was changed, or signed with another secret"
            )
        if time.time() >= int(expires):
            raise BadLinkError(
                "the address has expired; whoever has the job can ask for another"
            )
