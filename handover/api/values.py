"""The values that bodies and queries hold, as marshmallow fields: one spelling of each, and no other.

The library alone takes "yes" and 1 for true, "20140506" and "2014-W19-2" for a day, and digits of any script.
"""

import re
from datetime import UTC, date, datetime
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from consent.terms import Section
from crypto.encoding import SCHOOL as SCHOOL_CODE

SCHOOL: Final = validate.Regexp(rf"\A{SCHOOL_CODE}\Z", error="Six characters: BRIN and vestiging.")
IDENTIFIER: Final = validate.Regexp(r"\A[A-Za-z0-9._-]{1,64}\Z", error="At most 64 letters, digits, dots and dashes.")
SHA256: Final = validate.Regexp(r"\A[0-9a-f]{64}\Z", error="64 hexadecimal digits.")
SECTIONS: Final = tuple(str(section) for section in Section)
DAYS: Final = validate.Range(date(1900, 1, 1), date(2999, 12, 31))
MOMENTS: Final = validate.Range(datetime(1900, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC))
"""The days and moments that are taken: those around them, in any zone, can be counted too."""

_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
_MOMENT: Final = re.compile(_DAY.pattern + _TIME)


class _Truth(fields.Boolean):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class _Count(fields.Integer):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        if type(value) is not int:
            raise self.make_error("invalid")
        return value


class _Digits(fields.Integer):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        if not _DIGITS.fullmatch(value):
            raise self.make_error("invalid")
        return int(value)


class _Day(fields.Date):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **more)


class _Moment(fields.AwareDateTime):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        if not isinstance(value, str) or not _MOMENT.fullmatch(value):
            raise self.make_error("invalid", obj_type="datetime")
        return super()._deserialize(value, attr, data, **more)


def _one_line(text: str) -> None:
    if text != text.strip() or not text.isprintable():
        raise ValidationError("One line, without control characters.")


def _words(text: str) -> None:
    if not text.strip() or any(not (char.isprintable() or char == "\n") for char in text):
        raise ValidationError("Words, without control characters but line breaks.")


def once(values: list[str]) -> None:
    """Refuse a list that names something twice."""
    if len(set(values)) != len(values):
        raise ValidationError("Each at most once.")


def truth(**options: Any) -> fields.Boolean:
    """Make a required field for true or false."""
    return _Truth(required=True, **options)


def count(least: int = 0, most: int = 2**40, **options: Any) -> fields.Integer:
    """Make a field for a whole number in a body."""
    return _Count(validate=validate.Range(least, most), **options)


def digits(**options: Any) -> fields.Integer:
    """Make a field for a whole number in a query, which holds nothing but texts."""
    return _Digits(validate=validate.Range(0, 2**40), **options)


def day(**options: Any) -> fields.Date:
    """Make a field for a day (RFC 3339 full-date)."""
    return _Day(validate=DAYS, **options)


def moment(**options: Any) -> fields.AwareDateTime:
    """Make a field for a moment that names its zone (RFC 3339 date-time)."""
    return _Moment(format="iso", validate=MOMENTS, **options)


def line(longest: int = 100, **options: Any) -> fields.String:
    """Make a field for one line of text."""
    return fields.String(validate=[validate.Length(1, longest), _one_line], **options)


def plain(**options: Any) -> fields.String:
    """Make a field for a ground or an article: the law or the case, never a person."""
    form = validate.Regexp(r"\A[ -~]{1,120}\Z", error="Plain letters, at most 120.")
    return fields.String(validate=form, **options)


def mail(**options: Any) -> fields.Email:
    """Make a field for a mail address: its quoted form may hold control characters, which no message should carry."""
    return fields.Email(validate=[validate.Length(max=254), _one_line], **options)


def words(longest: int = 4000, *, required: bool = True) -> fields.String:
    """Make a field for somebody's own words."""
    return fields.String(required=required, validate=[validate.Length(1, longest), _words])


def sections(*, required: bool = True) -> fields.List[str]:
    """Make a field for a set of sections."""
    return fields.List(
        fields.String(validate=validate.OneOf(SECTIONS)),
        required=required,
        validate=[validate.Length(1, len(SECTIONS)), once],
    )


def answers() -> fields.Dict:
    """Make a required field for a yes or no per section."""
    return fields.Dict(
        keys=fields.String(validate=validate.OneOf(SECTIONS)),
        values=fields.String(validate=validate.OneOf(["yes", "no"])),
        required=True,
        validate=validate.Length(1, len(SECTIONS)),
    )
