"""POST /sample, /complete, ... for each kind of job: a request becomes a queued job."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from inspect import cleandoc
from itertools import chain
from typing import Annotated, Any, TypeVar

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Query, Request, Response, UploadFile
from pydantic import BaseModel

from app.access.callers import Caller
from app.dependencies import Services
from app.errors import (
    BadParameterError,
    NotDecodableError,
    NotVerifiableError,
    RefusedError,
    TooLargeError,
)
from app.imaging.arrays import count_of, size_of
from app.imaging.cutouts import cutouts_of
from app.imaging.decode import decoded_size
from app.imaging.given import Files, naming_picture, read_given
from app.imaging.provenance import read_provenance
from app.imaging.render import expect_side
from app.imaging.zipped import (
    BEGINNING,
    MAX_DRAWING_ENTRIES,
    Allowance,
    files_in,
)
from app.routes.answer import answer
from app.routes.body_limits import BodyRoute, unpacked_limit
from app.routes.preferences import PICTURE_FORMATS, Preferences, preferences_of
from app.schema.answers import Job, Model
from app.schema.openapi import coded_file_body, job_responses, refusals
from app.schema.preference_headers import preference_headers
from app.schema.request_bodies import (
    FILES,
    FORMS,
    MAX_IMAGES,
    options_of,
    request_fields,
    taking_of,
    uploads_of,
)
from app.services.bodies import Place
from app.services.models import Models
from app.services.submission import RequestIdentity, Submitted, with_key
from worker.contract.coded_file import CodedFile, CodedFileError
from worker.contract.kind import Input, Kind
from worker.contract.kinds import KINDS
from worker.contract.provenance import ProvenanceError

router = APIRouter(route_class=BodyRoute, tags=["draw"])

Call = Callable[..., Coroutine[Any, Any, Response]]
_Read = TypeVar("_Read")


def _takes_json(kind: Kind) -> Call:
    async def call(body: FORMS[kind.word], request: Request) -> Response:  # type: ignore[valid-type]
        return await accept(kind, body, request)

    return call


def _takes_form(kind: Kind) -> Call:
    async def call(
        form: Annotated[FORMS[kind.word], Form(media_type="multipart/form-data")],  # type: ignore[valid-type]
        request: Request,
    ) -> Response:
        return await accept(kind, form, request)

    return call


def _takes_file(kind: Kind) -> Call:
    async def call(
        request: Request,
        body: Annotated[FORMS[kind.word], Query()],  # type: ignore[valid-type]
    ) -> Response:
        file = b"".join([part async for part in request.stream()])
        return await _accept(kind, body, {"file": [file]}, request)

    return call


def _add(kind: Kind) -> None:
    """One more than the images of a job are read of a form, so that the answer to that one says how many are taken."""
    extra, limits = preference_headers(), None
    if kind.input is Input.NOTHING:
        call = _takes_json(kind)
    elif kind.input is Input.CODED_FILE:
        call, extra = _takes_file(kind), extra | coded_file_body()
    else:
        files = (
            MAX_IMAGES + 1
            if kind.input is Input.PICTURES
            else 2 * MAX_IMAGES + 1
            if kind.takes_several
            else 2
        )
        call = _takes_form(kind)
        limits = {"max_files": files, "max_fields": 16, "max_part_size": 16 * 1024}
    router.post(
        f"/{kind.word}",
        operation_id=f"create_{kind.noun}",
        summary=kind.word.title(),
        description=cleandoc(kind.description),
        status_code=202,
        response_model=Job,
        responses={
            **job_responses(),
            **refusals(400, 401, 403, 404, 410, 413, 415, 422, 424, 429, 503, 504),
        },
        openapi_extra=extra,
        form_limits=limits,  # type: ignore[arg-type]
    )(call)


for _kind in KINDS.values():
    _add(_kind)


async def accept(kind: Kind, body: BaseModel, request: Request) -> Response:
    """Answer a checked body. Raises TooLargeError for pictures of too many bytes."""
    services: Services = request.app.state.services
    return await _accept(
        kind, body, await _files_of(body, services.settings.max_upload_bytes), request
    )


async def _accept(
    kind: Kind, body: BaseModel, files: Files, request: Request
) -> Response:
    """The same for every kind of job."""
    wanted = preferences_of(request.headers).with_picture(body.scale, body.format)  # type: ignore[attr-defined]
    submitted = await submitted_job(kind, body, files, request, wanted)
    return await answer(submitted, wanted, request)


async def submitted_job(
    kind: Kind, body: BaseModel, files: Files, request: Request, wanted: Preferences
) -> Submitted:
    """The job of a checked body.

    What costs little to refuse is refused before anything costly is done, such as reading a picture; and a request that
    came before is answered before anything is refused.
    """
    services: Services = request.app.state.services
    if wanted.keep_the_connection:
        services.seats.expect_free(request.state.caller.account)
    identity = _identity(kind, body, files, request, wanted)
    known = await services.submission.known(identity)
    place: Place = request.state.place
    work = _Work(files, services, place)
    try:
        submitted = known or await _submit(
            identity, kind, body, files, wanted, services, work
        )
    except RefusedError:
        if work.has_begun:
            await services.submission.count_refused(identity)
        raise
    files.clear()  # the answer may take long, and nobody needs the request's bytes any more
    place.leave()
    return submitted


async def _submit(
    identity: RequestIdentity,
    kind: Kind,
    body: BaseModel,
    files: Files,
    wanted: Preferences,
    services: Services,
    work: "_Work",
) -> Submitted:
    webhook = services.webhooks.expected(getattr(body, "webhook", None))
    retention = services.submission.expected_retention(getattr(body, "retention", None))
    await services.submission.expect_room()
    if files:
        await services.submission.expect_allowance(identity)
    if kind.takes_several:
        await work.unzip()
    model, found = await _model_and_facts(
        kind, body, files, services.models, work.imaging, identity.caller
    )
    given = None
    if getattr(body, "fit", None) == "crop":
        given = await work.imaging(cutouts_of, files, model, taking_of(body))
        found = {
            **found,
            "cutouts": given.found["cutouts"],
            "pictures": len(given.found["cutouts"]),
        }
    options = replace(
        options_of(kind, body, found, model), webhook=webhook, retention=retention
    )
    if second := options.own.second_model:
        await services.models.expect_second(kind.word, model, second, identity.caller)
    model = services.submission.sized(model, options)
    if wanted.media in PICTURE_FORMATS:
        expect_side(max(1, options.n), model.width, model.height, wanted.scale)
    if given is not None:
        n = options.n // len(options.own.places)
        given = replace(given, pixels=n * given.pixels, keep=n * given.keep)
    elif kind.input is not Input.NOTHING:
        count = options.own.picture_count
        given = await work.imaging(
            read_given, kind.input, files, model, taking_of(body), count
        )
    return await services.submission.submit(identity, kind.word, model, options, given)


class _Work:
    """What is done in threads with the files of a request."""

    def __init__(self, files: Files, services: Services, place: Place) -> None:
        self._files = files
        self._services = services
        self._place = place
        self.has_begun = False
        """Whether an archive was opened, or a picture decoded: from then on the request
        counts against the caller's allowance, accepted or not."""

    async def unzip(self) -> None:
        """Put the files of each zip in its place. Raises what `_unzip` raises."""
        files = self._files
        self.has_begun = any(
            data.startswith(BEGINNING) for sent in files.values() for data in sent or ()
        )
        limit = self._services.settings.max_upload_bytes
        await run_sync(
            _unzip, files, limit, self._place, limiter=self._services.imaging
        )

    async def imaging(self, decode: Callable[..., _Read], *arguments: Any) -> _Read:
        """Call `decode` in a thread, with room for the pixels of the files. Raises
        TooManyBytesError, and what it raises."""

        def call() -> _Read:
            files = chain.from_iterable(self._files.values())
            with self._place.decoding(decoded_size(files)):
                self.has_begun = True
                return decode(*arguments)

        return await run_sync(call, limiter=self._services.imaging)


async def _model_and_facts(
    kind: Kind,
    body: BaseModel,
    files: Files,
    models: Models,
    imaging: Callable[..., Awaitable[Any]],
    caller: Caller,
) -> tuple[Model, Mapping[str, Any]]:
    """The model, and what the files say of the job: a picture of ours says all, and so does a coded file."""
    if kind.input is Input.CODED_FILE:
        return await _model_of_file(kind.word, files["file"][0], models, caller)
    if kind.input is Input.DRAWN_PICTURE:
        return await _model_of_provenance(kind.word, files["image"][0], models, caller)
    found: dict[str, Any] = (
        {"n": _count(files["image"])} if kind.input is Input.PICTURES else {}
    )
    if kind.takes_several and (count := _count(files["image"])) > 1:
        found["pictures"] = count
    if getattr(body, "fit", None) == "field":
        found["size"] = await imaging(size_of, files["image"][0])
    return await models.find_for(kind.word, getattr(body, "model", ""), caller), found


def _count(files: Sequence[bytes]) -> int:
    """How many pictures files hold. Raises BadParameterError for more than a job has images."""
    count = 0
    for file in files:
        with naming_picture(count, len(files)):
            count += count_of(file)
    if count > MAX_IMAGES:
        raise BadParameterError(
            f"image: expected at most {MAX_IMAGES} pictures", field="image"
        )
    return count


def _unzip(files: Files, limit: int, place: Place) -> None:
    """Put the files of each zip of a request in its place.

    limit: unpacked bytes of one zip. Raises what `files_in` raises, TooManyBytesError, and BadParameterError
    for zips without a file.
    """
    allowance = Allowance(MAX_DRAWING_ENTRIES, unpacked_limit(limit))
    for role in FILES:
        if sent := files.get(role):
            files[role] = files_in(sent, role, limit, allowance, place.expect_unpacked)
            if not files[role]:
                raise BadParameterError(f"{role}: the zip holds no picture", field=role)


async def _model_of_provenance(
    word: str, data: bytes, models: Models, caller: Caller
) -> tuple[Model, Mapping[str, Any]]:
    """The model and the options that a picture names. Raises NotVerifiableError if the model has other weights now."""
    provenance = read_provenance(data)
    model = await models.find_for(word, provenance.model, caller)
    if provenance.digest != model.digest:
        raise NotVerifiableError(
            "the image was drawn with other weights of this model than those that are loaded"
        )
    try:
        provenance.expect_labels([label.name for label in model.labels])
    except ProvenanceError as error:
        raise NotVerifiableError(str(error)) from None
    how = {"seed": provenance.seed, "temperature": provenance.temperature}
    what = {
        "sample": provenance.sample,
        "label": provenance.label_of(0),
        "drawn_with": provenance.numerics,
    }
    return model, {
        **how,
        **what,
        **provenance.options.drawing(),
        "card_changed": model.has_changed_since(provenance.identity),
    }


async def _model_of_file(
    word: str, data: bytes, models: Models, caller: Caller
) -> tuple[Model, Mapping[str, Any]]:
    """Raises NotDecodableError for what is no such file, and for one of more pictures than a job has."""
    try:
        file = CodedFile.of(data)
    except CodedFileError as error:
        raise NotDecodableError(str(error)) from None
    if file.images > MAX_IMAGES:
        raise NotDecodableError(
            f"the file holds {file.images} pictures: expected at most {MAX_IMAGES} here"
        )
    model = await models.find_by_digest(word, file.digest, file.identity, caller)
    changed = model.has_changed_since(file.identity)
    return model, {
        "n": file.images,
        "names_identity": bool(file.identity),
        "card_changed": changed,
    }


def _identity(
    kind: Kind, body: BaseModel, files: Files, request: Request, wanted: Preferences
) -> RequestIdentity:
    state = request.scope["state"]
    contents = (data for sent in files.values() for data in (sent or (b"",)))
    identity = RequestIdentity(
        state["caller"], state["request_id"], state["traceparent"]
    )
    return with_key(
        identity, wanted.idempotency_key, kind.word, request_fields(body), contents
    )


async def _files_of(body: BaseModel, limit: int) -> Files:
    """Raises TooLargeError for a file of more than `limit` bytes."""
    return {
        role: [await bytes_of(upload, role, limit) for upload in uploads]
        for role, uploads in uploads_of(body).items()
    }


async def bytes_of(upload: UploadFile, role: str, limit: int) -> bytes:
    """Raises TooLargeError for a file of more than `limit` bytes."""
    data = await upload.read(limit + 1)
    await upload.close()
    if len(data) > limit:
        raise TooLargeError(f"the {role} has too many bytes; at most {limit} are taken")
    return data
