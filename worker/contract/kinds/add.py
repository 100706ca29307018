"""Adding a finished model. The job waits in the queue until a worker has examined the
files that the API put among the added models, and ends with the result."""

from typing import Annotated

from pydantic import Field

from worker.contract.kind import Input, Kind, Shows, Summary
from worker.contract.options import FOUND, Options, Since
from worker.contract.traits import JobSize


class AddOptions(Options):
    """Add a model that is already trained."""

    shared: bool = Field(
        default=False,
        description="If true, everybody who may use the service sees the model; "
        "otherwise only your key does.",
    )

    draft: Annotated[bool, FOUND, Since(9)] = False
    """True if the model replaces a served one: workers then examine it as a draft."""

    def work(self, job: JobSize) -> int:
        """Return 0: nothing is drawn."""
        return 0


class AddSummary(Summary):
    """The model as it is served now."""

    name: str = Field(description="Its name.")
    digest: str = Field(description="sha256 of its weights.")
    identity: str = Field(description="Its identity.")


KIND = Kind(
    "add",
    "model",
    """Add a model: the files that `pixelrnn train` or `publish` wrote, at most 64 MiB.

    A worker examines it within seconds. The job succeeds when the model is served, and
    fails with the reason if it cannot be. If the service has keys, yours needs the
    right `train`, and only your key sees the model unless it is `shared`. A model that
    is exchanged (`If-Match`) is served until the job has succeeded, and stays if the
    job fails or is cancelled.
    """,
    Input.NOTHING,
    AddOptions,
    zero_images="It draws none.",
    shows=Shows.NOTHING,
    summary=AddSummary,
)
