"""Signatures of URLs that work without a key until a given time. This file knows
nothing of HTTP; gatekeeper.py takes the signature off a URL."""

import base64
import hashlib
import hmac
import re
import time

from app.errors import BadLinkError, NoLinksError

_PURPOSE = "pixelrnn link 1"
"""Part of the signed text, so that no signature that another program makes with the
same secret is valid here."""
_TIME = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)


class LinkSignatures:
    """Makes and checks the signatures of URLs of jobs. All API processes of a service
    have the same secret, so that each can check the signatures of the others."""

    def __init__(self, secret: str | None) -> None:
        """secret: the operator's secret; None: `sign` raises NoLinksError, and `check`
        refuses every signature."""
        self._secret = None if secret is None else secret.encode()

    def sign(self, job_id: str, expires: int) -> str:
        """Return the signature of the URLs of a job that are valid until `expires`, in
        whole seconds since 1970: URL-safe base64 of an HMAC-SHA256.

        The job need not exist. Raises NoLinksError if there is no secret.
        """
        secret = self.expect_secret()
        text = f"{_PURPOSE}\n{job_id}\n{expires}".encode()
        digest = hmac.digest(secret, text, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def expect_secret(self) -> bytes:
        """Return the secret that signs URLs, as bytes. Raises NoLinksError if there is
        none."""
        if self._secret is None:
            raise NoLinksError(
                "this server signs no addresses: set PIXELRNN_LINK_SECRET, the same "
                "for all its APIs"
            )
        return self._secret

    def check(self, job_id: str, expires: str, signature: str) -> None:
        """Check the signature of a URL; return nothing if it is valid.

        job_id: from the URL's path.
        expires, signature: the values in its query; empty if it lacks them.

        Raises BadLinkError if one of the three was changed, if it was signed with
        another secret, if it has expired, or if there is no secret.
        """
        if self._secret is None:
            raise BadLinkError("this server signs no addresses, and takes none")
        if not _TIME.fullmatch(expires):
            raise BadLinkError("expected an address as it was given: it was changed")
        expected = self.sign(job_id, int(expires))
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise BadLinkError(
                "expected an address as it was given: it was changed, or signed with "
                "another secret"
            )
        # Last, so that only the holder of a true signature learns that it has expired.
        if time.time() >= int(expires):
            raise BadLinkError(
                "the address has expired; whoever has the job can ask for another"
            )
