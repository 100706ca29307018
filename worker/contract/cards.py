"""What a model is, as workers announce it and the API shows it."""

from pydantic import BaseModel, ConfigDict, Field

from worker.contract import keys
from worker.contract.jobs import JobKind


class ModelCard(BaseModel):
    """One model that a worker has loaded and warmed up."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    network: str
    """`pixel-cnn`, `diagonal-bilstm`, ..."""
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    channels: int = Field(ge=1)
    small_height: int = Field(default=0, ge=0)
    small_width: int = Field(default=0, ge=0)
    """Size of the image that a Multi-Scale model draws first; 0 for a model of one scale."""
    values: int = Field(ge=2)
    """How many values a colour takes: 256, or 2 for binary images."""
    parameters: int
    data: str
    """What it was trained on."""
    test_nats: float | None = None
    """Negative log-likelihood of a test image, natural logarithm, as measured by `pixelrnn evaluate`."""
    test_bits_per_dim: float | None = None
    digest: str
    """sha256 of the weights file."""
    can: tuple[JobKind, ...] = (JobKind.SAMPLE, JobKind.COMPLETE)
    """Which jobs it takes: upsampling needs a Multi-Scale model."""


class WorkerInfo(BaseModel):
    """A live worker: written only after its models are loaded and warm."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    device: str
    slots: int
    """How many images it draws at once, per model."""
    models: tuple[ModelCard, ...]
    started_at: float
    queue: str = keys.QUEUE
    """The one it takes jobs from."""

    def entry(self) -> str:
        """As it is announced: without what is as usual, so that an API of an earlier version can read it."""
        return self.model_dump_json(exclude_defaults=True)
