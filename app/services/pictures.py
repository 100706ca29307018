"""The pictures of a job: its images as far as they are drawn, its input, and maps."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from app.errors import (
    BadParameterError,
    NoBlobError,
    NoBlobYetError,
    NoGivenError,
    NoMarginalsError,
    NoMarginalsYetError,
    NoPictureError,
    NoRowsYetError,
    NoScoreError,
    NoScoreYetError,
    RefusedError,
    TooManyBytesError,
)
from app.imaging.archive import Archive
from app.imaging.cutouts import filled_canvas
from app.imaging.preview import half_preview_of
from app.imaging.render import (
    Canvas,
    PictureFormat,
    drawn_pixels,
    grid_file,
    sample_file,
)
from app.schema.answers import MarginalMap, ScoreMap
from app.store import Store
from worker.contract.events import EventType, RowDrawn, Stage
from worker.contract.fairness import Shares
from worker.contract.jobs import JobRecord, JobSpec
from worker.contract.kind import Input, Shows
from worker.contract.kinds import ALL_KINDS
from worker.contract.maps import unpack_map
from worker.contract.several import summaries_of

MOST_ARCHIVE_BYTES = 96 * 2**20
"""Bytes that all archives that are being sent may take in memory. Their readers may be
slow, and a picture may have tens of megabytes."""


class Pictures:
    """Renders the pictures of jobs, in threads."""

    def __init__(
        self, store: Store, imaging: CapacityLimiter, marked: bool = True
    ) -> None:
        """store: the jobs' rows and pictures.
        imaging: limits how many pictures are rendered at once.
        marked: True if files shall say that a model made them."""
        self._store = store
        self._imaging = imaging
        self._marked = marked
        self._archives = Shares(MOST_ARCHIVE_BYTES)

    async def picture(
        self,
        record: JobRecord,
        stage: Stage,
        sample: int | None,
        scale: int,
        kind: PictureFormat,
    ) -> bytes:
        """Return the file of one image, as far as it is drawn.

        sample: index of the image; None for all images in a grid.
        scale: side of the square that each pixel becomes.

        Raises BadParameterError for parameters that do not suit the job, and a
        RefusedError whose name says what is missing, such as NoRowsYetError (not yet)
        or NoPictureError (never).
        """

        def file_of(canvas: Canvas) -> bytes:
            if sample is None:
                return grid_file(canvas, scale, kind)
            return sample_file(canvas, sample, scale, kind)

        with _final_if_ended(record):
            if not record.spec.options.places:
                canvas = await self._canvas(record, stage)
                return await run_sync(file_of, canvas, limiter=self._imaging)
            # One turn for all of it: a request that waits holds no large picture.
            async with self._imaging:
                return await run_sync(file_of, await self._canvas(record, stage))

    async def first_pixels(self, record: JobRecord) -> bytes:
        """Return the pixels of the first image of a sample that has succeeded, H*W*C
        bytes."""
        return drawn_pixels(await self._canvas(record, Stage.FINAL), 0)

    async def half_preview(self, record: JobRecord, *words: str) -> bytes:
        """Return the preview of a sample's first image, half covered.

        words: the words beside it. Default: the usual ones.
        """
        canvas = await self._canvas(record, Stage.FINAL)
        return await run_sync(half_preview_of, canvas, *words, limiter=self._imaging)

    async def initial_pixels(self, spec: JobSpec) -> bytes:
        """Return the pixels of an image before its first row, H*W*C bytes: black,
        except for the given pixels of a completion."""
        pixels = await self._store.picture(spec.id, "pixels") or b""
        keep = await self._store.picture(spec.id, "keep") or bytes(
            spec.height * spec.width
        )
        C = spec.channels
        return b"".join(
            pixels[C * i : C * i + C] if kept else bytes(C)
            for i, kept in enumerate(keep)
        )

    async def partial(
        self, spec: JobSpec, pixels: bytes, scale: int, kind: PictureFormat
    ) -> bytes:
        """Return the file of an unfinished image, without the text that says how to
        draw it again.

        pixels: H*W*C bytes.
        """
        canvas = Canvas(
            1,
            spec.height,
            spec.width,
            spec.channels,
            {0: pixels},
            {},
            first=spec.first,
            source=ALL_KINDS[spec.kind].source if self._marked else None,
            values=spec.values,
            palette=spec.palette,
        )
        return await run_sync(
            sample_file, canvas, 0, scale, kind, limiter=self._imaging
        )

    async def archive(self, record: JobRecord, stage: Stage, scale: int) -> Archive:
        """Return a zip of all images as far as they are drawn. Raises NoRowsYetError,
        or NoPictureError if there never will be a row, and BadParameterError for a
        stage that the job does not have or too large a scale."""
        with _final_if_ended(record):
            if not record.spec.options.places:
                return Archive(await self._canvas(record, stage), scale, self._imaging)
            async with self._imaging:
                canvas = await self._canvas(record, stage)
            return Archive(canvas, scale, self._imaging)

    def expect_room(self, archive: Archive, account: str) -> None:
        """Raise TooManyBytesError if archives that are being sent leave no room for
        this one, or if this account would have more bytes than are free. Call this
        method after `archive` without an `await` between them, and `sending` after
        it."""
        if not self._archives.allow(account, _counted_bytes(archive)):
            raise TooManyBytesError(
                "zips of pictures that are not read yet take all memory for them, or "
                "this client's share of it; read those first"
            )

    @contextmanager
    def sending(
        self, archive: Archive, account: str
    ) -> Iterator[tuple[Archive, AsyncGenerator[bytes, None]]]:
        """Yield the archive and its chunks, and count its bytes for the account inside
        the `with` block. Call `expect_room` before: nothing is refused here."""
        with self._archives.counted(account, _counted_bytes(archive)):
            yield archive, archive.chunks()

    async def _canvas(self, record: JobRecord, stage: Stage) -> Canvas:
        """Return the canvas of a job's images in one stage, or of what jobs of its kind
        show instead. For a job of cut-outs, call it within a turn of `_imaging`: its
        canvas holds the large picture."""
        spec = record.spec
        kind = ALL_KINDS[spec.kind]
        if stage is Stage.SMALL and not (spec.rows_total and spec.small_height):
            raise BadParameterError(
                "stage: this job has no small image; "
                "only Multi-Scale models begin with one"
            )
        if kind.shows is Shows.NOTHING:
            raise NoPictureError("jobs of this kind draw nothing")
        if kind.shows is Shows.GRID:
            grid = await self._store.picture(spec.id, "grid")
            if grid is None:
                raise NoRowsYetError("there is no grid of samples yet")
            return await run_sync(
                Canvas.of_grid, spec, grid, self._marked, limiter=self._imaging
            )
        if kind.shows is Shows.HEAT:
            scores, heat = await self._scores_and_kept(record, "heat")
            return Canvas.of_scores(spec, scores, heat)
        shows_input = kind.shows is Shows.GIVEN
        if stage is Stage.SMALL:
            shows_input = kind.input is Input.SMALL_PICTURE
        if shows_input:
            pixels = await self._store.picture(spec.id, "pixels") or b""
            return Canvas.of_given(spec, pixels, stage)
        if spec.n == 0:
            return Canvas.of_marginals(spec, await self.marginals(record, "mean"))
        entries = await self._store.entries(spec.id)
        rows = (
            RowDrawn.model_validate_json(entry.data)
            for entry in entries
            if entry.type is EventType.ROW
        )
        canvas = Canvas.of(
            spec, rows, stage, record.numerics, self._marked, record.result
        )
        if not spec.options.places:
            return canvas
        upload, keep = [
            await self._store.picture(spec.id, field) or b""
            for field in ("upload", "keep")
        ]
        return await run_sync(filled_canvas, spec, upload, keep, canvas)

    async def input_picture(
        self,
        spec: JobSpec,
        of: Literal["image", "mask"],
        number: int,
        picture: PictureFormat,
    ) -> bytes:
        """Return an input picture or its mask, as a file. The input picture of an
        encoding job is the grid of all its pictures.

        of: which of the two.
        number: index of the picture.
        picture: the file's format.

        Raises NoGivenError if the job had no such input, and BadParameterError for an
        index that does not exist.
        """
        wanted = ALL_KINDS[spec.kind].input
        field = "pixels" if of == "image" else "keep"
        raw = _part(spec, number, await self._store.picture(spec.id, field))
        if not raw or wanted is Input.CODED_FILE:
            raise NoGivenError(f"no {of} was handed in with this job")
        if of == "mask":
            canvas = Canvas.of_mask(spec, raw)
        else:
            is_small = wanted is Input.SMALL_PICTURE
            stage = Stage.SMALL if is_small else Stage.FINAL
            canvas = Canvas.of_given(spec, raw, stage)
        if wanted is Input.PICTURES:
            return await run_sync(grid_file, canvas, 1, picture, limiter=self._imaging)
        return await run_sync(sample_file, canvas, 0, 1, picture, limiter=self._imaging)

    async def blob(self, record: JobRecord) -> bytes:
        """Return the file of an encoding. Raises NoBlobYetError before it has ended,
        and NoBlobError if there is no file."""
        only = "only a job of POST /encode has a file"
        yet = "the pictures are not encoded yet"
        _expect_kept(record, "blob", NoBlobError(only), NoBlobYetError(yet))
        data = await self._store.picture(record.spec.id, "blob")
        if data is None:
            raise NoBlobError(
                "the job ended without a file; its status and error say why"
            )
        return data

    async def score_map(self, record: JobRecord, number: int) -> ScoreMap:
        """Return the bits of every variable of a picture.

        number: index of the picture.

        Raises NoScoreYetError before the score has ended, NoScoreError if there is
        none, and BadParameterError for an index that does not exist.
        """
        spec = record.spec
        # A map of a large picture has a megabyte, and takes a tenth of a second.
        async with self._imaging:
            _, bits = await self._scores_and_kept(record, "bits")
            raw = _part(spec, number, bits)
            rows = await run_sync(_rows, spec, raw)
        return ScoreMap(
            height=spec.height, width=spec.width, channels=spec.channels, bits=rows
        )

    async def marginals(
        self, record: JobRecord, of: Literal["mean", "entropy"], number: int = 0
    ) -> MarginalMap:
        """Return a map of a completion by `posterior`: the expected value of each
        variable, or its entropy in bits.

        number: index of the picture.

        Raises NoMarginalsYetError before it has ended, NoMarginalsError if there is no
        map, and BadParameterError for an index that does not exist.
        """
        spec = record.spec
        only = "only a completion by `posterior` has marginals"
        yet = "the completion is not drawn yet"
        _expect_kept(record, "mean", NoMarginalsError(only), NoMarginalsYetError(yet))
        raw = _part(spec, number, await self._store.picture(spec.id, of))
        found = None if record.result is None else summaries_of(record.result)[number]
        if found is None or found.posterior is None or not found.values or not raw:
            raise NoMarginalsError(
                "the job ended without a completion; its status and error say why"
            )
        receipt = found.posterior
        n = max(1, spec.n // spec.options.picture_count)
        return MarginalMap(
            of=of,
            height=spec.height,
            width=spec.width,
            channels=spec.channels,
            values=spec.values or found.values,
            draws=n * (receipt.particles or 1),
            ancestors=n * (receipt.distinct or 1),
            map=_rows(spec, raw),
        )

    async def marginals_png(
        self, spec: JobSpec, found: MarginalMap, scale: int
    ) -> bytes:
        """Return a map as PNG: a mean as the pixel that it stands for, an entropy from
        black (0) to white (log2 of the number of values). Raises BadParameterError if
        the scale is too large."""
        canvas = Canvas.of_marginals(spec, found)
        return await run_sync(sample_file, canvas, 0, scale, limiter=self._imaging)

    async def _scores_and_kept(
        self, record: JobRecord, field: str
    ) -> tuple[Sequence[Any], bytes]:
        """Return the scores of all pictures, and their bytes in a field of
        `keys.image`."""
        only = "only a job of POST /score has a score"
        yet = "the picture is not scored yet"
        _expect_kept(record, field, NoScoreError(only), NoScoreYetError(yet))
        picture = await self._store.picture(record.spec.id, field)
        if record.result is None or picture is None:
            raise NoScoreError(
                "the job ended without a score; its status and error say why"
            )
        return summaries_of(record.result), picture


def _counted_bytes(archive: Archive) -> int:
    """Return the bytes that an archive counts for. One that is larger than all room
    counts for just that, so that it is sent if there is no other."""
    return min(archive.bytes_held, MOST_ARCHIVE_BYTES)


@contextmanager
def _final_if_ended(record: JobRecord) -> Iterator[None]:
    """Context manager that replaces NoRowsYetError, after which a client tries again,
    by NoPictureError if the job had ended when `record` was read."""
    try:
        yield
    except NoRowsYetError as error:
        if record.status.is_terminal:
            raise NoPictureError(error.detail) from None
        raise


def _expect_kept(
    record: JobRecord, field: str, never: RefusedError, not_yet: RefusedError
) -> None:
    """Raise `never` if jobs with these options store no such field, and `not_yet`
    before the job has ended."""
    if field not in record.spec.options.keeps:
        raise never
    if not record.status.is_terminal:
        raise not_yet


def _part(spec: JobSpec, number: int, raw: bytes | None) -> bytes:
    """Return the part of stored bytes that belongs to one picture. Raises
    BadParameterError for an index that does not exist."""
    count = spec.options.picture_count
    if number >= count:
        raise BadParameterError(
            f"picture: expected 0 to {count - 1}, an index of those that were handed in"
        )
    raw = raw or b""
    size = len(raw) // count
    return raw[number * size : (number + 1) * size]


def _rows(spec: JobSpec, raw: bytes) -> list[list[list[float]]]:
    """Return a stored map as lists, with the six digits that single precision has."""
    stored = unpack_map(raw, spec.height, spec.width, spec.channels)
    return [
        [[float(f"{value:.6g}") for value in pixel] for pixel in row] for row in stored
    ]
