"""The forms of what takes two, and of holds."""

from marshmallow import Schema, fields

from handover.api.answerforms import maybe, rows, string, texts
from handover.api.values import IDENTIFIER, moment, plain


class Hold(Schema):
    """Why, and until when, everything of a pupil is held back from destruction."""

    ground = plain(required=True)
    until = moment()


class LiftedHold(Schema):
    """Why a hold should be lifted."""

    ground = plain(required=True)


class Proposals(Schema):
    """From where on proposals are listed: the `next` of the page before."""

    cursor = fields.String(validate=IDENTIFIER)


class Content(Schema):
    """What a proposal's id stands for; `said` has its matter's own form."""

    v = fields.Integer()
    matter = string()
    pupil = string()
    transfer = maybe()
    by = string()
    at = string()
    said = fields.Dict()
    salt = string()


class Waiting(Schema):
    """A proposal that waits; who made it (`yours`) can't confirm it."""

    proposal = string()
    content = fields.Nested(Content)
    lapses_at = string()
    yours = fields.Boolean()


class ProposalsShown(Schema):
    """A page of what waits for a second person; `next` is the cursor of the page after it."""

    proposals = rows(Waiting)
    next = maybe()


class Settled(Schema):
    """What a confirmation came to: of an emergency, a paper, a hold, a restriction or an erasure, each its own part."""

    event = string()
    events = texts()
    sections = texts()
    until = string()
    told = fields.Integer()
    starts = string()
    hold = string()
    request = string()
    ruling = string()


class Withdrawn(Schema):
    """A proposal that its maker took back."""

    proposal = string()
    withdrawn = fields.Boolean()


class Lifted(Schema):
    """When a hold was lifted, on what ground, and by which two."""

    at = string()
    ground = string()
    by = texts()


class HoldShown(Schema):
    """A hold; `lifted` is null while it wasn't."""

    hold = string()
    ground = string()
    placed_at = string()
    by = string()
    until = maybe()
    lifted = fields.Nested(Lifted, allow_none=True)


class HoldsShown(Schema):
    """The holds of a pupil, oldest first."""

    holds = rows(HoldShown)
