"""The drawing threads of this process, which run compiled code for other threads. This
file knows no stages.

All models share one set of threads. A thread is started when it is first needed, by the
thread that needs it, whose CPU cores and scheduling it inherits; then it waits for
calls until the process ends. The calling thread computes a part of its own meanwhile.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

MOST_THREADS = 64
"""Maximum number of threads that draw at the same time, the calling thread included."""

Call = Callable[[], int]
"""A call of compiled code, which releases the interpreter's lock; it returns a
number."""


class Computed(NamedTuple):
    """The result of a call, and the seconds that it took by the clock."""

    result: int
    seconds: float


class _Task:
    """A call that another thread makes."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._outcome: Computed | BaseException | None = None
        self._running = threading.Lock()
        self._running.acquire()

    def run(self) -> None:
        try:
            self._outcome = timed(self._call)
        except BaseException as error:  # belongs to the thread that asked
            self._outcome = error

    def end(self) -> None:
        self._running.release()

    def wait(self) -> None:
        with self._running:
            pass

    def result(self) -> Computed:
        outcome = self._outcome
        assert outcome is not None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class _Thread:
    """A thread that makes one call after the other."""

    def __init__(self, number: int) -> None:
        self.number = number
        """From 1 on; whoever asks has 0."""
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        self.used_s = 0.0
        """Seconds of CPU time that it had used when its last call ended."""
        self._thread = threading.Thread(
            target=self._serve, name=f"drawing {number}", daemon=True
        )
        self._thread.start()

    @property
    def native_id(self) -> int:
        native_id = self._thread.native_id
        assert native_id is not None, "a thread that was started has one"
        return native_id

    def put(self, task: _Task) -> None:
        self._tasks.put(task)

    def _serve(self) -> None:
        _of_this_thread.number = self.number
        while True:
            task = self._tasks.get()
            task.run()
            self.used_s = time.thread_time()
            task.end()
            del task  # or its arrays stay in memory until the next one comes


_threads: list[_Thread] = []
"""The threads beside the one that asks, started so far."""
_idle: list[_Thread] = []
"""Those of them that make no call; the one to be taken next comes last."""
_taking = threading.Lock()
_drawn_s = [0.0]
"""Seconds that each thread has computed for stages of several threads; those of
whoever asked come first."""
_of_this_thread = threading.local()


def use_threads(count: int) -> None:
    """Let stages that the calling thread makes from now on draw with up to `count`
    threads, unless they are made for a certain number. Without a call it is 1. No
    thread is started yet. Other threads are not affected.

    count: 1 to MOST_THREADS (64); ValueError otherwise.
    """
    if not 1 <= count <= MOST_THREADS:
        raise ValueError(f"expected 1 to {MOST_THREADS} drawing threads, got {count}")
    _of_this_thread.count = count


def threads_in_use() -> int:
    """Return the number that the calling thread passed to `use_threads`; 1 if it never
    did."""
    return getattr(_of_this_thread, "count", 1)


def run_together(own: Sequence[Call], handed: Sequence[Call]) -> list[Computed]:
    """Run `own`, one after the other, in this thread while each call of `handed` runs
    in a thread of its own. Return the results of `own`, then of `handed`, each with the
    time that it took.

    Waits for all calls that were begun, then raises the first exception; those of `own`
    after one that failed are not begun. May be nested: busy threads are left alone.
    Raises RuntimeError, and calls nothing, if a thread cannot be started.
    """
    if not handed:
        computed = [timed(call) for call in own]
        _count(computed, (), ())
        return computed
    tasks = [_Task(call) for call in handed]
    threads = _take_threads(len(tasks))
    for thread, task in zip(threads, tasks, strict=True):
        thread.put(task)
    try:
        computed = [timed(call) for call in own]
    finally:
        _wait_for_all(tasks)
        _idle.extend(reversed(threads))
    computed += [task.result() for task in tasks]
    _count(computed[: len(own)], computed[len(own) :], threads)
    return computed


def used_by_threads() -> list[tuple[int, float]]:
    """Return for each drawing thread its number in the operating system, and the
    seconds of CPU time that it had used when its last call ended."""
    return [(thread.native_id, thread.used_s) for thread in _threads]


def drawn_by_threads() -> list[float]:
    """Return the seconds spent in `run_together` so far: all calling threads together,
    then each drawing thread."""
    return list(_drawn_s)


def timed(call: Call) -> Computed:
    """Make a call in this thread."""
    began = time.perf_counter()
    result = call()
    return Computed(result, time.perf_counter() - began)


def _count(
    own: Sequence[Computed], handed: Sequence[Computed], threads: Sequence[_Thread]
) -> None:
    # A drawing thread that asks is counted by whoever has handed its call to it.
    if getattr(_of_this_thread, "number", 0) == 0:
        _drawn_s[0] += sum(each.seconds for each in own)
    for thread, each in zip(threads, handed, strict=True):
        _drawn_s[thread.number] += each.seconds


def _take_threads(count: int) -> list[_Thread]:
    """Take idle threads, those with the lowest numbers first, and start what is
    missing."""
    with _taking:
        found = [_idle.pop() for _ in range(min(count, len(_idle)))]
        while len(found) < count:
            thread = _Thread(len(_threads) + 1)
            _threads.append(thread)
            _drawn_s.append(0.0)
            found.append(thread)
    return found


def _wait_for_all(tasks: Sequence[_Task]) -> None:
    """Wait for every task, and only then raise what interrupted the waiting, for
    example Ctrl-C. The tasks write to arrays that the caller uses next."""
    interruption: BaseException | None = None
    for task in tasks:
        while True:
            try:
                task.wait()
                break
            except BaseException as error:
                interruption = error
    if interruption is not None:
        raise interruption


def _forget_threads(*_: Any) -> None:
    """A forked process has none of its parent's threads, and computed nothing."""
    global _taking
    _taking = threading.Lock()
    _threads.clear()
    _idle.clear()
    _drawn_s[:] = [0.0]


os.register_at_fork(after_in_child=_forget_threads)
