"""One image of a job as a PNG that is sent row by row while it is drawn."""

from collections.abc import AsyncIterator

from app.entries import Entry
from app.errors import BadParameterError
from app.imaging.progressive import ProgressivePng
from app.imaging.render import MAX_SIDE, own_of
from app.schema.answers import Job
from app.services.row_feed import RowFeed
from app.services.row_reader import Follower
from worker.contract.events import EventType, RowDrawn, Stage
from worker.contract.jobs import JobRecord
from worker.contract.kinds import ALL_KINDS
from worker.contract.picture_file import origin_of, packet_of


class UnfinishedPictureError(Exception):
    """The job ended, or this process stops, before the last row was sent."""


class FollowedPicture:
    """The PNG of one image of a job that is being drawn."""

    def __init__(
        self, record: JobRecord, sample: int, stage: Stage, scale: int, marked: bool
    ) -> None:
        """record: the job.
        sample, stage: which of its images.
        scale: side of the square that each pixel becomes.
        marked: True if the file shall say that a model made it.

        Raises BadParameterError if the job draws no such image row by row, or the scale
        is too large.
        """
        spec = record.spec
        has_no_small = stage is Stage.SMALL and not spec.draws_small
        if not spec.rows_total or spec.options.places or has_no_small:
            raise BadParameterError(
                "follow: this picture is not drawn row by row; "
                "ask for it without follow"
            )
        if sample >= spec.n:
            raise BadParameterError(
                f"sample: the job has the samples 0 to {spec.n - 1}"
            )
        self._height, width = spec.height, spec.width
        if stage is Stage.SMALL:
            self._height, width = spec.small_height, spec.small_width
        if max(self._height, width) * scale > MAX_SIDE:
            raise BadParameterError(
                f"scale: at most {MAX_SIDE // max(self._height, width)} here"
            )
        self._sample = sample
        self._stage = stage
        self._png = ProgressivePng(
            self._height, width, spec.channels, scale, spec.palette
        )
        source = ALL_KINDS[spec.kind].source if marked else None
        self._mark = "" if source is None else packet_of(source)
        own = own_of(spec)[sample] if own_of(spec) else {}
        self._text = {
            **origin_of(spec, record.numerics),
            **own,
            "sample": str(spec.first + sample),
        }

    async def chunks(
        self, feed: RowFeed, job: Job, follower: Follower
    ) -> AsyncIterator[bytes]:
        """Yield the file in pieces, as rows come.

        feed, follower: read the job's rows; the follower is one of `feed.follow`.

        Raises UnfinishedPictureError if the job or this process ends before the last
        row, and RefusedError if the job is deleted meanwhile.
        """
        yield self._png.head(self._text, self._mark)
        missing = self._height
        async for batch in feed.entries(job, follower):
            rows = self._rows(batch)
            missing -= len(rows)
            data = b"".join(self._png.row(row.pixel_bytes()) for row in rows)
            if missing == 0:
                yield data + self._png.tail()
                return
            if data:
                yield data
        raise UnfinishedPictureError

    def _rows(self, batch: list[Entry]) -> list[RowDrawn]:
        """Return the rows of this image in a batch, from the top down."""
        rows = (
            RowDrawn.model_validate_json(entry.data)
            for entry in batch
            if entry.type is EventType.ROW
        )
        return [
            row
            for row in rows
            if row.sample == self._sample and row.stage is self._stage
        ]
