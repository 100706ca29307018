"""Who sits down next."""

from worker.scheduler import Scheduler


def seat_all(scheduler: Scheduler[int], model: str, slots: int) -> list[tuple[str, int]]:
    found = (scheduler.next_image(model) for _ in range(slots))
    return [image for image in found if image is not None]


def test_next_image_alternates_when_two_jobs_wait() -> None:
    """Free slots are shared evenly, and the images of one job keep their order."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("a", "m", range(3))
    scheduler.add("b", "m", range(3))
    assert seat_all(scheduler, "m", 4) == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_small_job_sits_next_when_a_large_one_holds_all_slots() -> None:
    """n=1 does not wait behind the rest of n=64."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("large", "m", range(64))
    assert len(seat_all(scheduler, "m", 16)) == 16
    scheduler.add("small", "m", range(1))
    scheduler.leave("large")
    assert scheduler.next_image("m") == ("small", 0)


def test_next_image_is_none_when_only_another_model_has_work() -> None:
    """Models do not take each other's images."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("a", "m", range(2))
    assert scheduler.next_image("other") is None


def test_scheduler_is_empty_when_every_image_has_left() -> None:
    """Nothing is kept of jobs that are done, nor of those that were dropped."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("a", "m", range(2))
    scheduler.add("b", "m", range(5))
    for token, _ in seat_all(scheduler, "m", 4):
        scheduler.leave(token)
    scheduler.drop("b")
    assert len(scheduler) == 0
    assert scheduler.next_image("m") is None


def test_leave_does_nothing_when_the_job_was_dropped() -> None:
    """A canceled job's images may still report that they left."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add("a", "m", range(2))
    scheduler.next_image("m")
    scheduler.drop("a")
    scheduler.leave("a")
    assert len(scheduler) == 0
