"""The one function that queue entries name. It marks what to do; the doing is in worker.queue.beginning."""


def draw(job_id: str) -> None:
    """Never called by `pixelrnn worker`, which draws many jobs at once. Any other RQ worker fails clearly here."""
    raise RuntimeError(
        f"job {job_id} needs a PixelRNN worker (`pixelrnn worker`): a plain RQ worker holds no network"
    )
