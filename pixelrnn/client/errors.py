"""Errors of the client.

ServiceError
  AddressError            the URL cannot be that of a service
  ApiKeyError             no header can have this key
  CardError               a file is not the card of a model
  UnreachableError        no response after all tries
  UnexpectedAnswerError   a response that is not the service's
  ApiError                the service refused the request
  JobEndedError           the job failed or was cancelled
"""

from pathlib import Path

from pixelrnn.client import documents


class ServiceError(Exception):
    """Base class of all errors of the client."""


class AddressError(ServiceError, ValueError):
    """The URL cannot be that of a service."""

    def __init__(self, url: object) -> None:
        """url: what was given as an address; the message repeats it."""
        super().__init__(
            f"{url!r} is no address of a service: expected http://HOST:PORT"
        )


class ApiKeyError(ServiceError, ValueError):
    """The API key has a character that no header can have."""

    def __init__(self) -> None:
        """The message does not repeat the key, because messages end up in logs."""
        super().__init__(
            "the API key contains a line feed, or another control character: expected "
            "the key alone, as `pixelrnn key NAME` prints it in its first line"
        )


class CardError(ServiceError, ValueError):
    """A file is not the card of a model, so that the model cannot be sent."""

    def __init__(self, path: Path) -> None:
        """path: of the file; the message repeats it."""
        super().__init__(
            f"{path} is not the card of a model: expected a JSON object with its "
            "`name` and, of a mixture, the `weights` of its `members`, which are "
            "names of files beside the card"
        )


class UnexpectedAnswerError(ServiceError):
    """The response does not have the service's format: it may be from another server or
    a proxy."""


class UnreachableError(ServiceError):
    """The service did not respond, after all tries."""


class ApiError(ServiceError):
    """The service refused the request.

    status: the HTTP status.
    problem: its problem document (RFC 9457); its `detail`, or else its `title`, is the
        message.
    """

    def __init__(self, status: int, problem: documents.Problem) -> None:
        self.status = status
        self.problem = problem
        super().__init__(f"{status}: {problem['detail'] or problem['title']}")


class JobEndedError(ServiceError):
    """The job failed or was cancelled.

    state: its last state.
    """

    def __init__(self, state: documents.Job, by_you: bool = False) -> None:
        """state: the job's last state; the message gives the job's id and status, and
        the job's error if it has one.
        by_you: True if this client cancelled it; the message says so if there is no
            error."""
        self.state = state
        error = state.get("error")
        reason = ""
        if error:
            reason = f": {error['detail']}"
        elif by_you:
            reason = " by you"
        super().__init__(f"job {state['id']} {state['status']}{reason}")
