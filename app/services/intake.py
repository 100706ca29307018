"""Turns a checked request to draw, score or encode, with its files, into a queued job.

app.routes.submit reads a request and answers it; everything in between happens in
`Intake.submit`, in the order in which it is written there. What costs little to refuse
is refused before anything costly is done, such as decoding a picture.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from app.access.callers import Caller
from app.errors import (
    BadParameterError,
    NotDecodableError,
    NotVerifiableError,
    RefusedError,
    UnknownModelError,
)
from app.imaging.arrays import count_of, size_of
from app.imaging.cutouts import cutouts_of
from app.imaging.decode import decoded_size
from app.imaging.drawn import read_provenance
from app.imaging.given import (
    Files,
    GivenPixels,
    PictureTerms,
    naming_picture,
    read_given,
)
from app.imaging.render import expect_side
from app.imaging.zipped import BEGINNING, MAX_DRAWING_ENTRIES, Allowance, files_in
from app.schema.answers import Model
from app.services.bodies import Place, unpacked_limit
from app.services.models import Models
from app.services.seats import Seats
from app.services.submission import JobRequest, Submission, Submitted
from app.services.webhooks import Webhooks
from worker.contract.coded_file import CodedFile, CodedFileError
from worker.contract.jobs import ID_BYTES, MAX_SEED, JobSpec
from worker.contract.kind import FILES, Input, Kind
from worker.contract.options import MAX_IMAGES, BadOptionError, Options
from worker.contract.provenance import Provenance, ProvenanceError

_Read = TypeVar("_Read")


@dataclass(frozen=True, kw_only=True)
class DrawRequest(JobRequest):
    """A request for a job of one kind, whose form has been checked."""

    kind: Kind
    fields: Mapping[str, Any]
    """The fields of its form, except files. Fields that were not sent have their
    defaults."""
    files: Files
    """Its files by field. They are replaced by their contents if they are zips, and
    forgotten once the job is queued."""
    place: Place
    """Room for the bytes of its body. It is given back once the job is queued."""
    keeps_connection: bool
    """True if the client waits for the job, or follows its events."""
    picture_scale: int | None
    """Side of the square that each pixel becomes if the answer is a picture; else None."""


class Intake:
    """Accepts requests for all kinds of jobs that have a form."""

    def __init__(
        self,
        submission: Submission,
        models: Models,
        webhooks: Webhooks,
        seats: Seats,
        imaging: CapacityLimiter,
        file_bytes: int,
    ) -> None:
        """imaging: limits the threads that decode pictures.
        file_bytes: most unpacked bytes of the files of one zip."""
        self._submission = submission
        self._models = models
        self._webhooks = webhooks
        self._seats = seats
        self._imaging = imaging
        self._file_bytes = file_bytes

    async def submit(self, request: DrawRequest) -> Submitted:
        """Queue the job of a request, or find the job that the same request made
        before.

        Raises RefusedError if the job is not accepted. If pictures were decoded or zips
        were opened by then, the request counts against the caller's allowance.
        """
        if not request.keeps_connection:
            return await self._submit(request)
        account = request.caller.account
        self._seats.expect_free(account)
        # Held from now on: of many requests at once, all would find the same seats
        # free. The response takes the seat again as soon as this method returns.
        with self._seats.hold(account):
            return await self._submit(request)

    async def _submit(self, request: DrawRequest) -> Submitted:
        """Do `submit` for a client that has a seat if it needs one."""
        # A repeated request gets its job, even if nothing new is taken at the moment.
        submitted = await self._submission.earlier_job(request)
        if submitted is None:
            reading = _Reading(request, self._imaging, self._file_bytes)
            try:
                submitted = await self._submit_new(request, reading)
            except RefusedError:
                if reading.has_begun:
                    await self._submission.count_refused(request)
                raise

        # The answer may take as long as the job, which needs none of these bytes.
        request.files.clear()
        request.place.leave()
        return submitted

    async def _submit_new(self, request: DrawRequest, reading: "_Reading") -> Submitted:
        """Queue the job of a request that was not made before."""
        kind = request.kind
        fields = request.fields
        files = request.files

        request = replace(
            request,
            webhook=self._webhooks.checked_address(fields.get("webhook")),
            retention=self._submission.checked_retention(fields.get("retention")),
        )
        await self._submission.expect_room()
        if files:
            await self._submission.expect_allowance(request)

        # A zip stands for the pictures in it, so it is opened before they are counted.
        if kind.takes_several:
            await reading.unzip()
        model, found = await self._model_and_facts(request, reading)

        taking = PictureTerms(
            resize=fields.get("fit") == "resize",
            nearest=fields.get("colours") == "nearest",
        )
        cutouts: GivenPixels | None = None
        if fields.get("fit") == "crop":
            cutouts = await reading.decode(cutouts_of, files, model, taking)
            places = cutouts.found["cutouts"]
            found = {**found, "cutouts": places, "pictures": len(places)}

        said = {**fields, **found}
        n, options = options_of(kind, said, model)
        second = options.second_model
        if second:
            second_identity = await self._models.second_identity(
                kind.word, model, second, request.caller
            )
            options = options.with_found({"against_identity": second_identity})
        model = self._submission.with_size(model, n, options)
        if request.picture_scale is not None:
            images = max(1, n)
            expect_side(images, model.width, model.height, request.picture_scale)

        given = None
        if cutouts is not None:
            # Each of the n pictures is drawn from the same cut-outs.
            pictures = n // len(options.places)
            given = replace(
                cutouts,
                pixels=pictures * cutouts.pixels,
                keep=pictures * cutouts.keep,
            )
        elif kind.input is not Input.NOTHING:
            count = options.picture_count
            given = await reading.decode(
                read_given, kind.input, files, model, taking, count
            )
        if given is not None:
            options = options.with_found(given.found)
        spec = spec_of(request, kind, model, n, said, options)
        return await self._submission.submit(request, spec, given)

    async def _model_and_facts(
        self, request: DrawRequest, reading: "_Reading"
    ) -> tuple[Model, Mapping[str, Any]]:
        """Return the model, and the options that the request's files decide.

        A picture of this service and a coded file name their model and all options.
        """
        kind = request.kind
        files = request.files
        caller = request.caller
        if kind.input is Input.CODED_FILE:
            file = _coded_file(files["file"][0])
            model = await self._models.find_by_digest(
                kind.word, file.digest, file.identity, caller
            )
            return model, _facts_of_coded_file(file, model)
        if kind.input is Input.DRAWN_PICTURE:
            provenance = await run_sync(
                read_provenance, files["image"][0], limiter=self._imaging
            )
            model = await self._model_that_drew(kind, provenance, caller)
            return model, _facts_of_provenance(provenance, model)

        found: dict[str, Any] = {}
        if kind.input is Input.PICTURES:
            found["n"] = _count(files["image"])
        if kind.takes_several:
            pictures = _count(files["image"])
            if pictures > 1:
                found["pictures"] = pictures
        if request.fields.get("fit") == "field":
            found["size"] = await reading.decode(size_of, files["image"][0])
        name = request.fields["model"]
        return await self._models.find_for(kind.word, name, caller), found

    async def _model_that_drew(
        self, kind: Kind, provenance: Provenance, caller: Caller
    ) -> Model:
        """Return the model that is named in a picture's text.

        Raises NotVerifiableError if another model drew the picture that workers have on
        disk and do not load, such as a record; and what `Models.find_for` raises.
        """
        name = provenance.model
        try:
            model = await self._models.find_for(kind.word, name, caller)
        except UnknownModelError:
            if await self._models.is_shipped(name, provenance.identity):
                raise _not_loaded() from None
            raise
        # A record may have had this name when it drew the picture.
        identity = provenance.identity
        has_other_weights = provenance.digest != model.digest
        if has_other_weights and identity:
            is_shipped = await self._models.is_shipped(name, identity)
            if is_shipped:
                raise _not_loaded()
        return model


class _Reading:
    """Opens the files of one request in threads."""

    def __init__(
        self, request: DrawRequest, imaging: CapacityLimiter, file_bytes: int
    ) -> None:
        self._files = request.files
        self._place = request.place
        self._imaging = imaging
        self._file_bytes = file_bytes
        self.has_begun = False
        """True once an archive was opened or a picture decoded, which costs as much
        for a refused request as for an accepted one."""

    async def unzip(self) -> None:
        sent = chain.from_iterable(self._files.values())
        self.has_begun = any(data.startswith(BEGINNING) for data in sent)
        await run_sync(
            _unzip, self._files, self._file_bytes, self._place, limiter=self._imaging
        )

    async def decode(self, function: Callable[..., _Read], *arguments: Any) -> _Read:
        """Call a function that decodes pictures, with room for the pixels of all files.
        Raises TooManyBytesError if there is no room."""

        def call() -> _Read:
            sent = chain.from_iterable(self._files.values())
            with self._place.decoding(decoded_size(sent)):
                self.has_begun = True
                return function(*arguments)

        return await run_sync(call, limiter=self._imaging)


def _unzip(files: Files, file_bytes: int, place: Place) -> None:
    """Replace each zip of a request by the files in it.

    file_bytes: most unpacked bytes of one zip.

    Raises BadParameterError for a zip without a picture, TooManyBytesError if `place`
    has no room for the files, and what `files_in` raises.
    """
    allowance = Allowance(MAX_DRAWING_ENTRIES, unpacked_limit(file_bytes))
    for role in FILES:
        sent = files.get(role)
        if not sent:
            continue
        files[role] = files_in(sent, role, file_bytes, allowance, place.expect_unpacked)
        if not files[role]:
            raise BadParameterError(f"{role}: the zip holds no picture", field=role)


def _count(files: Sequence[bytes]) -> int:
    """Return the number of pictures in files: an array may contain several. Raises
    BadParameterError for more than one job draws."""
    count = 0
    for file in files:
        with naming_picture(count, len(files)):
            count += count_of(file)
    if count > MAX_IMAGES:
        raise BadParameterError(
            f"image: expected at most {MAX_IMAGES} pictures", field="image"
        )
    return count


def _coded_file(data: bytes) -> CodedFile:
    """Read the head of a coded file. Raises NotDecodableError if it is damaged, or has
    more pictures than one job draws."""
    try:
        file = CodedFile.of(data)
    except CodedFileError as error:
        raise NotDecodableError(str(error)) from None
    if file.images > MAX_IMAGES:
        raise NotDecodableError(
            f"the file holds {file.images} pictures: expected at most {MAX_IMAGES} here"
        )
    return file


def _facts_of_coded_file(file: CodedFile, model: Model) -> Mapping[str, Any]:
    """Return the options of a decoding that the file decides."""
    return {
        "n": file.images,
        "names_identity": bool(file.identity),
        "card_changed": model.has_changed_since(file.identity),
    }


def _not_loaded() -> NotVerifiableError:
    return NotVerifiableError(
        "the image was drawn by a model that this service does not load: use pixelrnn"
        " verify FILE"
    )


def _facts_of_provenance(provenance: Provenance, model: Model) -> Mapping[str, Any]:
    """Return the options of a verification that the picture's text decides.

    Raises NotVerifiableError if the model has other weights now, or not these labels.
    """
    if provenance.digest != model.digest:
        raise NotVerifiableError(
            "the image was drawn with other weights of this model than those that are"
            " loaded"
        )
    try:
        provenance.expect_labels([label.name for label in model.labels])
    except ProvenanceError as error:
        raise NotVerifiableError(str(error)) from None
    return {
        "seed": provenance.seed,
        "temperature": provenance.temperature,
        "sample": provenance.sample,
        "label": provenance.label_of(0),
        "drawn_with": provenance.numerics,
        "name": provenance.addressed_name or "",
        **provenance.options.drawing(),
        "card_changed": model.has_changed_since(provenance.identity),
    }


def options_of(
    kind: Kind, said: Mapping[str, Any], model: Model
) -> tuple[int, Options]:
    """Return a job's number of images, and the options of its kind.

    said: all options by name, from its form and its files.

    Raises BadParameterError for an option that the model does not have, or does not
    have with this value.
    """
    own_names = [name for name in kind.options.model_fields if name in said]
    options = kind.options(**{name: said[name] for name in own_names})
    try:
        n = options.images(said.get("n", 1))
        return n, options.for_model(model, n)
    except BadOptionError as error:
        raise BadParameterError(str(error), field=error.field) from None


def spec_of(
    request: JobRequest,
    kind: Kind,
    model: Model,
    n: int,
    said: Mapping[str, Any],
    options: Options,
) -> JobSpec:
    """Return the description of a job with a new id.

    said: all options by name, as for `options_of`.
    """
    seed = said.get("seed", 0)
    return JobSpec(
        version=options.version,
        id=secrets.token_urlsafe(ID_BYTES),
        kind=kind.word,
        model=model.name,
        digest=model.digest,
        identity=model.identity or "",
        seed=secrets.randbelow(MAX_SEED + 1) if seed is None else seed,
        n=n,
        temperature=said.get("temperature", 1.0),
        height=model.height,
        width=model.width,
        channels=model.channels,
        values=model.values,
        palette=tuple(model.palette),
        small_height=model.small_height,
        small_width=model.small_width,
        request_id=request.request_id,
        traceparent=request.traceparent,
        priority=said.get("priority"),
        options=options,
    )
