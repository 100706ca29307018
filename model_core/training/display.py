"""What the person at the terminal sees: a progress bar, or plain lines where there is no terminal."""

from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Display(Protocol):
    """Where a run reports to."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def advance(self, iteration: int, nats: float) -> None:
        """After every update; must cost microseconds."""
        ...

    def speed(self, images_per_s: float) -> None:
        """After every log line."""
        ...

    def say(self, text: str) -> None:
        """A line that stays."""
        ...


class Bar:
    """A rich progress bar over all updates, with nats and images/s."""

    def __init__(self, console: Console, iteration: int, total: int) -> None:
        self._progress = Progress(
            TextColumn("update"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[nats]:.2f} nats  {task.fields[speed]:.0f} images/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            refresh_per_second=2,
        )
        self._task = self._progress.add_task("update", total=total, completed=iteration, nats=float("nan"), speed=0.0)
        self._nats: float | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def advance(self, iteration: int, nats: float) -> None:
        """Move on; the nats shown are smoothed, because those of 16 images jump."""
        self._nats = nats if self._nats is None else self._nats + 0.02 * (nats - self._nats)
        self._progress.update(self._task, completed=iteration, nats=self._nats)

    def speed(self, images_per_s: float) -> None:
        """Show images/s."""
        self._progress.update(self._task, speed=images_per_s)

    def say(self, text: str) -> None:
        """Print above the bar."""
        self._progress.console.print(text, highlight=False)


class Lines:
    """Plain lines, for files and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def advance(self, iteration: int, nats: float) -> None:
        """Nothing: log lines are enough."""

    def speed(self, images_per_s: float) -> None:
        """Nothing: log lines are enough."""

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, soft_wrap=True)


class Silent:
    """For the processes that do not lead."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def advance(self, iteration: int, nats: float) -> None:
        """Nothing."""

    def speed(self, images_per_s: float) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


def open_display(leads: bool, iteration: int, total: int) -> Display:
    """The display that fits this process and its terminal; it writes to stderr, results are stdout's."""
    console = Console(stderr=True)
    if not leads:
        return Silent()
    return Bar(console, iteration, total) if console.is_terminal else Lines(console)
