"""What can go wrong between here and the service."""

from typing import Any

from pixelrnn.client import documents


class ServiceError(Exception):
    """Anything that this client raises on purpose."""


class UnreachableError(ServiceError):
    """The service did not answer, however often it was tried."""


class ApiError(ServiceError):
    """The service refused: `status`, and its problem document (RFC 9457) in `problem`."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        parts = [str(problem.get("detail") or problem.get("title") or "")]
        parts += [f"{error.get('pointer', '')}: {error.get('detail', '')}" for error in problem.get("errors") or []]
        super().__init__(f"{status}: {'; '.join(parts)}")


class JobEndedError(ServiceError):
    """The job failed or was canceled; `state` is its last state."""

    def __init__(self, state: documents.Job) -> None:
        self.state = state
        error = state.get("error")
        reason = error["detail"] if error else "no reason given"
        super().__init__(f"job {state['id']} {state['status']}: {reason}")
