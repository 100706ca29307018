"""The wait between two tries."""

from worker.process.backoff import Backoff


def test_wait_doubles_up_to_its_limit_until_a_try_succeeds() -> None:
    """Nothing is waited for before the first failure, nor after a success."""
    backoff = Backoff(0.1, 0.5)
    assert backoff.wait_s == 0
    assert [backoff.failed() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]
    backoff.succeeded()
    assert (backoff.wait_s, backoff.failed()) == (0, 0.1)
