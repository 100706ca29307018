"""Several pictures sent to a running service, in as few jobs as possible."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_core.cli.progress import Work
from pixelrnn.client.errors import ApiError
from pixelrnn.kind_results import Done, How
from pixelrnn.remote_job import RemoteError, picture_of
from pixelrnn.several import Results, places
from worker.contract.kind import Kind
from worker.contract.options import MAX_IMAGES

if TYPE_CHECKING:
    from pixelrnn.client import Client, Job

AHEAD = 2
"""Jobs that are sent while an earlier one is waited for, so that the service has always
something to do."""
_TOO_LARGE = 413


@dataclass(frozen=True)
class Several:
    """Sends several pictures to a service, and collects their results.

    folder: the folder in which the pictures lie, for completions.
    """

    kind: Kind
    client: "Client"
    options: dict[str, Any]
    how: How
    folder: Path | None = None
    results: Results = field(default_factory=Results)

    def ask(self, files: Sequence[Path], work: Work) -> Done:
        """Send the pictures in jobs of up to MAX_IMAGES images, wait for all, write
        completions to files below `how.out`, and return the results. A picture that the
        service refuses, or that cannot be read, is left out, with the reason.

        Raises ServiceError for a refusal that is about no single picture or a job that
        fails, RemoteError if a file holds several pictures, and DataError if every
        picture was left out.
        """
        on_share = work.begin(f"{self.kind.word}: {len(files)} pictures")
        most = max(1, MAX_IMAGES // self.options.get("n", 1))
        calls = (
            call
            for i in range(0, len(files), most)
            for call in self._jobs(i, files[i : i + most])
        )
        waiting: deque[tuple[Sequence[Path], Job[Any]]] = deque()
        # The calls at the end stand for no job: they make the loop take those that
        # still wait.
        for call in chain(calls, [None] * AHEAD):
            waiting += [call] if call else []
            if waiting and (call is None or len(waiting) > AHEAD):
                self._take(*waiting.popleft())
                on_share(
                    (len(self.results.pictures) + len(self.results.left_out))
                    / len(files)
                )
        return self.results.done(self.options["model"])

    def _jobs(
        self, first: int, files: Sequence[Path]
    ) -> Iterator[tuple[Sequence[Path], "Job[Any]"]]:
        """Send these pictures, the first of which has the number `first`. Yields one
        job, or several if that is too much for one request; a picture that is refused
        is left out, and the others are sent again."""
        if not files:
            return
        try:
            job = self._job(first, files)
        except (ApiError, OSError) as error:
            refused = _number_of_refused(error, files)
            if (
                isinstance(error, ApiError)
                and error.status == _TOO_LARGE
                and len(files) > 1
            ):
                # How many bytes the service accepts is not known here, so the pictures
                # are halved.
                parts = (0, len(files) // 2), (len(files) // 2, len(files))
            elif refused is not None:
                self.results.left_out.append(f"{files[refused]}: {_reason(error)}")
                parts = (0, refused), (refused + 1, len(files))
            else:
                raise
            for begin, end in parts:
                yield from self._jobs(first + begin, files[begin:end])
        else:
            yield files, job

    def _job(self, first: int, files: Sequence[Path]) -> "Job[Any]":
        n = self.options.get("n", 1)
        numbers = (
            {"first": self.options.get("first", 0) + first * n}
            if self.kind.draws
            else {}
        )
        return getattr(self.client, self.kind.word)(
            **{**self.options, "image": list(files), **numbers}
        )

    def _take(self, files: Sequence[Path], job: "Job[Any]") -> None:
        """Wait for a job, note the facts of each of its pictures, and write its
        completions. Raises RemoteError if it has more pictures than files, and what
        `ask` raises."""
        result = job.result()
        pictures = result.get("pictures") or [result]
        if len(pictures) != len(files):
            raise RemoteError(
                f"{len(pictures)} pictures in {len(files)} files: a file that holds "
                f"several, such as a zip, must be alone; job {job.id} has the results"
            )
        n = self.options.get("n", 1)
        for i, (file, facts) in enumerate(zip(files, pictures, strict=True)):
            told = {"file": str(file), "job": job.id, **facts}
            if self.folder is not None and self.how.out is not None:
                outs = places(self.how.out, self.folder, file, n)
                for j, out in enumerate(outs):
                    out.write_bytes(
                        picture_of(
                            self.client, job.id, sample=i * n + j, scale=self.how.scale
                        )
                    )
                told["out"] = [str(out) for out in outs]
            self.results.pictures.append(told)


def _number_of_refused(error: ApiError | OSError, files: Sequence[Path]) -> int | None:
    """Return the index of the picture that the service refuses, or that cannot be read;
    None if the error is about something else."""
    if isinstance(error, OSError):
        return next(
            (i for i, file in enumerate(files) if str(file) == str(error.filename)),
            None,
        )
    if error.status == _TOO_LARGE:  # it does not say which of several is
        return 0 if len(files) == 1 else None
    pointers = [each["pointer"] for each in (error.problem.get("errors") or ())]
    if not pointers or not pointers[0].startswith("#/image"):
        return None
    number = pointers[0].rpartition("/")[2]
    return int(number) if number.isdigit() else 0 if len(files) == 1 else None


def _reason(error: ApiError | OSError) -> str:
    return (
        error.problem["detail"] or str(error)
        if isinstance(error, ApiError)
        else str(error.strerror)
    )
