"""The forms of the door's answers, as marshmallow schemas: what stands here goes out, and nothing else.

Times are RFC 3339 in UTC, hashes and notes are texts, sections stand in their order. What may be null says so; what may
be absent is what only one side of a transfer sees, or one kind of right brings with it.
"""

from marshmallow import Schema, fields


def string() -> fields.String:
    """Make a field for a text, a time, an id."""
    return fields.String()


def maybe() -> fields.String:
    """Make a field for a text that may be null."""
    return fields.String(allow_none=True)


def texts() -> fields.List[str]:
    """Make a field for a list of texts."""
    return fields.List(fields.String())


def rows(schema: type[Schema]) -> fields.List[object]:
    """Make a field for a list of objects."""
    return fields.List(fields.Nested(schema))


# ---- boards, schools and the public logs


class BoardJoined(Schema):
    """A board and its schools."""

    board = string()
    schools = texts()


class PolicyChosen(Schema):
    """A board's policy, and where it stands in the journal."""

    board = string()
    policy = string()
    index = fields.Integer()


class DpoStated(Schema):
    """A board's FG by name, current or revoked."""

    board = string()
    name = string()
    state = string()


class LogState(Schema):
    """A log's size and root."""

    size = fields.Integer()
    root = string()


class KeysPublished(Schema):
    """A school, and the key log after it."""

    school = string()
    keylog = fields.Nested(LogState)


class KeyLogPage(Schema):
    """Entries of the key log from an index on, and its size."""

    entries = fields.List(fields.Dict())
    size = fields.Integer()


class Keys(Schema):
    """A school's public keys."""

    seal = string()
    sign = string()
    request = string()


class PublicKeys(Schema):
    """A PUBFILE."""

    v = fields.Integer()
    school = string()
    keys = fields.Nested(Keys)
    statements = fields.List(fields.Dict())


class Health(Schema):
    """`ok`, or `frozen` where nothing is released."""

    status = string()


class Consistency(Schema):
    """A consistency proof between two sizes."""

    old = fields.Integer()
    new = fields.Integer()
    proof = texts()


class WitnessSeen(Schema):
    """A witness, and what it cosigned last."""

    name = string()
    verifier = string()
    size = fields.Integer(allow_none=True)
    witnessed_at = maybe()
    note = maybe()


class WitnessesSeen(Schema):
    """All witnesses."""

    witnesses = rows(WitnessSeen)


# ---- pupils and transfers


class PupilNoted(Schema):
    """The pupil that something was noted of."""

    pupil = string()


class Held(Schema):
    """A hold."""

    hold = string()


class TransferOpened(Schema):
    """A transfer, and the policy that is frozen with it."""

    transfer = string()
    policy = string()


class TransferState(Schema):
    """A transfer and what was just done with it."""

    transfer = string()
    state = string()
    applied = fields.Boolean()
    sections = texts()
    received_at = maybe()
    placed = fields.Boolean(allow_none=True)


class InvitationOut(Schema):
    """An invitation; its token goes through the outbox alone."""

    person = string()
    expires_at = string()


class ObjectionDecided(Schema):
    """The event of a decision."""

    event = string()
    upheld = fields.Boolean()


class BundleTaken(Schema):
    """A bundle, its place in the journal, the one that it replaces, and how many were told."""

    bundle = string()
    index = fields.Integer()
    supersedes = maybe()
    told = fields.Integer()


class BundleShown(Schema):
    """A bundle; its sections' versions for the sender alone."""

    bundle = string()
    uploaded_at = string()
    expires_at = string()
    versions = fields.Dict(keys=string(), values=string())


class Decision(Schema):
    """Whether a section would go now, and if not, why and what would allow it."""

    granted = fields.Boolean()
    reason = maybe()
    allows = maybe()


class ObjectionShown(Schema):
    """An objection with its words, until when it has to be decided, and how it was."""

    event = string()
    person = string()
    sections = texts()
    reason = string()
    due = string()
    upheld = fields.Boolean(allow_none=True)


class ViewShown(Schema):
    """Somebody's words about the file."""

    event = string()
    person = string()
    travels = fields.Boolean()
    text = string()


class ReleaseShown(Schema):
    """What was released, and what became of it."""

    sections = texts()
    at = string()
    outcome = maybe()


class Acknowledged(Schema):
    """What the receiver said back."""

    received_at = string()
    placed = fields.Boolean(allow_none=True)
    used_for = texts()


class TransferShown(Schema):
    """A transfer as the side that asks may see it."""

    transfer = string()
    side = string()
    route = string()
    purpose = string()
    state = string()
    applied = fields.Boolean()
    opened_at = string()
    bundle = fields.Nested(BundleShown, allow_none=True)
    acknowledgement = fields.Nested(Acknowledged, allow_none=True)
    # the sender's
    pupil = string()
    receiver = string()
    sections = texts()
    policy = maybe()
    seal_again = fields.Boolean()
    decisions = fields.Dict(keys=string(), values=fields.Nested(Decision))
    waiting_for = texts()
    proposals = texts()
    objections = rows(ObjectionShown)
    views = rows(ViewShown)
    released = rows(ReleaseShown)
    # the receiver's
    sender = string()
    opened = texts()
    withdrawn = texts()
    superseded = fields.Boolean()


class TransfersShown(Schema):
    """A page of transfers; `next` is the cursor of the page after it."""

    transfers = rows(TransferShown)
    next = maybe()


# ---- an emergency, paper, the season


class Proposed(Schema):
    """A proposal that a second person has to confirm."""

    proposal = string()


class EmergencyEnded(Schema):
    """An emergency and its end."""

    event = string()
    ended_at = string()


class EmergencyShown(Schema):
    """An emergency that a second person (`by`) confirmed."""

    event = string()
    by = string()
    second = string()
    at = string()
    ground = string()
    sections = texts()
    until = string()
    reason = string()


class EmergenciesShown(Schema):
    """What was confirmed for a transfer."""

    releases = rows(EmergencyShown)


class NoticeShown(Schema):
    """A text, word for word, and its hash."""

    id = string()
    version = fields.Integer()
    language = string()
    sha256 = string()
    text = string()


class PaperForm(Schema):
    """What to print for who answers on paper."""

    notice = fields.Nested(NoticeShown)
    sections = texts()


class SilentPerson(Schema):
    """Somebody who hasn't answered, with the reminders sent and due."""

    person = string()
    role = string()
    invited_at = maybe()
    expired = fields.Boolean()
    reminders = fields.Integer()
    next_reminder = maybe()


class SilentTransfer(Schema):
    """A transfer that waits for somebody, or of which it isn't known who decides."""

    transfer = string()
    pupil = string()
    group = maybe()
    receiver = string()
    purpose = string()
    opened_at = string()
    custody_known = fields.Boolean()
    persons = rows(SilentPerson)


class SeasonShown(Schema):
    """A page of the season; `next` is the cursor of the page after it."""

    transfers = rows(SilentTransfer)
    next = maybe()
