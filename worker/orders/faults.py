"""The errors with which a job ends without its images, as clients read them.

Each function returns a JobError with its own `type`; the argument becomes part of the
detail.
"""

from worker.contract.jobs import JobError


class JobRefusedError(Exception):
    """This worker cannot do the job, and no retry would change that. `error` is what
    the client sees."""

    def __init__(self, error: JobError) -> None:
        """error: the client's error; its detail is also the exception's message."""
        super().__init__(error.detail)
        self.error = error


def _fault(word: str, title: str, detail: str) -> JobError:
    return JobError(type=word, title=title, detail=detail)


def _failed(word: str, title: str, cause: BaseException) -> JobError:
    return _fault(word, title, f"{cause.__class__.__name__}: {str(cause)[:300]}")


def malformed_spec(detail: str) -> JobError:
    """Return the error of a job whose description or stored input is invalid. detail: a
    sentence."""
    return _fault("malformed-spec", "The job's description cannot be read", detail)


def malformed_entry(detail: str) -> JobError:
    """Return the error of a job whose queue entry is invalid. detail: a sentence."""
    return _fault("malformed-entry", "The queue entry cannot be read", detail)


def function_refused(name: object) -> JobError:
    """Return the error of a job whose queue entry names another function than the
    worker's."""
    detail = (
        f"The queue entry asks for {str(name)[:100]!r}, which this worker does not run."
    )
    return _fault("function-refused", "A worker runs one function only", detail)


def model_changed(name: str) -> JobError:
    """Return the error of a job whose model the worker no longer holds. name: the
    model's."""
    detail = (
        f"The weights or labels of {name!r} are not those the job was accepted for. "
        "Submit it again."
    )
    return _fault("model-changed", "The model has changed", detail)


def shape_mismatch(name: str, expected: str, got: str) -> JobError:
    """Return the error of a job whose size is not that of the model. expected, got:
    sizes as text."""
    detail = (
        f"{name!r} draws (channels, height, width) = {expected}; the job says {got}."
    )
    return _fault("malformed-spec", "The job's shape is not the model's", detail)


def kind_refused(name: str, can: list[str]) -> JobError:
    """Return the error of a job of a kind that the model does not do. can: kinds that
    it does."""
    return _fault(
        "malformed-spec",
        "The model does not do this kind of work",
        f"{name!r} can: {', '.join(can)}.",
    )


def method_refused(name: str, methods: list[str], max_particles: int) -> JobError:
    """Return the error of a completion by a method, or with more particles, than the
    model offers. methods: those that it offers. max_particles: 0 if it offers none by
    particles."""
    by_particles = f", by at most {max_particles} particles" if max_particles else ""
    detail = f"{name!r} completes by: {', '.join(methods)}{by_particles}."
    return _fault("malformed-spec", "The model does not complete like this", detail)


def impossible_picture(cause: BaseException) -> JobError:
    """Return the error of a job whose given pixels have probability 0, so that nothing
    can be drawn."""
    title = "The model gives the given pixels no probability"
    return _fault(
        "impossible-picture", title, f"There is nothing to draw from: {cause}."
    )


def not_verifiable(cause: BaseException) -> JobError:
    """Return the error of a verification that is not possible on this worker."""
    return _fault("not-verifiable", "The picture cannot be verified here", f"{cause}.")


def not_encodable(why: str) -> JobError:
    """Return the error of pictures that cannot be encoded. why: a sentence without its
    full stop."""
    return _fault("not-encodable", "The pictures cannot be encoded", f"{why}.")


def not_decodable(cause: BaseException) -> JobError:
    """Return the error of a file that cannot be decoded. The cause's message becomes
    the detail."""
    return _fault("not-decodable", "The file cannot be decoded", f"{cause}.")


def coding_failed(cause: BaseException) -> JobError:
    """Return the error of an unexpected failure while encoding or decoding."""
    return _failed(
        "coding-failed", "The model failed while it encoded or decoded", cause
    )


def scoring_failed(cause: BaseException) -> JobError:
    """Return the error of an unexpected failure while scoring."""
    return _failed(
        "scoring-failed", "The model failed while it scored the picture", cause
    )


def drawing_failed(cause: BaseException) -> JobError:
    """Return the error of an unexpected failure while drawing."""
    return _failed("drawing-failed", "The model failed while it was drawing", cause)


def training_failed(why: str) -> JobError:
    """Return the error of a training that ended without a model. why: a sentence."""
    return _fault("training-failed", "The training has made no model", why)


def training_died(deaths: int, how: str) -> JobError:
    """Return the error of a training whose process ended `deaths` times.

    how: the last end, such as "signal 9".
    """
    detail = (
        f"Its process was started {deaths} times and ended each time before it was "
        f"done (the last time with {how}). The pictures may need more memory than "
        "the server has: try fewer or smaller ones."
    )
    return training_failed(detail)


def not_served(why: str) -> JobError:
    """Return the error of a job whose model was refused by its workers. why: the
    reason."""
    return _fault("not-served", "The model is not served", why)


def worker_lost() -> JobError:
    """Return the error of a job whose workers died as often as CRASHES_FORGIVEN
    allows."""
    detail = "The job was started as often as it may be, and its worker died each time."
    return _fault("worker-lost", "The workers that drew this job died", detail)


def rows_lost() -> JobError:
    """Return the error of a job whose confirmed rows were lost again in each
    attempt."""
    detail = (
        "The store forgot rows that it had confirmed, each time that the job was drawn."
    )
    return _fault("rows-lost", "Rows of this job were lost", detail)
