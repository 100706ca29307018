"""What the engine reports about the use of its models."""

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
