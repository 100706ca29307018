"""Models that were added through the API: files in a directory that workers watch
(worker/contract/added.py).

The API checks only a few fields of the card, and that the weights are those of the
card. A worker examines the model before it is served, like any model in a models
directory.
"""

import asyncio
import errno
import hashlib
import math
import os
import shutil
import time
import zipfile
from collections.abc import (
    AsyncGenerator,
    Callable,
    Container,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

from anyio.to_thread import run_sync
from pydantic import ValidationError

from app.access.callers import ANYONE, Caller
from app.errors import (
    AddedFullError,
    BadParameterError,
    NameTakenError,
    NoAddingError,
    NotAllowedError,
    OtherIdentityError,
    TooManyBytesError,
    UnknownModelError,
    UnusableModelError,
)
from app.imaging.archive import Outlet
from app.services import exchanges
from app.settings import LOOPBACK, Settings
from worker.contract.added import (
    CARD,
    MAX_CARD_BYTES,
    NAME,
    OWNER,
    AddedCard,
    Owner,
    drafts_in,
    formers_in,
    is_seen_by,
    is_trained,
    models_in,
    names_in,
    owner_of,
    uploads_in,
)
from worker.contract.cards import ModelCard
from worker.contract.fairness import Shares

MOST_MODELS = 40
"""Most added models."""
MOST_BYTES = 64 * 2**20
"""Most bytes of a model: its card and its weights together."""
RECEIVED_BYTES = 200 * 2**20
"""Bytes of all uploads that are received and not written yet, in memory or, for long
files, in the directory for temporary files. Two owners may have MOST_BYTES each."""
AT_ONCE = 2
"""Uploads that are written at once."""
_MIB = 2**20
_BLOCK = 2**18
"""Bytes of a model that are read at once while it is sent."""
_DRAFT_S = 3600
"""Seconds after which an unfinished draft is deleted."""


class AddedModels:
    """The directory of added models, and the rules of who may change it."""

    def __init__(self, settings: Settings) -> None:
        """settings: of this API, with the directory and its limits."""
        self._models = (
            None if settings.added_dir is None else models_in(settings.added_dir)
        )
        self._settings = settings
        self._received = Shares(RECEIVED_BYTES)
        self._until: dict[str, float] = {}
        """Account with an upload -> time by which it must have been received."""
        self.turn = asyncio.Semaphore(AT_ONCE)
        """Held while an upload that has been received is checked and written."""

    @property
    def is_offered(self) -> bool:
        """True if any caller may add models and start trainings on this server."""
        return self._is_possible and (self._settings.needs_key or self._trusts_all)

    @property
    def _is_possible(self) -> bool:
        return self._models is not None and self._settings.training is not False

    @property
    def _trusts_all(self) -> bool:
        """True if everybody may add models and start trainings when the server has no
        API keys."""
        return bool(self._settings.training) or self._settings.host in LOOPBACK

    def expect_allowed(self, caller: Caller) -> None:
        """Raise NoAddingError if this server accepts no models, and NotAllowedError if
        this caller may not add any."""
        if not self._is_possible:
            raise NoAddingError(
                "this server takes no models: "
                "see PIXELRNN_ADDED_DIR and PIXELRNN_TRAINING"
            )
        if self._settings.needs_key:
            if not caller.may_train:
                raise NotAllowedError(
                    "this key may not: `pixelrnn keys add NAME --may train` makes one "
                    "that may"
                )
        elif not self._trusts_all:
            raise NotAllowedError(
                "without keys only with PIXELRNN_TRAINING=1: "
                "other machines reach this server"
            )

    @contextmanager
    def upload(self, account: str) -> Iterator[Callable[[int], None]]:
        """Count one upload of this account inside the `with` block. Yields a function
        that must be called with the length of each received piece, so that a client
        that sends nothing takes nothing from the others.

        Raises TooManyBytesError if an upload of this account is in progress. The
        function raises it if the account has no room for a piece: it may have as many
        bytes as are still free.
        """
        if account in self._until:
            raise TooManyBytesError(
                "an upload of this client is being received already; send this one again "
                "when it is over",
                retry_after_s=self._left_s(account),
            )
        self._until[account] = time.monotonic() + self._settings.receive_s
        size = 0

        def count(more: int) -> None:
            nonlocal size
            if not self._received.take(account, more):
                raise TooManyBytesError(
                    "others are being received; send this one again when they are over",
                    retry_after_s=self._left_s(*self._until),
                )
            size += more

        try:
            yield count
        finally:
            del self._until[account]
            self._received.give_back(account, size)

    def _left_s(self, *accounts: str) -> int:
        """Return the seconds until the first of these uploads is over, at least one."""
        until = min(self._until[account] for account in accounts)
        return max(1, math.ceil(until - time.monotonic()))

    def expect_name(
        self,
        name: str,
        caller: Caller,
        reserved: Container[str],
        served: bool,
        identity: str | None,
        if_match: str | None,
    ) -> None:
        """Raise an error unless a model may be added under this name: the name is free,
        or it belongs to the caller's own model that is to be replaced.

        reserved: names of shipped models, served or not.
        served: True if a worker has a model of this name.
        identity: that of the served model, if the caller sees it.
        if_match: the request's If-Match header, the identity of the model to replace;
            None if a new model is added.

        Raises BadParameterError for an invalid name, NameTakenError for one that is in
        use, and OtherIdentityError if the model to replace is missing or has another
        identity.
        """
        if not NAME.fullmatch(name):
            raise BadParameterError(
                "a model's name has at most 64 of a-z 0-9 . _ -, with "
                "a letter or digit first"
            )
        if name in reserved:
            raise NameTakenError("a model of the service has this name")
        if not (self._folder() / name).exists():
            if served or exchanges.is_exchanged(self._folder().parent, name):
                raise NameTakenError("a model of the service has this name")
            if is_trained(self._folder().parent, name):
                raise NameTakenError("a model that is being trained has this name")
            if if_match is not None:
                raise OtherIdentityError("there is no model of this name")
        elif not self._is_own(name, caller):
            raise NameTakenError("another model has this name")
        elif if_match is None:
            raise NameTakenError(
                "you have a model of this name: PUT with If-Match: "
                '"IDENTITY" exchanges it'
            )
        elif if_match.strip().strip('"') != identity:
            raise OtherIdentityError("the model has another identity, or is not served")

    def is_added(self, name: str, caller: Caller) -> bool:
        """Return True if a model of this name was added that the caller may see."""
        if self._models is None or not NAME.fullmatch(name):
            return False
        place = self._models / name
        return (place / CARD).is_file() and is_seen_by(place, caller.owner)

    def is_there(self, card: ModelCard) -> bool:
        """Return True if the model of an announced card still exists: False for an
        added model that was deleted or replaced since."""
        if not card.job:
            return True
        return self._models is not None and self.job_of(card.name) == card.job

    def job_of(self, name: str) -> str:
        """Return the id of the job that made an added model; empty if none did, or if
        no model can have this name."""
        if not NAME.fullmatch(name):
            return ""
        return owner_of(self._folder() / name).job

    def write(
        self, part: Path, name: str, owner: Owner, card: BinaryIO, *weights: BinaryIO
    ) -> None:
        """Write an uploaded model to the directory `part`, with its owner, and delete
        old drafts.

        card, weights: the uploaded files.

        Raises UnusableModelError if they do not fit together, and AddedFullError if all
        added models are too large together.
        """
        sweep(self._folder())
        part.mkdir(parents=True)
        _write(part, name, card, weights)
        (part / OWNER).write_text(owner.model_dump_json(), encoding="utf-8")
        self.expect_room()

    def expect_place(self) -> None:
        """Raise AddedFullError if there are MOST_MODELS added models."""
        if len(names_in(self._folder())) >= MOST_MODELS:
            raise AddedFullError(
                f"{MOST_MODELS} models are added, which is the limit: delete one first"
            )

    def expect_room(self, more: int = 0) -> None:
        """Raise AddedFullError if all files together exceed the limit of the settings:
        added models, trainings and models for browsers, and `more` bytes."""
        if self.figures()[1] + more > self._settings.added_mib * _MIB:
            raise AddedFullError(
                f"added models may have {self._settings.added_mib} MiB: delete one first"
            )

    def figures(self) -> tuple[int, int]:
        """Return the number of open trainings, and the bytes of all added models,
        uploads and models for browsers, for metrics; (0, 0) without a directory."""
        if self._models is None:
            return 0, 0
        trainings = list(uploads_in(self._models.parent).glob("[!.]*"))
        portable = self._settings.portable_dir
        size = _size(self._models.parent) + (_size(portable) if portable else 0)
        return len(trainings), size

    def delete(self, name: str, caller: Caller) -> None:
        """Delete the caller's own model. Raises UnknownModelError for any other, or if
        there is none."""
        self._place(name)
        if not exchanges.delete(self._folder().parent, name, caller.owner):
            raise _unknown()

    def packed(self, name: str, caller: Caller) -> "PackedModel":
        """Return the model's directory as a zip, which is made while it is read. Raises
        UnknownModelError if the caller does not see such a model."""
        place = self._place(name)
        if not is_seen_by(place, caller.owner):
            raise _unknown()
        try:
            return PackedModel(place)
        except FileNotFoundError:  # deleted meanwhile
            raise _unknown() from None

    def _folder(self) -> Path:
        assert self._models is not None
        return self._models

    def _place(self, name: str) -> Path:
        if (
            self._models is None
            or not NAME.fullmatch(name)
            or not (self._models / name / CARD).is_file()
        ):
            raise _unknown()
        return self._models / name

    def _is_own(self, name: str, caller: Caller) -> bool:
        return caller.owner in (owner_of(self._folder() / name).owner, ANYONE)


class PackedModel:
    """A zip of a model's directory that is made while it is sent: slow readers need
    neither memory nor disk space."""

    def __init__(self, place: Path) -> None:
        """place: the model's directory."""
        weights = sorted(place.rglob("*.safetensors"))
        self._place = place
        self._files = [CARD, *(str(path.relative_to(place)) for path in weights)]
        self._is_wanted = True

    def end(self) -> None:
        """Stop making the zip: the reader has left."""
        self._is_wanted = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the zip in blocks of up to 256 KiB. If a new version replaces the model
        meanwhile, the zip contains the old one. Raises UnknownModelError if the model
        is deleted meanwhile."""
        outlet = Outlet()
        # The directory of a model that is exchanged gets another name, and is deleted
        # only later: opened once, it has the files of one version.
        try:
            directory = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            raise _unknown() from None
        try:
            # Stored, because weights do not compress.
            with zipfile.ZipFile(outlet, "w") as archive:
                for path in self._files:
                    if not self._is_wanted:
                        return
                    entry = zipfile.ZipInfo(f"{self._place.name}/{path}")
                    opened = partial(os.open, dir_fd=directory)
                    with (
                        open(path, "rb", opener=opened) as file,
                        archive.open(entry, "w") as packed,
                    ):
                        while await run_sync(_pack, file, packed):
                            yield outlet.take()
                            if not self._is_wanted:
                                return
            yield outlet.take()
        except FileNotFoundError:
            raise _unknown() from None
        finally:
            os.close(directory)


@contextmanager
def whole_or_not(draft: Path, what: str) -> Iterator[None]:
    """Delete the draft when the `with` block ends, also after an error. To keep it,
    rename it inside the block.

    draft: a directory.
    what: what messages call it.

    Raises AddedFullError for an OSError inside the block.
    """
    try:
        yield
    except OSError as error:
        is_full = error.errno in (None, errno.ENOSPC, errno.EDQUOT)
        why = "no room" if is_full else error.strerror
        raise AddedFullError(f"{what} cannot be kept: {why}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(draft: Path, name: str, card: BinaryIO, weights: Sequence[BinaryIO]) -> None:
    """Write a model's files to a directory. Raises UnusableModelError if they do not
    fit together."""
    text = card.read(MAX_CARD_BYTES + 1)
    try:
        read = AddedCard.model_validate_json(text[:MAX_CARD_BYTES])
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, fault["loc"])) or "the whole"
        raise UnusableModelError(
            f"this is no model's card.json: {where} is not as expected"
        ) from None
    if read.name != name:
        raise UnusableModelError("the card has another name than the address")
    files = read.files()
    parts = _parts(files, len(weights))
    (draft / CARD).write_bytes(text)
    for places, sent in zip(parts, weights, strict=True):
        first, *others = [draft / place for place in places]
        first.parent.mkdir(exist_ok=True)
        if _copy(sent, first) != files[places[0]]:
            raise UnusableModelError(
                "the weights are not those whose sha256 the card has"
            )
        for other in others:
            other.parent.mkdir(exist_ok=True)
            # A card may name many files of equal weights. Copies would multiply what a
            # client may send.
            other.hardlink_to(first)


def _parts(files: Mapping[str, str], sent: int) -> list[list[str]]:
    """Return the places of each part of an upload, in the order of the parts.

    files: the SHA-256 of each file by its place.
    sent: the number of parts. A part contains the weights of all places with one
        SHA-256, or of one place: that is what earlier versions expect, so our own
        client sends a part for each place.

    Raises UnusableModelError if there is another number of parts.
    """
    by_sha256: dict[str, list[str]] = {}
    for place, sha256 in files.items():
        by_sha256.setdefault(sha256, []).append(place)
    if sent == len(by_sha256):
        return list(by_sha256.values())
    if sent == len(files):
        return [[place] for place in files]
    raise UnusableModelError(
        f"expected {len(by_sha256)} files of weights: of the card's members, then of its "
        "guides, once for each sha256"
    )


def _pack(file: BinaryIO, packed: IO[bytes]) -> int:
    """Copy the next block of a file; return how many bytes it has, 0 at the end."""
    return packed.write(file.read(_BLOCK))


def _copy(source: BinaryIO, target: Path) -> str:
    """Copy a file; return the SHA-256 of its bytes in hexadecimal digits."""
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while block := source.read(_MIB):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def sweep(folder: Path) -> None:
    """Delete drafts in a folder that an API left behind when it died, an hour after
    their last change; those of exchanges stay (exchanges.py)."""
    kept = {*drafts_in(folder).values(), *formers_in(folder).values()}
    for draft in set(folder.glob(".*")) - kept:
        with suppress(OSError):
            if draft.stat().st_mtime < time.time() - _DRAFT_S:
                shutil.rmtree(draft)


def _size(folder: Path) -> int:
    """Return the bytes of all files in a folder, in which others may write and delete
    meanwhile."""
    size = 0
    # Unlike Path.rglob, os.walk leaves out a directory that is deleted before it is read.
    for directory, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                size += Path(directory, name).stat().st_size
    return size


def _unknown() -> UnknownModelError:
    return UnknownModelError("no model of this name was added that you may see")
