"""Refusals as problem documents."""

import pytest

from app import problems
from app.errors import (
    BadParameterError,
    RefusedError,
    TooManyRequestsError,
    WrongKeyError,
)


def test_no_two_refusals_have_the_same_type() -> None:
    """Nor can one become a 500 for want of a title: its class must say it."""
    slugs = [refusal.problem.slug for refusal in RefusedError.__subclasses__()]
    assert len(slugs) > 50
    assert len(set(slugs)) == len(slugs)


def test_field_is_named_when_it_is_wrong() -> None:
    """As a JSON pointer, beside the sentence."""
    document = problems.problem_of(BadParameterError("x: expected 0 to 5", field="x"))
    assert document.errors is not None
    assert [(error.pointer, error.detail) for error in document.errors] == [
        ("#/x", "x: expected 0 to 5")
    ]
    assert (
        problems.problem_of(BadParameterError("follow: one sample at a time")).errors
        is None
    )


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (TooManyRequestsError("slower"), {"Retry-After": "1"}),
        (TooManyRequestsError("slower", retry_after_s=9), {"Retry-After": "9"}),
        (WrongKeyError("no key"), {"WWW-Authenticate": "Bearer"}),
        (BadParameterError("no"), {}),
    ],
)
def test_headers_say_what_to_do_when_refused(
    error: RefusedError, headers: dict[str, str]
) -> None:
    """When to come back, better known by whoever raised it than by its kind; or with what."""
    assert problems.headers_of(error) == headers
