"""A model that is handed in. Such a job waits in the queue until a worker has examined what was put among the added
models, and ends with what it found."""

from typing import Annotated

from pydantic import Field

from worker.contract.kind import (
    FOUND,
    Asked,
    Input,
    Kind,
    Options,
    Shows,
    Since,
    Summary,
)


class AddOptions(Options):
    """A model that is added."""

    shared: bool = Field(
        default=False,
        description="Everybody who may use the service sees the model, and not your key alone.",
    )

    draft: Annotated[bool, FOUND, Since(9)] = False
    """The model replaces one that is served: workers examine it as a draft."""

    def work(self, job: Asked) -> int:
        """Nothing is drawn."""
        return 0


class AddSummary(Summary):
    """The model, as it is served."""

    name: str = Field(description="Its name.")
    digest: str = Field(description="sha256 of its weights.")
    identity: str = Field(description="Its identity.")


KIND = Kind(
    "add",
    "model",
    """Add a model: the files that `pixelrnn train` or `publish` wrote, 64 MiB at most.

    A worker examines it within seconds: the job succeeds when the model is served, or says why it is not. With keys,
    one of the right `train` is needed, and only that key sees the model unless it is `shared`. A model that is
    exchanged (`If-Match`) is served until the job has succeeded, and stays if the job fails or is cancelled.
    """,
    Input.NOTHING,
    AddOptions,
    order="",
    none_told="It draws none.",
    shows=Shows.NOTHING,
    summary=AddSummary,
)
