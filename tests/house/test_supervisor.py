"""The supervisor restarts what dies, gives up on what keeps dying, and leaves nothing behind."""

import errno
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from pixelrnn import embedded, processes, restarts, up
from pixelrnn import supervisor as supervisor_module
from pixelrnn.errors import StartError
from pixelrnn.restarts import DEATHS_LIMIT, LONGEST_WAIT_S, WINDOW_S, RestartBudget
from pixelrnn.supervisor import Child, Supervisor
from tests.house.processes import eventually, is_alive
from worker.contract import keys
from worker.main import STOP_S

SLEEPER = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('up', flush=True); time.sleep(600)"
)
SLOW_TO_END = (
    "import signal, sys, time; "
    "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), sys.exit())); "
    "print('up', flush=True); time.sleep(600)"
)
PARENT = f"""
import subprocess, sys
grandchild = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
print(grandchild.pid, flush=True)
grandchild.wait()
"""


def child(tmp_path: Path, code: str, **more: object) -> Child:
    log = tmp_path / "child.log"
    return Child(
        "stand-in",
        partial(processes.spawn, [sys.executable, "-c", code], log),
        log,
        grace_s=0.2,
        **more,
    )  # pyright: ignore


def running(child: Child) -> subprocess.Popen[bytes]:
    assert child.process is not None
    return child.process


def test_child_is_restarted_when_killed(tmp_path: Path) -> None:
    """After a kill -9 the child is cleaned up after, once, and runs again."""
    deaths: list[str] = []
    sleeper = child(tmp_path, SLEEPER, on_death=lambda: deaths.append("buried"))
    supervisor = Supervisor(say=lambda _: None)
    supervisor.start(sleeper)
    first = running(sleeper)
    first.kill()
    supervisor.wait_until(lambda: sleeper.process not in (None, first))
    assert deaths == ["buried"]
    assert is_alive(running(sleeper).pid)
    supervisor.stop_all()


@pytest.mark.parametrize("has_server", [False, True])
def test_all_are_asked_to_end_at_once_but_what_the_others_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_server: bool
) -> None:
    """That is the embedded server. Where the user has a Redis of their own there is none."""
    supervisor = Supervisor(say=lambda _: None)
    first = child(tmp_path, SLEEPER, stops_last=has_server)
    for each in (first, child(tmp_path, SLEEPER), child(tmp_path, SLEEPER)):
        supervisor.start(each)
    alive: list[int] = []
    stop = supervisor._stop

    def noting_stop(children: list[Child]) -> None:
        alive.append(sum(is_alive(running(each).pid) for each in supervisor.children))
        stop(children)

    monkeypatch.setattr(supervisor, "_stop", noting_stop)
    supervisor.stop_all()
    assert alive == ([3, 1] if has_server else [3, 0])


def test_child_runs_while_it_is_needed(tmp_path: Path) -> None:
    """Not before; when it is needed no longer it ends, which is no death; and it comes again."""
    said: list[str] = []
    needed: list[str] = []
    sleeper = child(tmp_path, SLEEPER, is_needed=lambda: bool(needed))
    supervisor = Supervisor(said.append)
    supervisor.start(sleeper)
    assert sleeper.process is None
    for _ in range(DEATHS_LIMIT + 1):
        needed.append("now")
        supervisor.wait_until(lambda: sleeper.process is not None)
        first = running(sleeper)
        needed.clear()
        supervisor.wait_until(lambda: sleeper.process is None)
        assert not is_alive(first.pid)
    assert said == []
    supervisor.stop_all()


def test_child_that_is_needed_again_before_it_has_ended_has_not_died(
    tmp_path: Path,
) -> None:
    """It was asked to end: nothing is said, and another one starts at once."""
    said: list[str] = []
    needed = ["now"]
    slow = child(tmp_path, SLOW_TO_END, is_needed=lambda: bool(needed))
    supervisor = Supervisor(said.append)
    supervisor.start(slow)
    first = running(slow)
    assert eventually(lambda: "up" in slow.log.read_text())
    needed.clear()
    supervisor._check(slow)
    needed.append("again")
    supervisor.wait_until(lambda: slow.process not in (None, first))
    assert said == []
    supervisor.stop_all()


def test_a_trainer_is_needed_while_a_training_is_open_and_for_a_moment_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    """Also while pictures of one that has ended are still to be deleted, and where Redis came back with one whose
    pictures are gone; not for what is just being handed in, nor for other jobs."""
    monkeypatch.setattr(up, "TRAINER_LOOK_S", 0)
    monkeypatch.setattr(up, "TRAINER_IDLE_S", 0.2)
    is_needed = up._TrainerNeed(redis_url, tmp_path / "uploads")
    assert not is_needed()
    (tmp_path / "uploads" / ".draft").mkdir(parents=True)
    assert not is_needed()
    (tmp_path / "uploads" / "job").mkdir()
    assert is_needed()
    (tmp_path / "uploads" / "job").rmdir()
    assert eventually(lambda: not is_needed())
    with embedded.connect(redis_url) as redis:
        redis.hset(keys.LOAD, mapping={"work": 1, "of:alice": 1})
        assert not is_needed()
        redis.hset(keys.LOAD, "of:train:alice", 1)
        assert is_needed()


def test_supervisor_gives_up_when_a_child_keeps_dying(tmp_path: Path) -> None:
    """The fifth death within a minute ends it, with the child's last words."""
    said: list[str] = []
    broken = child(tmp_path, "raise SystemExit('no such device')")
    supervisor = Supervisor(said.append)
    supervisor.start(broken)
    with pytest.raises(
        StartError, match=r"stand-in died 5 times in 60 s: no such device"
    ):
        supervisor.run()
    assert len(said) == DEATHS_LIMIT - 1


@pytest.mark.parametrize("status", [1, 2])
def test_a_child_that_is_not_vital_never_ends_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """However often it dies and whatever it exits with: it is started again, later
    each time, and the others go on."""
    monkeypatch.setattr(restarts, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(restarts, "LONGEST_WAIT_S", 0.04)
    said: list[str] = []
    sleeper = child(tmp_path, SLEEPER)
    log = tmp_path / "trainer.log"
    command = [sys.executable, "-c", f"print('no room'); raise SystemExit({status})"]
    broken = Child(
        "trainer", partial(processes.spawn, command, log), log, 0.2, is_vital=False
    )
    supervisor = Supervisor(said.append)
    for each in (sleeper, broken):
        supervisor.start(each)
    process = running(sleeper)
    supervisor.wait_until(lambda: len(said) > 2 * DEATHS_LIMIT)
    assert "the trainer died" in said[0]
    assert "no room" in said[0]
    assert sleeper.process is process
    assert is_alive(process.pid)
    supervisor.stop_all()


def test_up_can_do_without_its_trainer_and_not_without_its_workers(
    tmp_path: Path,
) -> None:
    """A trainer that keeps dying must not end the API."""
    options = up.UpOptions("127.0.0.1", 0, tmp_path, tmp_path)
    for trains in (True, False):
        worker = up._Worker(options, "redis://x", "cpu", tmp_path / "log", (), trains)
        assert worker.child().is_vital is not trains


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("there is no cuda:7", "there is no cuda:7"),
        (
            '{"reason": "there is no cuda:7", "event": "cannot_start"}',
            "there is no cuda:7",
        ),
        ('{"event": "x"}', '{"event": "x"}'),
    ],
)
def test_child_that_cannot_do_what_it_was_told_ends_it_at_once(
    tmp_path: Path, words: str, reason: str
) -> None:
    """Exit code 2 is a person's mistake: said once, in the child's words, and nothing is started again."""
    said: list[str] = []
    supervisor = Supervisor(said.append)
    supervisor.start(child(tmp_path, f"print({words!r}); raise SystemExit(2)"))
    with pytest.raises(StartError) as refused:
        supervisor.run()
    assert str(refused.value) == f"the stand-in cannot start: {reason}"
    assert said == []


def test_child_that_has_run_before_is_waited_for_when_its_settings_are_refused(
    tmp_path: Path,
) -> None:
    """What was right once may be so again, such as a GPU that has failed and is gone:
    however often it is refused, the other children are not ended for it."""
    said: list[str] = []
    code = (
        f"import pathlib; p = pathlib.Path({str(tmp_path / 'times')!r}); "
        "p.open('a').write('x'); n = len(p.read_text())"
    )
    refusing = child(
        tmp_path,
        f"{code}; print('there is no cuda:0'); raise SystemExit(1 if n == 1 else 2)",
    )
    supervisor = Supervisor(said.append)
    supervisor.start(refusing)
    supervisor.wait_until(lambda: len(said) == 3)
    supervisor.stop_all()
    assert said[1:] == [
        "the stand-in cannot run (there is no cuda:0): trying again in 1 s",
        "the stand-in cannot run (there is no cuda:0): trying again in 2 s",
    ]


def test_stubborn_child_is_killed_when_its_grace_is_over(tmp_path: Path) -> None:
    """SIGTERM is a question; after the grace comes SIGKILL."""
    stubborn = child(tmp_path, STUBBORN)
    supervisor = Supervisor(say=lambda _: None)
    supervisor.start(stubborn)
    supervisor.wait_until(lambda: stubborn.log.read_text() == "up\n")
    process = running(stubborn)
    supervisor.stop_all()
    assert process.returncode == -9


def test_children_are_asked_at_once_and_the_first_one_when_they_have_ended(
    tmp_path: Path,
) -> None:
    """So a stop takes the longest grace and the first child's, however many there are: each of two ends only once the
    other has been asked, and the first, whose status says how many are missing, is asked when both are gone."""
    code = """
import pathlib, signal, sys, time
name, *awaited = map(pathlib.Path, sys.argv[1:])
def missing():
    return sum(not each.exists() for each in awaited)
def end(*_):
    name.touch()
    while missing() and name.name != "server":
        time.sleep(0.01)
    sys.exit(missing())
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
while True:
    time.sleep(600)
"""
    supervisor = Supervisor(say=lambda _: None)
    started = []
    for name, *awaited in (("server", "one", "two"), ("one", "two"), ("two", "one")):
        words = [str(tmp_path / each) for each in (name, *awaited)]
        log = tmp_path / f"{name}.log"
        launch = partial(processes.spawn, [sys.executable, "-c", code, *words], log)
        is_server = name == "server"
        supervisor.start(Child(name, launch, log, grace_s=90, stops_last=is_server))
        supervisor.wait_until(lambda log=log: log.read_text() == "up\n")
        started.append(running(supervisor.children[-1]))
    supervisor.stop_all()
    assert [process.returncode for process in started] == [0, 0, 0]


def test_a_stop_is_over_within_ten_seconds() -> None:
    """What docs/architecture.md says of `pixelrnn up`: nothing is waited for longer, and a worker has time to
    drain and to stop its parts."""
    longest = max(up.API_GRACE_S, up.WORKER_GRACE_S, up.TRAINER_GRACE_S)
    assert longest + embedded.STOP_GRACE_S <= 10
    assert up.WORKER_DRAIN_S + 6 * STOP_S <= up.WORKER_GRACE_S


def test_grandchildren_are_gone_when_stopped(tmp_path: Path) -> None:
    """What a child started and left behind goes with it."""
    parent = child(tmp_path, PARENT)
    supervisor = Supervisor(say=lambda _: None)
    supervisor.start(parent)
    supervisor.wait_until(lambda: parent.log.read_text().endswith("\n"))
    grandchild = int(parent.log.read_text())
    supervisor.stop_all()
    assert eventually(lambda: not is_alive(grandchild))


def test_budget_forgets_old_deaths() -> None:
    """Deaths further apart than the window never add up; quick ones wait longer each time, then end it."""
    patient = RestartBudget()
    assert all(patient.delay_after_death(i * (WINDOW_S + 1)) == 0.1 for i in range(20))
    hasty = RestartBudget()
    assert [hasty.delay_after_death(float(i)) for i in range(DEATHS_LIMIT)] == [
        0.1,
        0.5,
        1.0,
        2.0,
        None,
    ]


def test_long_log_is_put_aside(tmp_path: Path) -> None:
    """A log past its limit starts anew; one older file is kept."""
    log = tmp_path / "child.log"
    with log.open("wb") as file:
        file.truncate(processes.LOG_LIMIT_BYTES + 1)
    processes.spawn([sys.executable, "-c", "print('new')"], log).wait()
    assert log.read_text() == "new\n"
    assert (tmp_path / "child.log.1").stat().st_size == processes.LOG_LIMIT_BYTES + 1


def test_a_log_is_put_aside_while_its_process_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is never started again must not fill the disk. It goes on
    writing, at the beginning of the file."""
    monkeypatch.setattr(processes, "LOG_LIMIT_BYTES", 1000)
    monkeypatch.setattr(supervisor_module, "LOGS_LOOK_S", 0)
    code = "import time\nwhile True: print('x' * 99, flush=True); time.sleep(0.001)"
    talker = child(tmp_path, code)
    supervisor = Supervisor(say=lambda _: None)
    supervisor.start(talker)
    aside = tmp_path / "child.log.1"
    times: set[int] = set()

    def has_been_put_aside_thrice() -> bool:
        if aside.exists() and aside.stat().st_size > 1000:
            times.add(aside.stat().st_mtime_ns)
        return len(times) > 2

    supervisor.wait_until(has_been_put_aside_thrice)
    supervisor.stop_all()
    assert b"\0" not in talker.log.read_bytes()
    assert set(aside.read_text().split()) == {"x" * 99}


def test_last_words_are_read_from_the_end_alone(tmp_path: Path) -> None:
    """Of a log of any length: this one would not fit into memory."""
    log = tmp_path / "child.log"
    with log.open("wb") as file:
        file.truncate(2**40)  # a hole, that takes no room on the disk
        file.seek(0, os.SEEK_END)
        file.write(b"\nno room left\n\n")
    assert processes.last_words(log) == "no room left"
    log.write_text("short\n")
    assert processes.last_words(log) == "short"
    assert processes.last_words(tmp_path / "none") == ""


def test_deaths_for_want_are_waited_out_longer_and_longer() -> None:
    """Up to half a minute, however many there are; they do not count with the others, and a later want begins anew."""
    budget, now_s, waits = RestartBudget(), 0.0, list[float]()
    for _ in range(2 * DEATHS_LIMIT):
        waits.append(budget.delay_after_shortage(now_s))
        now_s += waits[-1] + 1
    assert waits == [1, 2, 4, 8, 16, *[LONGEST_WAIT_S] * 5]
    assert budget.delay_after_death(now_s) is not None
    assert budget.delay_after_shortage(now_s + LONGEST_WAIT_S + WINDOW_S) == 1


def test_child_that_cannot_be_launched_again_is_tried_again(tmp_path: Path) -> None:
    """Its log cannot be opened for a while, for example."""
    said: list[str] = []
    sleeper = child(tmp_path, SLEEPER)
    supervisor = Supervisor(said.append)
    supervisor.start(sleeper)
    usual = sleeper.launch

    def out_of_room() -> subprocess.Popen[bytes]:
        sleeper.launch = usual
        raise OSError(errno.ENOSPC, "No space left on device")

    sleeper.launch = out_of_room
    first = running(sleeper)
    first.kill()
    supervisor.wait_until(lambda: sleeper.process not in (None, first))
    assert (
        said[-1]
        == "the stand-in cannot run (No space left on device): trying again in 1 s"
    )
    supervisor.stop_all()
