"""Why a job ends without its images, in the words a client reads."""

from worker.contract.jobs import JobError


class JobRefusedError(Exception):
    """This worker cannot draw the job, and no retry would change that."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.detail)
        self.error = error


def malformed_spec(detail: str) -> JobError:
    return JobError(type="malformed-spec", title="The job's description cannot be read", detail=detail)


def malformed_entry(detail: str) -> JobError:
    return JobError(type="malformed-entry", title="The queue entry cannot be read", detail=detail)


def function_refused(name: object) -> JobError:
    return JobError(
        type="function-refused",
        title="A worker runs one function only",
        detail=f"The queue entry asks for {str(name)[:100]!r}, which this worker does not run.",
    )


def model_changed(name: str) -> JobError:
    return JobError(
        type="model-changed",
        title="The model has changed",
        detail=f"The weights or labels of {name!r} are not those the job was accepted for. Submit it again.",
    )


def shape_mismatch(name: str, expected: str, got: str) -> JobError:
    return JobError(
        type="malformed-spec",
        title="The job's shape is not the model's",
        detail=f"{name!r} draws (channels, height, width) = {expected}; the job says {got}.",
    )


def kind_refused(name: str, can: list[str]) -> JobError:
    return JobError(
        type="malformed-spec",
        title="The model does not do this kind of work",
        detail=f"{name!r} can: {', '.join(can)}.",
    )


def method_refused(name: str, methods: list[str], max_particles: int) -> JobError:
    by_particles = f", by at most {max_particles} particles" if max_particles else ""
    return JobError(
        type="malformed-spec",
        title="The model does not complete like this",
        detail=f"{name!r} completes by: {', '.join(methods)}{by_particles}.",
    )


def impossible_picture(cause: BaseException) -> JobError:
    return JobError(
        type="impossible-picture",
        title="The model gives what is given no probability",
        detail=f"There is nothing to draw from: {cause}.",
    )


def not_verifiable(cause: BaseException) -> JobError:
    return JobError(type="not-verifiable", title="The picture cannot be verified here", detail=f"{cause}.")


def not_encodable(why: str) -> JobError:
    return JobError(type="not-encodable", title="The pictures cannot be encoded", detail=f"{why}.")


def not_decodable(cause: BaseException) -> JobError:
    return JobError(type="not-decodable", title="The file cannot be decoded", detail=f"{cause}.")


def coding_failed(cause: BaseException) -> JobError:
    return JobError(
        type="coding-failed",
        title="The model failed while it encoded or decoded",
        detail=f"{type(cause).__name__}: {str(cause)[:300]}",
    )


def scoring_failed(cause: BaseException) -> JobError:
    return JobError(
        type="scoring-failed",
        title="The model failed while it scored the picture",
        detail=f"{type(cause).__name__}: {str(cause)[:300]}",
    )


def drawing_failed(cause: BaseException) -> JobError:
    return JobError(
        type="drawing-failed",
        title="The model failed while it was drawing",
        detail=f"{type(cause).__name__}: {str(cause)[:300]}",
    )


def worker_lost() -> JobError:
    return JobError(
        type="worker-lost",
        title="The workers that drew this job died",
        detail="The job was started as often as it may be, and its worker died each time.",
    )


def rows_lost() -> JobError:
    return JobError(
        type="rows-lost",
        title="Rows of this job were lost",
        detail="The store forgot rows that it had confirmed, each time that the job was drawn.",
    )
