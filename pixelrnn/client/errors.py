"""What can go wrong between here and the service."""

from pixelrnn.client import documents


class ServiceError(Exception):
    """Anything that this client raises on purpose."""


class UnreachableError(ServiceError):
    """The service did not answer, however often it was tried."""


class ApiError(ServiceError):
    """The service refused: `status`, and its problem document (RFC 9457) in `problem`."""

    def __init__(self, status: int, problem: documents.Problem) -> None:
        self.status = status
        self.problem = problem
        super().__init__(f"{status}: {problem['detail'] or problem['title']}")


class JobEndedError(ServiceError):
    """The job failed or was canceled; `state` is its last state."""

    def __init__(self, state: documents.Job) -> None:
        self.state = state
        error = state.get("error")
        reason = error["detail"] if error else "no reason given"
        super().__init__(f"job {state['id']} {state['status']}: {reason}")
