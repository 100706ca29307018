"""Shared parts of the verbs of `pixelrnn remote`: a client of the service, waiting for
a job, and writing its picture."""

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
"""How often a call is tried, at most."""
STDOUT = Path("-")
FORMATS = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
"""Formats in which the service draws a picture, by suffix."""


class RemoteError(PixelRNNError):
    """The service refused a request or did not respond, a job did not succeed, or a
    file cannot be read or written."""


@dataclass(frozen=True)
class Service:
    """The service's address, and the user's key if it needs one."""

    url: str
    key: str | None


@dataclass(frozen=True)
class Destination:
    """Where the picture of a job goes.

    out: the file; `-`: stdout; None: none.
    scale: pixels per side of each pixel.
    show: True to show it in the terminal, too.
    """

    out: Path | None
    scale: int
    show: bool

    def check(self) -> None:
        """Raise RemoteError or DataError if the picture could not be written there, and
        MissingExtraError if it could not be shown, before anything is drawn."""
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
    """Context manager that yields a client of the service. ServiceError and OSError
    raised in the block become RemoteError, with a sentence for a shell."""
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
    """Wait until a job has succeeded, showing how many of its rows are drawn, and
    return its document. Raises JobEndedError if it failed or was canceled."""
    on_share: OnShare = work.begin(f"{job.state['model']}: waiting")
    for i, _ in enumerate(job.rows(), 1):
        if i == 1:
            on_share = work.begin(f"{job.state['model']}: drawing")
        on_share(i / max(job.state["rows_total"], 1))
    return dict(job.wait())


def keep_picture(
    client: "Client", job_id: str, destination: Destination, **which: Any
) -> "Image.Image | None":
    """Request a job's picture, and write it in the format of its file name; nothing is
    written if the destination has no file. Return the picture if it is to be shown,
    else None.

    which: further parameters of the picture's address, such as sample.
    """
    suffix = destination.out.suffix.lower() if destination.out else ""
    data = picture_of(
        client,
        job_id,
        scale=destination.scale,
        format=FORMATS.get(suffix, "png"),
        **which,
    )
    if destination.out:
        write_file(data, destination.out)
    return _open_picture(data) if destination.show else None


def write_file(data: bytes, out: Path) -> None:
    """Write a file, or to stdout if `out` is `STDOUT`."""
    if out == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        out.write_bytes(data)


def picture_of(client: "Client", job_id: str, **which: Any) -> bytes:
    """Return a job's picture as the bytes of a file.

    which: parameters of its address, such as scale and format.
    """
    from pixelrnn.client.calls import get

    return client.send(get(f"/jobs/{job_id}/image", **which)).content


def _open_picture(data: bytes) -> "Image.Image":
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB")
