"""An owner may hold as much as is still free."""

import pytest
import redis

from worker.contract.fairness import Shares, may_hold
from worker.contract.loader import expand

NAMES = "abcdefgh"


def fill(shares: Shares, owners: str, amount: int = 1) -> dict[str, int]:
    """Let the owners take turns until none of them may take more; what each has then."""
    taken = len(owners)
    while taken:
        taken = sum(shares.take(owner, amount) for owner in owners)
    return {owner: shares._held[owner] for owner in owners}


def test_one_owner_has_half_and_two_have_a_third_each() -> None:
    """And of n owners each has one part of n + 1, so that a newcomer finds as much."""
    for number in range(1, len(NAMES) + 1):
        owners = NAMES[:number]
        shares = Shares(2520)
        assert set(fill(shares, owners).values()) == {2520 // (number + 1)}
        assert shares.allow("newcomer", 2520 // (number + 1))


def test_of_two_places_one_is_never_the_same_owners() -> None:
    """A third owner comes too late; what is given back is free for all."""
    places = Shares(2)
    assert [places.take(owner, 1) for owner in "aabc"] == [True, False, True, False]
    places.give_back("a", 1)
    assert [places.take(owner, 1) for owner in "bc"] == [False, True]
    assert (places.held, places.free) == (2, 0)


def test_a_single_place_is_anybodys() -> None:
    """The rule closes nothing that somebody alone could use."""
    place = Shares(1)
    with place.counted("a"):
        assert not place.allow("a", 1)
        assert not place.allow("b", 1)
    assert place.take("b", 1)


def test_an_owner_that_has_more_than_is_free_waits_until_it_has_less() -> None:
    """It came when it was alone: others come to their parts first."""
    shares = Shares(100)
    assert fill(shares, "a") == {"a": 50}
    assert fill(shares, "b") == {"b": 25}
    shares.give_back("a", 20)
    assert not shares.allow("a", 20)
    assert fill(shares, "b") == {"b": 35}
    assert fill(shares, "ab") == {"a": 33, "b": 35}


def test_an_owner_that_holds_nothing_is_forgotten() -> None:
    """A service has many owners in its life."""
    shares = Shares(10)
    for number in range(1000):
        with shares.counted(str(number), 3):
            assert shares.held == 3
    assert (shares.held, len(shares._held)) == (0, 0)


@pytest.mark.parametrize("held", [0, 1, 50])
def test_lua_has_the_same_rule(redis_url: str, held: int) -> None:
    """What is counted in Redis is shared as what a process counts."""
    script = expand(
        "--!include fairness\n"
        "return may_hold(tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))"
    )
    with redis.Redis.from_url(redis_url) as client:
        for more in (0, 1, 49, 50):
            for free in (-1, 0, 1, 50, 99, 100):
                found = client.eval(script, 0, held, more, free)
                assert bool(found) == may_hold(held, more, free)
