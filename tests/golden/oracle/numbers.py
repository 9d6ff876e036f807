"""Arithmetic of the reference: exact fractions, rounded half up once.

Belongs here: rounding, ratios, percentiles and texts of durations. Does not belong here: anything
that knows what a figure means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

Number = int | Decimal | Fraction


def rounded(value: Number | None, places: int) -> Decimal | None:
    """Half away from zero at ``places`` decimals; None stays None (X-10)."""
    if value is None:
        return None
    exact = Fraction(value)
    with localcontext(prec=80):
        quotient = Decimal(exact.numerator) / Decimal(exact.denominator)
        return quotient.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def whole(value: Number | None) -> int | None:
    """The nearest whole number, halves away from zero."""
    result = rounded(value, 0)
    return None if result is None else int(result)


def ratio(numerator: Number | None, denominator: Number | None) -> Fraction | None:
    """None where there is nothing to divide by (X-08)."""
    if numerator is None or not denominator:
        return None
    return Fraction(numerator) / Fraction(denominator)


def times(value: Fraction | None, factor: int) -> Fraction | None:
    return None if value is None else value * factor


def mean(values: Sequence[Number]) -> Fraction | None:
    return ratio(sum((Fraction(value) for value in values), Fraction(0)), len(values))


def percentile(values: Iterable[Number], share: Fraction) -> Fraction | None:
    """Continuous interpolation between the two nearest ranks (X-03)."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = place.numerator // place.denominator
    above = min(below + 1, len(ordered) - 1)
    low, high = Fraction(ordered[below]), Fraction(ordered[above])
    return low + (high - low) * (place - below)


P50, P95, P99 = Fraction(1, 2), Fraction(95, 100), Fraction(99, 100)
