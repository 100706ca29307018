"""The one function that queue entries name. It only marks what to do;
worker.queue.beginning does it."""


def draw(job_id: str) -> None:
    """Fail in any RQ worker that is not `pixelrnn worker`, which never calls this."""
    raise RuntimeError(
        f"job {job_id} needs a PixelRNN worker (`pixelrnn worker`): a plain RQ worker holds no network"
    )
