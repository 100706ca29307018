"""Print the report of a verdict with the test that fails by it.

pytest shortens the value of `judge(...).sound` in its message to one line. This plugin
is loaded by pytest wherever the package is installed.
"""

from collections.abc import Generator
from typing import Any

import pytest

from judge.judging import watchers
from judge.verdict import Verdict

_VERDICTS = pytest.StashKey[list[Verdict]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Collect the verdicts that one test makes."""
    verdicts: list[Verdict] = []
    watcher = verdicts.append
    watchers.append(watcher)
    item.stash[_VERDICTS] = verdicts
    try:
        return (yield)
    finally:
        watchers.remove(watcher)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the verdicts that are not sound to the report of a failed test."""
    report = yield
    if report.when == "call" and report.failed:
        for verdict in item.stash.get(_VERDICTS, []):
            if not verdict.sound:
                report.sections.append(("judge", verdict.report()))
    return report
