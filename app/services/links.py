"""Addresses of a job that work without a key, for a while."""

import time
from datetime import UTC, datetime

from app.access.link_signatures import LinkSignatures
from app.schema.answers import SignedLinks
from app.services.jobs import Jobs


class SigningLinks:
    """Makes signed addresses of jobs."""

    def __init__(self, signatures: LinkSignatures, jobs: Jobs, root_path: str) -> None:
        """signatures: signs them.
        jobs: finds the job.
        root_path: precedes every path, and is not signed."""
        self._signatures = signatures
        self._jobs = jobs
        self._root_path = root_path

    def expect_any(self) -> None:
        """Raise NoLinksError if this server has no secret with which to sign."""
        self._signatures.expect_secret()

    async def of(self, job_id: str, owner: str, seconds: int) -> SignedLinks:
        """Return addresses of a job that work for `seconds` seconds. Raises
        NoLinksError without a secret, and RefusedError if there is no such job."""
        expires = int(time.time()) + seconds
        signed = f"expires={expires}&signature={self._signatures.sign(job_id, expires)}"
        record = await self._jobs.record(job_id, owner)
        job = f"{self._root_path}/jobs/{job_id}"
        image = f"{job}/image?{signed}"
        return SignedLinks(
            expires_at=datetime.fromtimestamp(expires, UTC),
            events=f"{job}/events?{signed}",
            image=image,
            images=[f"{image}&sample={sample}" for sample in range(record.spec.images)],
        )
