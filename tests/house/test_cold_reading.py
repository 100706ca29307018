"""tests/house/cold_reading.py: what it chooses, and that it shows no code."""

from tests.house.cold_reading import ROOT, chosen, definitions


def test_the_choice_depends_on_the_commit() -> None:
    """Thirty of a room; the same for the same commit, others for another one."""
    room = ROOT / "worker"
    first = chosen(room, "a" * 40, 30)
    assert len(first) == 30
    assert first == chosen(room, "a" * 40, 30)
    assert first != chosen(room, "b" * 40, 30)


def test_a_small_room_is_read_whole() -> None:
    room = ROOT / "worker" / "contract" / "kinds"
    assert chosen(room, "a" * 40, 1000) == definitions(room)


def test_signatures_and_docstrings_are_shown_and_no_code() -> None:
    """Methods whose names begin with an underscore are not public."""
    (found,) = [
        each.text
        for each in definitions(ROOT / "model_core" / "layers")
        if each.text.startswith("class MaskedConv2d")
    ]
    assert '"""' in found
    assert "def __init__(self" in found
    assert "return" not in found.replace("Return", "").replace("returns", "")


def test_fields_async_methods_and_init_are_shown_with_their_docstrings() -> None:
    (jobs,) = [
        each.text
        for each in definitions(ROOT / "app" / "services")
        if each.text.startswith("class Jobs:")
    ]
    assert "def __init__(self, store: Store" in jobs
    assert "async def view(" in jobs
    (stage,) = [
        each.text
        for each in definitions(ROOT / "model_core" / "sampling")
        if each.text.startswith("class Stage(")
    ]
    assert '    numerics: ClassVar[str]\n    """Name of' in stage


def test_exports_of_the_engine_are_found() -> None:
    found = definitions(ROOT / "engine")
    assert len(found) > 50
    assert all("export " in each.text for each in found)
