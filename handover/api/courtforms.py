"""The forms of what a school records about a court's ruling, and about a receiver that goes on under another code."""

from marshmallow import Schema, fields, validate

from handover.api.values import IDENTIFIER, SCHOOL, SHA256, day, moment, sections
from handover.courts import COURTS


class Court(Schema):
    """Which court decided in whose place, when, on which sections, until when, with the ruling's scan."""

    court = fields.String(required=True, validate=validate.OneOf(list(COURTS)))
    stands_for = fields.String(required=True, validate=IDENTIFIER)
    sections = sections()
    decided_on = day(required=True)
    until = moment()
    scan = fields.String(required=True, validate=SHA256)


class Succession(Schema):
    """The code that a receiver had, and the one that it has."""

    receiver = fields.String(required=True, validate=SCHOOL)
    successor = fields.String(required=True, validate=SCHOOL)


class SuccessionOut(Schema):
    """The event that says so, and how many of the family were told."""

    event = fields.String()
    told = fields.Integer()
