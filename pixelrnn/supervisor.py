"""Keep a few child processes running until a signal asks this process to stop. It does
not know what they do."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pixelrnn import processes
from pixelrnn.errors import StartError
from pixelrnn.restarts import DEATHS_LIMIT, WINDOW_S, RestartBudget

TICK_S = 0.05
LOGS_LOOK_S = 5.0
"""Seconds between two looks at the lengths of the logs."""

EXIT_BAD_SETTINGS = 2
"""Exit status of a child that was told to do what it cannot: starting it again would not help."""

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequested(Exception):  # noqa: N818  (not an error: somebody wants us to end)
    """SIGTERM or Ctrl-C came."""


@dataclass
class Child:
    """One process to keep running. `launch` starts it anew; `on_death` cleans up after a death, before the restart."""

    name: str
    launch: Callable[[], subprocess.Popen[bytes]]
    log: Path
    grace_s: float
    """How long it may take to end when asked; then it is killed."""
    on_death: Callable[[], None] = lambda: None
    is_needed: Callable[[], bool] = lambda: True
    """Is it to run? Else it is asked to end, and launched again once it is."""
    want: Callable[[], str] = lambda: ""
    """Says what it died for want of, where others must give that back. Such deaths are waited out, however many."""
    is_vital: bool = True
    """The service cannot run without it. A child that is not vital never ends the
    others, however often it dies and whatever it exits with."""
    process: subprocess.Popen[bytes] | None = None
    has_restarted: bool = False
    restart_at: float | None = None
    budget: RestartBudget = field(default_factory=RestartBudget)


class Supervisor:
    """Runs children; `say` receives a line for each thing a person should know."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.children: list[Child] = []
        self._stop_requested = False
        self._look_at_logs_at = 0.0

    def start(self, child: Child) -> None:
        """Launch it, at once or when it is needed first."""
        if child.is_needed():
            child.process = child.launch()
        self.children.append(child)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Tend the children until the condition holds.

        Raises StopRequested when a signal came, StartError when a vital child keeps
        dying.
        """
        while not condition():
            for child in self.children:
                self._tend(child)
            self._shorten_logs()
            self._sleep()

    def run(self) -> None:
        """Tend the children until StopRequested or StartError."""
        self.wait_until(lambda: False)

    def stop_all(self) -> None:
        """Stop the children: the first one, which others need, when those have ended. A second signal cuts it short."""
        self._stop_requested = False
        self._stop(self.children[1:])
        self._stop(self.children[:1])
        self.children.clear()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """SIGTERM, Ctrl-C and a closed terminal end the waiting instead of the process."""
        before = {
            number: signal.signal(number, self._on_signal) for number in _STOP_SIGNALS
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, *_: object) -> None:
        self._stop_requested = True

    def _sleep(self) -> None:
        if self._stop_requested:
            raise StopRequested
        time.sleep(TICK_S)

    def _shorten_logs(self) -> None:
        """Put long logs aside: a process may run for months."""
        now = time.monotonic()
        if now >= self._look_at_logs_at:
            self._look_at_logs_at = now + LOGS_LOOK_S
            for child in self.children:
                processes.shorten_when_long(child.log)

    def _tend(self, child: Child) -> None:
        if child.restart_at is not None:
            if time.monotonic() >= child.restart_at:
                child.restart_at = None
                child.has_restarted = True
                self._start_again(child)
        elif child.process is None:
            if child.is_needed():
                self._start_again(child)
        elif child.process.poll() is not None:
            self._bury(child, child.process)
        elif not child.is_needed():
            child.process.terminate()

    def _start_again(self, child: Child) -> None:
        try:
            child.process = child.launch()
        except OSError as error:  # of its log, or for want of memory
            self._wait_out(child, error.strerror or repr(error))

    def _wait_out(self, child: Child, want: str) -> None:
        delay_s = child.budget.after_want(time.monotonic())
        self.say(
            f"the {child.name} cannot run ({want}): trying again in {delay_s:.0f} s"
        )
        child.restart_at = time.monotonic() + delay_s

    def _bury(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        processes.kill_group(process)
        child.process = None
        child.on_death()
        if not child.is_needed():
            return
        if not child.is_vital:
            self._wait_out_death(child, process.returncode)
            return
        if process.returncode == EXIT_BAD_SETTINGS and not child.has_restarted:
            raise StartError(
                f"the {child.name} cannot start: {processes.last_words(child.log)}"
            )
        if process.returncode == EXIT_BAD_SETTINGS:
            # It has run with them before: what it lacks, such as a GPU, may come back.
            self._wait_out(child, processes.last_words(child.log))
            return
        if want := child.want():
            self._wait_out(child, want)
            return
        delay_s = child.budget.after_death(time.monotonic())
        if delay_s is None:
            raise StartError(
                f"the {child.name} died {DEATHS_LIMIT} times in {WINDOW_S:.0f} s: "
                f"{processes.last_words(child.log)} (see {child.log})"
            )
        self.say(
            f"the {child.name} died (exit {process.returncode}), starting it again; see {child.log}"
        )
        child.restart_at = time.monotonic() + delay_s

    def _wait_out_death(self, child: Child, status: int) -> None:
        """Start a child again that the others can do without, later each time."""
        delay_s = child.budget.after_want(time.monotonic())
        reason = processes.last_words(child.log)
        self.say(
            f"the {child.name} died (exit {status}: {reason}), starting it again in "
            f"{delay_s:.0f} s; see {child.log}"
        )
        child.restart_at = time.monotonic() + delay_s

    def _stop(self, children: Sequence[Child]) -> None:
        """Ask all at once; kill what is left of them when the longest grace is over, or a second signal comes."""
        graces = {
            child.process: child.grace_s
            for child in children
            if child.process is not None
        }
        for process in graces:
            process.terminate()
        deadline = time.monotonic() + max(graces.values(), default=0.0)
        while (
            any(process.poll() is None for process in graces)
            and time.monotonic() < deadline
        ):
            if self._stop_requested:
                break
            time.sleep(TICK_S)
        for process in graces:
            processes.stop(process, grace_s=0)
