"""Trace spans of jobs: one for each attempt, from its opening to its end, as part of
the trace of its request."""

from worker.contract.jobs import JobSpec, JobStatus
from worker.contract.tracing import Span, Spans
from worker.orders.claims import Claim, Outcome


class JobSpans:
    """The spans of the running attempts of this worker. Several threads use it."""

    def __init__(self, spans: Spans) -> None:
        """spans: makes the spans."""
        self._spans = spans
        self._open: dict[str, tuple[JobSpec, Span]] = {}

    def begin(self, claim: Claim, spec: JobSpec) -> None:
        """Begin the span of an attempt, in the trace of the job's request."""
        self._open[claim.token] = spec, self._spans.begin("CONSUMER", spec.traceparent)

    def end(self, claim: Claim, outcome: Outcome) -> None:
        """End the span of an attempt with its outcome; do nothing if none was begun for
        the claim's token."""
        opened = self._open.pop(claim.token, None)
        if opened is None:
            return
        spec, span = opened
        attributes: dict[str, str | int | float] = {
            "pixelrnn.job_id": spec.id,
            "pixelrnn.request_id": spec.request_id,
            "pixelrnn.model": spec.model,
            "pixelrnn.images": spec.n,
            "pixelrnn.attempt": claim.attempts,
            "pixelrnn.status": outcome.status.value if outcome.status else "lost",
        }
        has_failed = outcome.status is JobStatus.FAILED
        span.end(f"{spec.kind} {spec.model}", attributes, failed=has_failed)
