"""Why a row is refused: the reason codes of the quarantine, each with its text.

Belongs here: the codes and what they mean. Does not belong here: the checks themselves
(ingest/validation.py), which are generated from the declarations of the streams.
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """A way to break the contract. The value is the code stored with a quarantined row."""

    MALFORMED_ROW = "malformed_row"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_REQUIRED = "missing_required"
    WRONG_TYPE = "wrong_type"
    NOT_WHOLE = "not_whole"
    OUT_OF_RANGE = "out_of_range"
    NOT_ALLOWED = "not_allowed"
    BAD_TIME = "bad_time"
    FUTURE_TIME = "future_time"

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS = {
    Reason.MALFORMED_ROW: "The row cannot be read in the format of its file.",
    Reason.NOT_AN_OBJECT: "The row is valid JSON but not an object.",
    Reason.MISSING_REQUIRED: "A required field is absent, null or an empty text.",
    Reason.WRONG_TYPE: "A value is not of the field's type.",
    Reason.NOT_WHOLE: "A count has a fraction.",
    Reason.OUT_OF_RANGE: "A value lies outside the field's range.",
    Reason.NOT_ALLOWED: "A value is not one of those the field allows.",
    Reason.BAD_TIME: "A time or date is neither ISO 8601 nor epoch seconds, ms, us or ns.",
    Reason.FUTURE_TIME: (
        "A time lies more than five minutes after the load; the row lands once its time has come."
    ),
}
