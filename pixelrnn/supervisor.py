"""Keep a few child processes running until a signal asks this process to stop. This
file does not know what they do."""

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
"""Seconds between two checks of all children."""
LOGS_LOOK_S = 5.0
"""Seconds between two checks of the lengths of the logs."""

EXIT_BAD_SETTINGS = 2
"""Exit status of a child whose settings cannot be used, so that another start would not
help."""

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequested(Exception):  # noqa: N818  (not an error: somebody wants us to end)
    """SIGTERM, SIGINT (Ctrl-C) or SIGHUP was received."""


@dataclass
class Child:
    """One process to keep running."""

    name: str
    """What it is called in messages: "the NAME died"."""
    launch: Callable[[], subprocess.Popen[bytes]]
    """Starts the process anew, and returns it."""
    log: Path
    """The file with its output."""
    grace_s: float
    """Seconds in which it must end after it was asked to; then it is killed."""
    on_death: Callable[[], None] = lambda: None
    """Called after each death, before the restart."""
    is_needed: Callable[[], bool] = lambda: True
    """Returns False while it need not run: it is asked to end then, and is launched
    again when it is needed."""
    shortage: Callable[[], str] = lambda: ""
    """Called after a death. Returns what the process lacked and others must give back,
    such as room on the disk; else an empty string. After such a death it is started
    again, however many there are."""
    stops_last: bool = False
    """True if the others need it until they have ended."""
    is_vital: bool = True
    """True if the service cannot run without it. A child that is not vital never ends
    the others, however often it dies and with whatever status."""
    process: subprocess.Popen[bytes] | None = None
    """The running process; None while there is none."""
    was_asked_to_end: bool = False
    """True if the running process was asked to end because it was not needed."""
    has_restarted: bool = False
    """True after the first restart."""
    restart_at: float | None = None
    """When to start it again, by time.monotonic; None: it is not waited for."""
    budget: RestartBudget = field(default_factory=RestartBudget)
    """Its deaths so far."""


class Supervisor:
    """Runs children in the main thread."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """say: called with each line that the user should read."""
        self.say = say
        self.children: list[Child] = []
        self._stop_requested = False
        self._look_at_logs_at = 0.0

    def start(self, child: Child) -> None:
        """Add a child, and launch it, unless it is not needed yet."""
        if child.is_needed():
            child.process = child.launch()
        self.children.append(child)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Check the children every TICK_S (0.05) seconds, and start those again that
        have died, until `condition` returns True.

        Raises StopRequested after SIGTERM, SIGINT or SIGHUP; StartError if a vital
        child has died DEATHS_LIMIT (5) times within WINDOW_S (60) seconds, or could not
        start the first time because of its settings.
        """
        while not condition():
            for child in self.children:
                self._check(child)
            self._shorten_logs()
            self._sleep()

    def run(self) -> None:
        """Keep the children running, until StopRequested or StartError is raised as by
        `wait_until`."""
        self.wait_until(lambda: False)

    def stop_all(self) -> None:
        """Stop all child processes and forget them: first those on which no other
        depends, then those with `stops_last`.

        Each of the two groups is asked to end at once. What is left of it is killed
        after the longest grace_s in it, or if SIGTERM, SIGINT or SIGHUP is received
        meanwhile.
        """
        self._stop_requested = False
        self._stop([child for child in self.children if not child.stops_last])
        self._stop([child for child in self.children if child.stops_last])
        self.children.clear()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Context manager in whose block SIGTERM, SIGINT (Ctrl-C) and SIGHUP (a closed
        terminal) do not end this process: the wait raises StopRequested."""
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
        now = time.monotonic()
        if now >= self._look_at_logs_at:
            self._look_at_logs_at = now + LOGS_LOOK_S
            for child in self.children:
                processes.shorten_when_long(child.log)

    def _check(self, child: Child) -> None:
        if child.restart_at is not None:
            if time.monotonic() >= child.restart_at:
                child.restart_at = None
                child.has_restarted = True
                self._start_again(child)
        elif child.process is None:
            if child.is_needed():
                self._start_again(child)
        elif child.process.poll() is not None:
            self._handle_death(child, child.process)
        elif not child.is_needed():
            child.was_asked_to_end = True
            child.process.terminate()

    def _start_again(self, child: Child) -> None:
        child.was_asked_to_end = False
        try:
            child.process = child.launch()
        except OSError as error:  # of its log, or for want of memory
            self._wait_out(child, error.strerror or repr(error))

    def _wait_out(self, child: Child, shortage: str) -> None:
        delay_s = child.budget.delay_after_shortage(time.monotonic())
        self.say(
            f"the {child.name} cannot run ({shortage}): trying again in {delay_s:.0f} s"
        )
        child.restart_at = time.monotonic() + delay_s

    def _handle_death(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        # What a dead child has left behind may hold its port or its lock.
        processes.kill_group(process)
        child.process = None
        child.on_death()
        # It may be needed again by now: then the next check starts it.
        if child.was_asked_to_end or not child.is_needed():
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
        if shortage := child.shortage():
            self._wait_out(child, shortage)
            return
        delay_s = child.budget.delay_after_death(time.monotonic())
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
        delay_s = child.budget.delay_after_shortage(time.monotonic())
        reason = processes.last_words(child.log)
        self.say(
            f"the {child.name} died (exit {status}: {reason}), starting it again in "
            f"{delay_s:.0f} s; see {child.log}"
        )
        child.restart_at = time.monotonic() + delay_s

    def _stop(self, children: Sequence[Child]) -> None:
        """Ask all to end at once, and kill what is left of them when the longest grace
        is over or a second signal is received."""
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
