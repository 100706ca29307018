"""How large the project is: a room grows only where its table says so."""

import pytest

from tests.house.sizes import PRODUCT, ROOT, measured_sizes, most_allowed


def test_no_room_has_more_code_than_its_table_allows() -> None:
    """A change that needs more raises the number in tests/house/sizes.toml, and says why."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout of git: there is no list of its files")
    sizes = measured_sizes()
    grown = {name: sizes[name] for name, most in most_allowed().items() if sizes[name] > most}
    assert not grown, "python -m tests.house.sizes"


def test_every_room_of_the_product_has_a_most() -> None:
    """None is left out of the table."""
    assert set(PRODUCT) < set(most_allowed())
