"""Pictures by address: one image of a model, whose seed is the hash of a name. What was
drawn is kept in Redis, within a budget of its own.

An address that is not kept is drawn by a job whose id is the hash of the address, so
that all who ask for it at once, in whatever process, wait for the same job. The job
expires MIN_RETENTION_S after its end and is not deleted before: a request that looked
just before the picture was kept still finds it.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from app.access.callers import Caller
from app.errors import (
    BadParameterError,
    NotDrawnYetError,
    NoWorkerError,
    UnfinishedJobError,
    UnknownModelError,
)
from app.redis_connections import STORE_TROUBLE
from app.schema.answers import Job, Model
from app.services.intake import options_of, spec_of
from app.services.jobs import Jobs
from app.services.models import Models
from app.services.pictures import Pictures
from app.services.submission import JobRequest, Submission
from app.settings import Settings
from app.store import Store
from worker.contract.addresses import picture_file, seed_of
from worker.contract.jobs import JobStatus
from worker.contract.keys import MIN_RETENTION_S
from worker.contract.kinds import KINDS
from worker.contract.options import Options

_SAMPLE = KINDS["sample"]
IDENTITY_DIGITS = 12
"""Digits of a model's identity in an address."""
_MOST_VALUES = 64 * 64
_MOST_SIDE = 1024
"""Most values that are drawn, and the longest side of the file in pixels: addresses
need no key."""
_OWNER = "/p/"
"""Owner of the jobs. No key has this name, so that nobody lists them."""


@dataclass(frozen=True)
class Address:
    """What an address asks for."""

    model: str
    identity: str
    """First digits of the model's identity; empty: today's model."""
    name: str
    """In NFC."""
    picture_format: str
    scale: int = 1
    label: str | None = None
    size: str | None = None
    temperature: float = 1.0
    named: bool = False
    """Whether the file contains the name."""

    @property
    def query(self) -> list[tuple[str, str]]:
        """The options that are not the default, in their order."""
        options = {
            "label": (self.label, None),
            "named": (int(self.named), 0),
            "scale": (self.scale, 1),
            "size": (self.size, None),
            "temperature": (self.temperature, 1.0),
        }
        return [
            (option, str(value))
            for option, (value, default) in options.items()
            if value != default
        ]

    @property
    def path(self) -> str:
        """The address with its query, percent-encoded."""
        version = f"{self.model}@{self.identity}" if self.identity else self.model
        file = f"{quote(self.name, safe='')}.{self.picture_format}"
        query = urlencode(self.query, quote_via=quote)
        return f"/p/{version}/{file}{query and '?'}{query}"

    @property
    def digest(self) -> str:
        """The hash of the address, which is the id of the job that draws it."""
        return hashlib.sha256(self.path.encode()).hexdigest()[:32]

    @property
    def kept_name(self) -> str:
        """Its name in `keys.ADDRESSES`."""
        return f"{self.model}@{self.identity}/{self.digest}"


class Addresses:
    """Finds or draws the files of addresses."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        models: Models,
        submission: Submission,
        jobs: Jobs,
        pictures: Pictures,
        imaging: CapacityLimiter,
    ) -> None:
        """imaging: limits how many files are written at once."""
        self._offered = settings.address_models
        self._budget = settings.address_mib * 2**20
        self._store = store
        self._models = models
        self._submission = submission
        self._jobs = jobs
        self._pictures = pictures
        self._imaging = imaging

    async def kept(self, address: Address) -> bytes | None:
        """Return the kept file of an address, or None. No worker needs to serve its
        model. Raises UnknownModelError if the operator offers no addresses of the
        model."""
        if address.model not in self._offered:
            raise _no_addresses("PIXELRNN_ADDRESS_MODELS names the models that have")
        if not address.identity:
            return None
        return await self._store.kept_address(address.kept_name)

    async def canonical(
        self, address: Address, caller: Caller
    ) -> tuple[Address, Model]:
        """Return the canonical form of an address, and the model that draws its
        picture.

        Raises UnknownModelError if the caller sees no model of this name,
        OldIdentityError if none has the identity, NoWorkerError if there is no worker,
        and BadParameterError for an option that the model does not have or no address
        may have.
        """
        if address.identity:
            found = self._models.find_version(address.model, address.identity, caller)
        else:
            found = self._models.find_for(_SAMPLE.word, address.model, caller)
        try:
            model = await found
        except UnknownModelError:
            # Its message names other models, which a caller without a key may not see.
            raise _no_addresses("no worker serves it to everybody") from None
        if not model.identity:
            raise NoWorkerError("a worker of an earlier version serves this model")

        options = _options(address, model)
        height, width = options.shape(model)
        _expect_small(model, height, width, address.scale)
        only = replace(
            address,
            identity=model.identity[:IDENTITY_DIGITS],
            label=options.label_of(0),
            size=f"{width}x{height}" if options.is_field else None,
        )
        return only, model

    async def begin(self, address: Address, model: Model, request: JobRequest) -> Job:
        """Queue the job of a canonical address, unless it is there.

        Raises NoWorkerError while the model becomes ready, and RefusedError if the job
        is not accepted.
        """
        if model.compiling:
            raise NoWorkerError(f"{model.name} is being made ready")
        options = _options(address, model)
        height, width = options.shape(model)
        model = model.model_copy(update={"height": height, "width": width})
        said = {"seed": seed_of(address.name), "temperature": address.temperature}
        spec = spec_of(request, _SAMPLE, model, 1, said, options)
        owned = replace(
            request,
            caller=Caller(_OWNER, request.caller.account),
            retention=MIN_RETENTION_S,
        )
        spec = spec.model_copy(update={"id": address.digest})
        return (await self._submission.submit(owned, spec)).job

    async def drawn(self, address: Address) -> bytes:
        """Return the file of an address whose job was begun, and keep it.

        Raises NotDrawnYetError if the job is open, and UnfinishedJobError if it failed.
        Raises UnknownModelError if the arithmetic that drew it differs between machines:
        the model then has no addresses.
        """
        record = await self._jobs.record(address.digest)
        if not record.status.is_terminal:
            raise NotDrawnYetError("it is being drawn: ask again in a moment")
        if record.status is not JobStatus.SUCCEEDED:
            why = record.error.detail if record.error else f"its job is {record.status}"
            raise UnfinishedJobError(f"the picture could not be drawn: {why}")
        if record.numerics != "cpu-compiled":
            raise _no_addresses("their pictures would not be the same everywhere")
        file = await run_sync(
            picture_file,
            record.spec,
            await self._pictures.first_pixels(record),
            record.numerics,
            address.picture_format,
            address.scale,
            address.name if address.named else "",
            limiter=self._imaging,
        )
        with suppress(*STORE_TROUBLE):  # a full server keeps none
            await self._store.keep_address(address.kept_name, file, self._budget)
        return file


def _options(address: Address, model: Model) -> Options:
    said = {"label": address.label, "size": address.size}
    return options_of(_SAMPLE, said, model)[1]


def _expect_small(model: Model, height: int, width: int, scale: int) -> None:
    values = height * width * model.channels
    if values > _MOST_VALUES:
        raise BadParameterError(
            f"size: an address draws at most {_MOST_VALUES} values, not {values}: "
            "expected POST /sample for more"
        )
    longest = max(height, width)
    if longest * scale > _MOST_SIDE:
        raise BadParameterError(
            f"scale: at most {_MOST_SIDE // longest} here (a side of {_MOST_SIDE} "
            "pixels)"
        )


def _no_addresses(why: str) -> UnknownModelError:
    return UnknownModelError(f"pictures of this model have no addresses: {why}")
