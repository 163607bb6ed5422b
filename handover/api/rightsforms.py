"""The forms of what families ask under the AVG, and of what schools answer."""

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from consent.terms import Right, Ruling
from handover.api.schemas import Token
from handover.api.values import count, digits, plain, sections, words


class LogPage(Token):
    """From where on the log is shown: the `next` of the page before."""

    before = count()


class RightAsked(Token):
    """What is asked under chapter III of the AVG; sections only where not everything is meant."""

    right = fields.String(required=True, validate=validate.OneOf([str(right) for right in Right]))
    sections = sections(required=False)
    text = words(required=False)

    @validates_schema(skip_on_field_errors=True)
    def _says_what_is_wrong(self, data: dict[str, object], **_: object) -> None:
        if data["right"] == Right.RECTIFICATION and "text" not in data:
            raise ValidationError({"text": ["Say what is wrong."]})


class Requests(Schema):
    """From where on requests are listed: the `next` of the page before."""

    cursor = digits()


class RequestRuling(Schema):
    """A school's decision on a request. Granting an erasure comes to a proposal, for a second person to confirm."""

    ruling = fields.String(required=True, validate=validate.OneOf([str(ruling) for ruling in Ruling]))
    reason = words()
    article = plain()


class Lifting(Schema):
    """Why a restriction should end."""

    reason = words()
