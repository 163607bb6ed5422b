"""The forms of an FG's questions and of their answers, as marshmallow schemas."""

from datetime import date, datetime, timedelta

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from consent.terms import Ground
from handover.api.values import IDENTIFIER, SCHOOL, SECTIONS, count, day, line, moment
from handover.audit import KINDS, OUTCOMES
from handover.patterns import NAMES


class AuditSearch(Schema):
    """What an FG looks for; all that is named must hold. Days are UTC's, both included."""

    pupil = fields.String(validate=IDENTIFIER)
    pupil_number = line(64)
    person = fields.String(validate=validate.Regexp(r"\A[A-Za-z0-9._-]{1,110}\Z", error="SCHOOL.pseudonym."))
    school = fields.String(validate=SCHOOL)
    section = fields.String(validate=validate.OneOf(SECTIONS))
    ground = fields.String(validate=validate.OneOf(list(map(str, Ground))))
    outcome = fields.String(
        validate=validate.Regexp(
            rf"\A({'|'.join(OUTCOMES)}|[A-Z][A-Z_]{{2,39}})\Z",
            error=f"One of {', '.join(OUTCOMES)}, or in capitals why it was refused, such as WITHDRAWN.",
        )
    )
    kind = fields.String(validate=validate.OneOf(sorted(KINDS.values())))
    since = day()
    until = day()
    cursor = count()
    limit = count(1, 100, load_default=50)

    @validates_schema
    def _one_way_to_name_a_pupil(self, data: dict[str, object], **_: object) -> None:
        if "pupil" in data and "pupil_number" in data:
            raise ValidationError("Name the pupil in one way.", "pupil_number")


class AuditPatterns(Schema):
    """Between which days (UTC, both included) an FG looks for which patterns, or all."""

    since = day(required=True)
    until = day(required=True)
    names = fields.List(fields.String(validate=validate.OneOf(NAMES)), validate=validate.Length(1, len(NAMES)))

    @validates_schema
    def _a_year_at_most(self, data: dict[str, date], **_: object) -> None:
        if not timedelta(0) <= data["until"] - data["since"] <= timedelta(days=366):
            raise ValidationError("Not before since, and at most 366 days after it.", "until")


class AuditExport(Schema):
    """In which form an FG gets the own side of the journal: lines to verify, or a table."""

    form = fields.String(load_default="jsonl", validate=validate.OneOf(["jsonl", "csv"]))


class AuditBreach(Schema):
    """Between which moments an FG reports, half-open."""

    since = moment(required=True)
    until = moment(required=True)

    @validates_schema(skip_on_field_errors=True)
    def _in_order(self, data: dict[str, datetime], **_: object) -> None:
        if not data["since"] < data["until"]:
            raise ValidationError("Must lie after since.", "until")


class AuditEntry(Schema):
    """An entry of the access log as one board may see it; null is what it may not know, or what was erased."""

    index = fields.Integer()
    number = fields.Integer()
    at = fields.String(allow_none=True)
    kind = fields.String()
    who = fields.String(allow_none=True)
    role = fields.String(allow_none=True)
    school = fields.String(allow_none=True)
    pupil = fields.String(allow_none=True)
    transfer = fields.String(allow_none=True)
    sections = fields.List(fields.String())
    ground = fields.String(allow_none=True)
    outcome = fields.String(allow_none=True)
    emergency = fields.Boolean()
    erased = fields.Boolean()


class AuditFound(Schema):
    """A page of what was found, newest first; `next` is the cursor of the page after it."""

    entries = fields.List(fields.Nested(AuditEntry))
    next = fields.Integer(allow_none=True)


class PatternHit(Schema):
    """A finding: when its newest entry was written, whose it is, and the indices of its entries."""

    at = fields.String()
    who = fields.String(allow_none=True)
    entries = fields.List(fields.Integer())


class PatternFound(Schema):
    """What was found of one pattern: why it is worth a look, how often it is there, and the newest of it."""

    name = fields.String()
    why = fields.String()
    waarom = fields.String()
    count = fields.Integer()
    found = fields.List(fields.Nested(PatternHit))


class PatternsFound(Schema):
    """What was found of each pattern that was looked for."""

    patterns = fields.List(fields.Nested(PatternFound))


class Touched(Schema):
    """How often somebody or something stands in the entries, and how far it came."""

    entries = fields.Integer()
    released = fields.Integer()
    tried = fields.Integer()
    sections_released = fields.List(fields.String())
    sections_tried = fields.List(fields.String())


def touched() -> fields.Dict:
    """Make a field for counts by name."""
    return fields.Dict(keys=fields.String(), values=fields.Nested(Touched))


def counted() -> fields.Dict:
    """Make a field for numbers by name."""
    return fields.Dict(keys=fields.String(), values=fields.Integer())


class BreachReport(Schema):
    """What of a board's was touched in a period: by pupil, transfer, school, section and person."""

    board = fields.String()
    since = fields.String()
    until = fields.String()
    first = fields.Integer(allow_none=True)
    last = fields.Integer(allow_none=True)
    entries = fields.Integer()
    erased = fields.Integer()
    released = fields.Integer()
    tried = fields.Integer()
    emergency = fields.Integer()
    became = counted()
    kinds = counted()
    pupils = touched()
    transfers = touched()
    schools = touched()
    sections = touched()
    persons = touched()
