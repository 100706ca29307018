"""The pictures of a job: its samples as far as they are drawn, or where a score's bits are."""

from collections.abc import Sequence
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
    NoRowsYetError,
    NoScoreError,
    NoScoreYetError,
    RefusedError,
)
from app.imaging.archive import Archive
from app.imaging.cutouts import filled_canvas
from app.imaging.render import Canvas, PictureFormat, grid_file, sample_file
from app.schema.answers import MarginalMap, ScoreMap
from app.store import Store
from worker.contract.events import EventType, RowDrawn, Stage
from worker.contract.jobs import JobRecord, JobSpec
from worker.contract.kind import Input, Shows
from worker.contract.kinds import ALL_KINDS
from worker.contract.maps import unpack_map
from worker.contract.several import summaries_of


class Pictures:
    """`imaging` bounds how many pictures are made at once. marked: those that were drawn say so."""

    def __init__(
        self, store: Store, imaging: CapacityLimiter, marked: bool = True
    ) -> None:
        self._store = store
        self._imaging = imaging
        self._marked = marked

    async def picture(
        self,
        record: JobRecord,
        stage: Stage,
        sample: int | None,
        scale: int,
        kind: PictureFormat,
    ) -> bytes:
        """One sample, or with None all of them in a grid, as far as they are drawn; each pixel a square of `scale`.

        Raises BadParameterError for a stage or sample that the job does not have and for too large a scale,
        NoRowsYetError, NoScoreYetError, NoScoreError, NoMarginalsYetError, NoMarginalsError.
        """
        canvas = await self._canvas(record, stage)
        if sample is None:
            return await run_sync(grid_file, canvas, scale, kind, limiter=self._imaging)
        return await run_sync(
            sample_file, canvas, sample, scale, kind, limiter=self._imaging
        )

    async def begun(self, spec: JobSpec) -> bytes:
        """The pixels of an image before its first row, H*W*C bytes: black, but for what a completion keeps."""
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
        """A picture of an image that is not whole, which does not say how to draw it again."""
        source = ALL_KINDS[spec.kind].source if self._marked else None
        shown = {0: pixels}, {}, spec.first, source, spec.values
        canvas = Canvas(
            1, spec.height, spec.width, spec.channels, *shown, palette=spec.palette
        )
        return await run_sync(
            sample_file, canvas, 0, scale, kind, limiter=self._imaging
        )

    async def archive(self, record: JobRecord, stage: Stage, scale: int) -> Archive:
        """All samples as far as they are drawn, each as `picture` has it. Raises as `picture` does."""
        return Archive(await self._canvas(record, stage), scale, self._imaging)

    async def _canvas(self, record: JobRecord, stage: Stage) -> Canvas:
        """The samples in one stage, the heat map of a score, the picture of a verification or those of an encoding; the
        expected picture where none is drawn."""
        spec = record.spec
        kind = ALL_KINDS[spec.kind]
        if stage is Stage.SMALL and not (spec.rows_total and spec.small_height):
            raise BadParameterError(
                "stage: this job has no small image; only Multi-Scale models begin with one"
            )
        if kind.shows is Shows.NOTHING:
            raise NoRowsYetError("this job has no picture")
        if kind.shows is Shows.GRID:
            if (grid := await self._store.picture(spec.id, "grid")) is None:
                raise NoRowsYetError("there is no grid of samples yet")
            return await run_sync(
                Canvas.of_grid, spec, grid, self._marked, limiter=self._imaging
            )
        if kind.shows is Shows.HEAT:
            scores, heat = await self._scores_and_kept(record, "heat")
            return Canvas.of_scores(spec, scores, heat)
        if (
            kind.input is Input.SMALL_PICTURE
            if stage is Stage.SMALL
            else kind.shows is Shows.GIVEN
        ):
            return Canvas.of_given(
                spec, await self._store.picture(spec.id, "pixels") or b"", stage
            )
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
        return await run_sync(
            filled_canvas, spec, upload, keep, canvas, limiter=self._imaging
        )

    async def given(
        self,
        spec: JobSpec,
        of: Literal["image", "mask"],
        number: int,
        picture: PictureFormat,
    ) -> bytes:
        """The picture of this number, or its mask, that the job began with; of an encoding the grid of all. Raises
        NoGivenError if it had none."""
        raw = _part(
            spec,
            number,
            await self._store.picture(spec.id, "pixels" if of == "image" else "keep"),
        )
        if not raw or ALL_KINDS[spec.kind].input is Input.CODED_FILE:
            raise NoGivenError(f"no {of} was handed in with this job")
        stage = (
            Stage.SMALL
            if ALL_KINDS[spec.kind].input is Input.SMALL_PICTURE
            else Stage.FINAL
        )
        canvas = (
            Canvas.of_mask(spec, raw)
            if of == "mask"
            else Canvas.of_given(spec, raw, stage)
        )
        if ALL_KINDS[spec.kind].input is Input.PICTURES:
            return await run_sync(grid_file, canvas, 1, picture, limiter=self._imaging)
        return await run_sync(sample_file, canvas, 0, 1, picture, limiter=self._imaging)

    async def blob(self, record: JobRecord) -> bytes:
        """The file of an encoding. Raises NoBlobYetError, NoBlobError."""
        only, yet = (
            "only a job of POST /encode has a file",
            "the pictures are not encoded yet",
        )
        _expect_kept(record, "blob", NoBlobError(only), NoBlobYetError(yet))
        data = await self._store.picture(record.spec.id, "blob")
        if data is None:
            raise NoBlobError(
                "the job ended without a file; its status and error say why"
            )
        return data

    async def score_map(self, record: JobRecord, number: int) -> ScoreMap:
        """The bits of every variable of a picture. Raises NoScoreYetError, NoScoreError, BadParameterError."""
        spec = record.spec
        _, bits = await self._scores_and_kept(record, "bits")
        raw = _part(spec, number, bits)
        return ScoreMap(
            height=spec.height,
            width=spec.width,
            channels=spec.channels,
            bits=_rows(spec, raw),
        )

    async def marginals(
        self, record: JobRecord, of: Literal["mean", "entropy"], number: int = 0
    ) -> MarginalMap:
        """The expectation of each pixel of a picture by a completion by `posterior`. Raises NoMarginalsYetError,
        NoMarginalsError, BadParameterError."""
        spec = record.spec
        only, yet = (
            "only a completion by `posterior` has marginals",
            "the completion is not drawn yet",
        )
        _expect_kept(record, "mean", NoMarginalsError(only), NoMarginalsYetError(yet))
        raw = _part(spec, number, await self._store.picture(spec.id, of))
        found = None if record.result is None else summaries_of(record.result)[number]
        if found is None or found.posterior is None or not found.values or not raw:
            raise NoMarginalsError(
                "the job ended without a completion; its status and error say why"
            )
        receipt, n = found.posterior, max(1, spec.n // spec.options.picture_count)
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
        """The same as a picture: a mean as the pixel that it would be, an entropy from black, 0, to white, log2 V.

        Raises BadParameterError for too large a scale.
        """
        canvas = Canvas.of_marginals(spec, found)
        return await run_sync(sample_file, canvas, 0, scale, limiter=self._imaging)

    async def _scores_and_kept(
        self, record: JobRecord, field: str
    ) -> tuple[Sequence[Any], bytes]:
        """The scores of all pictures, and what is kept of these in a field."""
        only, yet = (
            "only a job of POST /score has a score",
            "the picture is not scored yet",
        )
        _expect_kept(record, field, NoScoreError(only), NoScoreYetError(yet))
        picture = await self._store.picture(record.spec.id, field)
        if record.result is None or picture is None:
            raise NoScoreError(
                "the job ended without a score; its status and error say why"
            )
        return summaries_of(record.result), picture


def _expect_kept(
    record: JobRecord, field: str, never: RefusedError, not_yet: RefusedError
) -> None:
    """Raises `never` where such a job keeps no such picture, and `not_yet` before it has ended."""
    if field not in record.spec.options.keeps:
        raise never
    if not record.status.is_terminal:
        raise not_yet


def _part(spec: JobSpec, number: int, raw: bytes | None) -> bytes:
    """The part that is of one picture, of what is kept of all. Raises BadParameterError where there is none."""
    count = spec.options.picture_count
    if number >= count:
        raise BadParameterError(
            f"picture: expected 0 to {count - 1}, a number of those that were handed in"
        )
    raw = raw or b""
    size = len(raw) // count
    return raw[number * size : (number + 1) * size]


def _rows(spec: JobSpec, raw: bytes) -> list[list[list[float]]]:
    """A stored map, each number with the digits that single precision has."""
    stored = unpack_map(raw, spec.height, spec.width, spec.channels)
    return [
        [[float(f"{value:.6g}") for value in pixel] for pixel in row] for row in stored
    ]
