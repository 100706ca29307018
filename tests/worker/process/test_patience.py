"""The wait between two tries."""

from worker.process.patience import Patience


def test_wait_doubles_up_to_its_limit_until_a_try_succeeds() -> None:
    """Nothing is waited for before the first failure, nor after a success."""
    patience = Patience(0.1, 0.5)
    assert patience.wait_s == 0
    assert [patience.failed() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]
    patience.succeeded()
    assert (patience.wait_s, patience.failed()) == (0, 0.1)
