"""Shared parts of the verbs of `pixelrnn remote`: a client of the service, a job followed to its end, its picture
destination."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_core.cli.progress import OnShare, Work
from model_core.errors import PixelRNNError
from model_core.places import check_place
from pixelrnn.extras import expect

if TYPE_CHECKING:
    from PIL import Image

    from pixelrnn.client import Client, Job

TRIES = 4
STDOUT = Path("-")
FORMATS = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}


class RemoteError(PixelRNNError):
    """The service refused or did not answer, a job of it did not succeed, or a file cannot be read or written."""


@dataclass(frozen=True)
class Service:
    """The service's place, and who asks."""

    url: str
    key: str | None


@dataclass(frozen=True)
class Destination:
    """The way a job's picture is destination: file, scale, and whether the terminal shows it."""

    out: Path | None
    scale: int
    show: bool

    def check(self) -> None:
        """An error where it could not be written, MissingExtraError where not shown: before anything is drawn."""
        if self.show:
            expect("worker")
        if self.out == STDOUT:
            if sys.stdout.isatty():
                raise RemoteError(
                    "a picture is not for a terminal: send it on, as in `--out - > picture.png`"
                )
        elif self.out and self.out.suffix.lower() not in FORMATS:
            raise RemoteError(
                f"cannot write {self.out}: expected a name that ends in {', '.join(FORMATS)}, or -"
            )
        elif self.out:
            check_place(self.out)


@contextmanager
def client_of(place: Service) -> Iterator["Client"]:
    """A client; whatever goes wrong with it or with files is a RemoteError."""
    from pixelrnn.client import Client, ServiceError, UnreachableError

    try:
        with Client(place.url, place.key, TRIES) as client:
            yield client
    except UnreachableError:
        raise RemoteError(
            f"no service answers at {place.url}: start one (pixelrnn up), or give --url"
        ) from None
    except ServiceError as error:
        raise RemoteError(str(error)) from None
    except OSError as error:
        raise RemoteError(f"{error.filename or 'a file'}: {error.strerror}") from None


def follow(job: "Job[Any]", work: Work) -> dict[str, Any]:
    """The job's document after its success; meanwhile it is shown how many of its rows are drawn."""
    on_share: OnShare = work.begin(f"{job.state['model']}: waiting")
    for i, _ in enumerate(job.rows(), 1):
        if i == 1:
            on_share = work.begin(f"{job.state['model']}: drawing")
        on_share(i / max(job.state["rows_total"], 1))
    return dict(job.wait())


def keep_picture(
    client: "Client", job_id: str, destination: Destination, **which: Any
) -> "Image.Image | None":
    """Write the job's picture in the format that its name ends in; returns it where it is to be shown. which: the query
    of the picture."""
    suffix = destination.out.suffix.lower() if destination.out else ""
    data = picture_of(
        client,
        job_id,
        scale=destination.scale,
        format=FORMATS.get(suffix, "png"),
        **which,
    )
    if destination.out == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    elif destination.out:
        destination.out.write_bytes(data)
    return _open_picture(data) if destination.show else None


def picture_of(client: "Client", job_id: str, **which: Any) -> bytes:
    """The picture as a file. which: its query."""
    from pixelrnn.client.calls import get

    return client.send(get(f"/jobs/{job_id}/image", **which)).content


def _open_picture(data: bytes) -> "Image.Image":
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB")
