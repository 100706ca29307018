"""Errors between here and the service."""

from pixelrnn.client import documents


class ServiceError(Exception):
    """Anything that this client raises on purpose."""


class AddressError(ServiceError, ValueError):
    """The address is none that a service can have."""

    def __init__(self, url: object) -> None:
        super().__init__(
            f"{url!r} is no address of a service: expected http://HOST:PORT"
        )


class UnexpectedAnswerError(ServiceError):
    """Something answered that does not speak as the service does: another server, or a proxy's page."""


class UnreachableError(ServiceError):
    """The service did not answer, however often it was tried."""


class ApiError(ServiceError):
    """The service refused: `status`, and its problem document (RFC 9457) in `problem`."""

    def __init__(self, status: int, problem: documents.Problem) -> None:
        self.status = status
        self.problem = problem
        super().__init__(f"{status}: {problem['detail'] or problem['title']}")


class JobEndedError(ServiceError):
    """The job failed or was canceled; `state` is its last state. by_you: it was canceled from here."""

    def __init__(self, state: documents.Job, by_you: bool = False) -> None:
        self.state = state
        error = state.get("error")
        reason = f": {error['detail']}" if error else " by you" if by_you else ""
        super().__init__(f"job {state['id']} {state['status']}{reason}")
