"""The errors with which a job ends without its images, as clients read them.

Each function returns a JobError with its own `type`; the argument becomes part of the
detail. A `cause` is the exception that was caught.
"""

from worker.contract.jobs import JobError


class JobRefusedError(Exception):
    """This worker cannot do the job, and no retry would change that. `error` is what
    the client sees."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.detail)
        self.error = error


def _fault(word: str, title: str, detail: str) -> JobError:
    return JobError(type=word, title=title, detail=detail)


def _failed(word: str, title: str, cause: BaseException) -> JobError:
    return _fault(word, title, f"{cause.__class__.__name__}: {str(cause)[:300]}")


def malformed_spec(detail: str) -> JobError:
    """Return the error for an invalid description or input.

    detail: a sentence.
    """
    return _fault("malformed-spec", "The job's description cannot be read", detail)


def malformed_entry(detail: str) -> JobError:
    """Return the error for an invalid queue entry.

    detail: a sentence.
    """
    return _fault("malformed-entry", "The queue entry cannot be read", detail)


def function_refused(name: object) -> JobError:
    """Return the error for a queue entry that names another function than ours.

    name: the entry's function.
    """
    detail = (
        f"The queue entry asks for {str(name)[:100]!r}, which this worker does not run."
    )
    return _fault("function-refused", "A worker runs one function only", detail)


def model_changed(name: str) -> JobError:
    """Return the error for a job whose model has other weights or labels now.

    name: the model's.
    """
    detail = (
        f"The weights or labels of {name!r} are not those the job was accepted for. "
        "Submit it again."
    )
    return _fault("model-changed", "The model has changed", detail)


def shape_mismatch(name: str, expected: str, got: str) -> JobError:
    """Return the error for a job of another size than the model.

    expected, got: as text.
    """
    detail = (
        f"{name!r} draws (channels, height, width) = {expected}; the job says {got}."
    )
    return _fault("malformed-spec", "The job's shape is not the model's", detail)


def kind_refused(name: str, can: list[str]) -> JobError:
    """Return the error for a kind of job that is not among `can`, those of the model."""
    return _fault(
        "malformed-spec",
        "The model does not do this kind of work",
        f"{name!r} can: {', '.join(can)}.",
    )


def method_refused(name: str, methods: list[str], max_particles: int) -> JobError:
    """Return the error for a method or number of particles that the model does not
    offer.

    methods: those that it offers.
    max_particles: 0 if it offers none.
    """
    by_particles = f", by at most {max_particles} particles" if max_particles else ""
    detail = f"{name!r} completes by: {', '.join(methods)}{by_particles}."
    return _fault("malformed-spec", "The model does not complete like this", detail)


def impossible_picture(cause: BaseException) -> JobError:
    """Return the error for given pixels to which the model gives no probability."""
    title = "The model gives the given pixels no probability"
    return _fault(
        "impossible-picture", title, f"There is nothing to draw from: {cause}."
    )


def not_verifiable(cause: BaseException) -> JobError:
    """Return the error for a picture that cannot be verified."""
    return _fault("not-verifiable", "The picture cannot be verified here", f"{cause}.")


def not_encodable(why: str) -> JobError:
    """Return the error for pictures that cannot be encoded.

    why: a sentence without its full stop.
    """
    return _fault("not-encodable", "The pictures cannot be encoded", f"{why}.")


def not_decodable(cause: BaseException) -> JobError:
    """Return the error for a file that cannot be decoded."""
    return _fault("not-decodable", "The file cannot be decoded", f"{cause}.")


def coding_failed(cause: BaseException) -> JobError:
    """Return the error for an unexpected exception while pictures were encoded or
    decoded."""
    return _failed(
        "coding-failed", "The model failed while it encoded or decoded", cause
    )


def scoring_failed(cause: BaseException) -> JobError:
    """Return the error for an unexpected exception while a picture was scored."""
    return _failed(
        "scoring-failed", "The model failed while it scored the picture", cause
    )


def drawing_failed(cause: BaseException) -> JobError:
    """Return the error for an unexpected exception while images were drawn."""
    return _failed("drawing-failed", "The model failed while it was drawing", cause)


def training_failed(why: str) -> JobError:
    """Return the error for a training that ended without a model.

    why: a sentence.
    """
    return _fault("training-failed", "The training has made no model", why)


def training_died(deaths: int, how: str) -> JobError:
    """Return the error for a training whose process ended `deaths` times.

    how: the last end, such as "signal 9".
    """
    detail = (
        f"Its process was started {deaths} times and ended each time before it was "
        f"done (the last time with {how}). The pictures may need more memory than "
        "the server has: try fewer or smaller ones."
    )
    return training_failed(detail)


def not_served(why: str) -> JobError:
    """Return the error for an added model that is refused.

    why: a sentence.
    """
    return _fault("not-served", "The model is not served", why)


def worker_lost() -> JobError:
    """Return the error for a job whose workers died too often."""
    detail = "The job was started as often as it may be, and its worker died each time."
    return _fault("worker-lost", "The workers that drew this job died", detail)


def rows_lost() -> JobError:
    """Return the error for a job of which Redis lost confirmed rows too often."""
    detail = (
        "The store forgot rows that it had confirmed, each time that the job was drawn."
    )
    return _fault("rows-lost", "Rows of this job were lost", detail)
