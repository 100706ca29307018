"""One span for each attempt at a job: from its opening to its last word, as part of the trace of its request."""

from worker.contract.jobs import JobSpec, JobStatus
from worker.contract.tracing import Span, Spans
from worker.orders.claims import Claim, Outcome


class JobSpans:
    """Spans of the jobs that are under way. Called from several threads."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._open: dict[str, tuple[JobSpec, Span]] = {}

    def begin(self, claim: Claim, spec: JobSpec) -> None:
        self._open[claim.token] = spec, self._spans.begin("CONSUMER", spec.traceparent)

    def end(self, claim: Claim, outcome: Outcome) -> None:
        """Nothing where nothing was begun."""
        if (begun := self._open.pop(claim.token, None)) is None:
            return
        spec, span = begun
        said = {
            "pixelrnn.job_id": spec.id,
            "pixelrnn.request_id": spec.request_id,
            "pixelrnn.model": spec.model,
            "pixelrnn.images": spec.n,
            "pixelrnn.attempt": claim.attempts,
            "pixelrnn.status": outcome.status.value if outcome.status else "lost",
        }
        span.end(
            f"{spec.kind} {spec.model}", said, failed=outcome.status is JobStatus.FAILED
        )
