"""How full the steps of a model were."""

from worker.orders.usage import Usage


def test_occupancy_is_weighted_by_time_when_steps_differ() -> None:
    """A long step with many images counts for longer than a short one with few."""
    usage = Usage()
    assert usage.occupancy == 0
    usage.step(seconds=3.0, busy=16, rows=0, left=0)
    usage.step(seconds=1.0, busy=4, rows=7, left=4)
    assert (usage.occupancy, usage.images, usage.seconds, usage.rows, usage.steps) == (
        13.0,
        4,
        4.0,
        7,
        2,
    )
