"""The table from refusals to problem documents."""

import pytest

from app import errors, problems
from app.errors import BadParameterError, RefusedError, TooManyRequestsError, WrongKeyError


def test_every_refusal_has_its_place_in_the_table() -> None:
    """None can become a 500 for want of a title, and no two have the same type."""
    refusals = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RefusedError)}
    assert set(problems.KINDS) == refusals - {RefusedError}
    assert len({kind.slug for kind in problems.KINDS.values()}) == len(problems.KINDS)


def test_field_is_named_when_it_is_wrong() -> None:
    """As a JSON pointer, beside the sentence."""
    document = problems.problem_of(BadParameterError("x: expected 0 to 5", field="x"))
    assert document.errors is not None
    assert [(error.pointer, error.detail) for error in document.errors] == [("#/x", "x: expected 0 to 5")]
    assert problems.problem_of(BadParameterError("follow: one sample at a time")).errors is None


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (TooManyRequestsError("slower"), {"Retry-After": "1"}),
        (TooManyRequestsError("slower", retry_after_s=9), {"Retry-After": "9"}),
        (WrongKeyError("no key"), {"WWW-Authenticate": "Bearer"}),
        (BadParameterError("no"), {}),
    ],
)
def test_headers_say_what_to_do_when_refused(error: RefusedError, headers: dict[str, str]) -> None:
    """When to come back, better known by whoever raised it than by the table; or with what."""
    assert problems.headers_of(error) == headers
