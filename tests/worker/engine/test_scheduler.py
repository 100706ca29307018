"""Who sits down next."""

from worker.contract.jobs import Priority
from worker.engine.scheduler import Scheduler

INTERACTIVE, BULK = Priority


def seat_all(
    scheduler: Scheduler[int], model: str, slots: int
) -> list[tuple[str, int]]:
    found = (scheduler.next_image(model) for _ in range(slots))
    return [image for image in found if image is not None]


def test_next_image_alternates_when_two_jobs_wait() -> None:
    """Free slots are shared evenly, and the images of one job keep their order."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("a", "m", range(3), BULK)
    scheduler.add("b", "m", range(3), BULK)
    assert seat_all(scheduler, "m", 4) == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_small_job_sits_next_when_a_large_one_holds_all_slots() -> None:
    """n=1 does not wait behind the rest of n=64."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("large", "m", range(64), BULK)
    assert len(seat_all(scheduler, "m", 16)) == 16
    scheduler.add("small", "m", range(1), BULK)
    scheduler.leave("large")
    assert scheduler.next_image("m") == ("small", 0)


def test_seats_go_by_weight_when_jobs_differ() -> None:
    """Four images of an interactive job for each one of a bulk job, as long as both have some."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("bulk", "m", range(64), BULK)
    scheduler.add("interactive", "m", range(64), INTERACTIVE)
    seated = [token for token, _ in seat_all(scheduler, "m", 50)]
    assert seated.count("bulk") == 10
    assert seated.count("interactive") == 40


def test_large_job_goes_on_when_small_ones_never_end() -> None:
    """Every free slot finds a new job of one image waiting; one seat in five is still the large one's."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("large", "m", range(64), BULK)
    served = []
    for i in range(50):
        scheduler.add(f"small-{i}", "m", range(1), INTERACTIVE)
        scheduler.add(f"other-{i}", "m", range(1), INTERACTIVE)
        served += [token for token, _ in seat_all(scheduler, "m", 1)]
    assert served.count("large") == 10


def test_owners_share_slots_when_one_has_more_jobs() -> None:
    """Evenly, however many jobs of how many images each has; one who leaves and comes back has saved up nothing."""
    scheduler: Scheduler[int] = Scheduler()
    for i in range(8):
        scheduler.add(f"many-{i}", "m", range(64), BULK, "many")
    seat_all(scheduler, "m", 20)
    for i in range(10):
        scheduler.add(f"few-{i}", "m", range(1), BULK, "few")
        seated = [token for token, _ in seat_all(scheduler, "m", 2)]
        assert f"few-{i}" in seated
    scheduler.add("dropped", "m", range(3), BULK, "few")
    scheduler.drop("dropped")
    assert len({token for token, _ in seat_all(scheduler, "m", 8)}) == 8


def test_job_pays_nothing_when_it_comes_late() -> None:
    """It gets no seats for the time when it was not there: turns are shared from now on."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("early", "m", range(64), BULK)
    seat_all(scheduler, "m", 30)
    scheduler.add("late", "m", range(64), BULK)
    seated = [token for token, _ in seat_all(scheduler, "m", 10)]
    assert seated.count("late") == 5


def test_express_slot_stays_free_when_every_job_has_a_seat() -> None:
    """It is for a job's first image only, and the next one waits for an ordinary slot."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("large", "m", range(64), BULK)
    assert scheduler.next_image("m") == ("large", 0)
    assert scheduler.next_image("m", first_only=True) is None
    scheduler.add("two", "m", range(2), BULK)
    assert scheduler.next_image("m", first_only=True) == ("two", 0)
    assert scheduler.next_image("m", first_only=True) is None


def test_next_image_is_none_when_only_another_model_has_work() -> None:
    """Models do not take each other's images."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("a", "m", range(2), BULK)
    assert scheduler.next_image("other") is None


def test_scheduler_is_empty_when_every_image_has_left() -> None:
    """Nothing is kept of jobs that are done, nor of those that were dropped."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("a", "m", range(2), BULK)
    scheduler.add("b", "m", range(5), BULK)
    for token, _ in seat_all(scheduler, "m", 4):
        scheduler.leave(token)
    scheduler.drop("b")
    assert len(scheduler) == 0
    assert scheduler.next_image("m") is None


def test_leave_does_nothing_when_the_job_was_dropped() -> None:
    """A canceled job's images may still report that they left."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("a", "m", range(2), BULK)
    scheduler.next_image("m")
    scheduler.drop("a")
    scheduler.leave("a")
    assert len(scheduler) == 0
