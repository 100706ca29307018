"""What the engine reports about the use of its models."""

from structlog.testing import capture_logs

from tests.fakes import Outlet
from worker.engine.usage_reports import UsageReports


def test_seconds_of_all_steps_never_decrease() -> None:
    """A model is unloaded, and others are counted anew when they are loaded again.
    Prometheus would take a smaller sum for a restart, and count all of it once more."""
    outlet = Outlet()
    usage = UsageReports(["stays", "leaves"], outlet.report_usage)
    usage["stays"].step(seconds=4.0, busy=1, rows=1, left=1)
    usage["leaves"].step(seconds=2.0, busy=1, rows=1, left=1)
    usage.report()
    assert outlet.stepped_s == 6.0
    usage.remove("leaves")
    usage.remove("leaves")
    usage.report()
    assert outlet.stepped_s == 6.0
    assert outlet.usage.keys() == {"stays"}
    usage.add("leaves")
    usage.add("stays")
    usage["leaves"].step(seconds=0.5, busy=1, rows=1, left=1)
    usage.report()
    assert outlet.stepped_s == 6.5
    assert outlet.usage["leaves"].seconds == 0.5
    assert outlet.usage["stays"].seconds == 0.0


def test_usage_is_logged_only_if_it_changed() -> None:
    """An idle worker would fill its log with equal lines."""
    usage = UsageReports(["m"], Outlet().report_usage)
    usage["m"].images = 1
    with capture_logs() as lines:
        for images in (1, 1, 2, 2):
            usage["m"].images = images
            usage.log()
    assert [line["images"] for line in lines] == [1, 2]
