"""Which addresses can be sent to, and how they are masked."""

from __future__ import annotations

import pytest

from orchestration.delivery.addresses import address_problem, mask_address


@pytest.mark.parametrize(
    "address", ["ann@example.org", "a.b+c@sub.example.co", "x@localhost", "o'neil@example.org"]
)
def test_an_ordinary_address_can_be_sent_to(address: str) -> None:
    assert address_problem(address) is None


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "is empty"),
        ("nobody", "has no @"),
        ("a@b@c", "not valid"),
        ("ann@exa mple.org", "not valid"),
        ("ann@example.org\r\nBcc: all@example.org", "not valid"),
        ("<ann@example.org>", "not valid"),
        ("ann@-example.org", "not valid"),
        (".ann@example.org", "not valid"),
        ("a..b@example.org", "not valid"),
        ("änn@example.org", "outside ASCII"),
        (f"{'a' * 65}@example.org", "not valid"),
    ],
)
def test_a_broken_address_has_a_reason(address: str, problem: str) -> None:
    assert problem in str(address_problem(address))


@pytest.mark.parametrize(
    ("address", "masked"),
    [("ann@example.org", "a***@example.org"), ("nobody", "n***"), ("@x", "@***")],
)
def test_an_address_is_shown_masked(address: str, masked: str) -> None:
    assert mask_address(address) == masked
