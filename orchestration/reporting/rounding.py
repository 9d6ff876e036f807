"""Rounding of published figures: half up, on decimals, once, at presentation (X-10).

Belongs here: the step from a stored figure to a shown one. Does not belong here: which figure has
how many places, which is the datasets' business, and units, which are the reports' (formats).
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal

Figure = Decimal | int | float | None
"""A figure as the published database gives it; None is unknown."""

# Stored money has up to 38 digits; the default context of 28 would refuse to round it.
_WIDE = Context(prec=76)


def exact(value: Decimal | int | float) -> Decimal:
    """The figure as a decimal.

    An average comes out of the database as the binary number closest to it. Its shortest decimal
    form is the average itself, while its exact binary value lies a hair beside it, often on the
    wrong side of a half.
    """
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def half_up(value: Figure, places: int) -> Decimal | None:
    """The figure with ``places`` decimals, halves away from zero; None stays None."""
    if value is None:
        return None
    step = Decimal(1).scaleb(-places)
    return exact(value).quantize(step, rounding=ROUND_HALF_UP, context=_WIDE)


def whole(value: Figure) -> int | None:
    """The nearest whole number, halves away from zero; None stays None."""
    rounded = half_up(value, 0)
    return None if rounded is None else int(rounded)


def floor(value: Figure) -> int | None:
    """The whole number at or below the figure; None stays None."""
    if value is None:
        return None
    return int(exact(value).to_integral_value(rounding=ROUND_FLOOR, context=_WIDE))


def ratio(numerator: Figure, denominator: Figure, *, places: int, times: int = 1) -> Decimal | None:
    """``numerator`` / ``denominator`` x ``times``, rounded once; None where it has no value."""
    if numerator is None or not denominator:
        return None
    quotient = _WIDE.divide(exact(numerator) * times, exact(denominator))
    return half_up(quotient, places)
