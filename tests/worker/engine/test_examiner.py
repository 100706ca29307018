"""The process in which what may go wrong is looked at."""

from worker.engine.examiner import Examiner


def test_it_ends_without_a_word_when_nobody_asks_any_more() -> None:
    """The engine's process is gone: that is no error of this one, so nothing is printed and its status is 0."""
    examiner = Examiner()
    examiner.call(len, (), limit_s=60)
    process = examiner._process
    assert process is not None
    examiner._connection.close()
    process.join(20)
    assert process.exitcode == 0
