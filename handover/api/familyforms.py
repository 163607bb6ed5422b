"""The forms of what a family is answered, and of what a school is told of its requests, as marshmallow schemas."""

from marshmallow import Schema, fields

from handover.api.answerforms import NoticeShown, ReleaseShown, maybe, rows, string, texts


class PolicyShown(Schema):
    """The sending board's policy as it was frozen with the transfer."""

    kind = string()
    waiting_days = fields.Integer()
    consent_level = fields.Integer()
    explicit_level = fields.Integer()


class SectionAsked(Schema):
    """A section that is asked, what it needs, whether this visitor says yes or no to it, and what was answered."""

    section = string()
    requirement = string()
    choice = fields.Boolean()
    version = maybe()
    answer = maybe()
    name = string()
    text = string()


class Decider(Schema):
    """Somebody whose answer is needed."""

    person = string()
    you = fields.Boolean()
    answered = fields.Boolean()


class QuestionShown(Schema):
    """What is asked of a family."""

    transfer = string()
    child = string()
    sender = string()
    receiver = string()
    route = string()
    purpose = string()
    policy = fields.Nested(PolicyShown)
    state = string()
    until = string()
    notice = fields.Nested(NoticeShown)
    sections = rows(SectionAsked)
    deciders = rows(Decider)


class Said(Schema):
    """The events that were recorded, and the journal's checkpoint that holds them.

    `opened` is what a withdrawal came too late for, `waits` what an objection keeps here until it is decided.
    """

    events = texts()
    checkpoint = string()
    opened = texts()
    waits = texts()


class SchoolNamed(Schema):
    """A school and its board's name."""

    code = string()
    board = maybe()


class LogRow(Schema):
    """One thing that was done with the child's file, in whole sentences and in codes."""

    at = string()
    nl = string()
    en = string()
    kind = string()
    school = fields.Nested(SchoolNamed, allow_none=True)
    role = maybe()
    sections = texts()
    purpose = maybe()
    ground = maybe()
    consent_at = maybe()
    outcome = maybe()
    emergency = fields.Boolean()


class LogShown(Schema):
    """A page of the log, newest first; `next` is the `before` of the page after it."""

    rows = rows(LogRow)
    next = fields.Integer(allow_none=True)
    checkpoint = string()


class StopShown(Schema):
    """What keeps data although somebody asked to erase them."""

    kind = string()
    nl = string()
    en = string()
    basis = string()
    until = maybe()


class BoardNamed(Schema):
    """A board and its name."""

    code = string()
    name = string()


class ChildHeld(Schema):
    """What the service holds of the pupil."""

    pupil = string()
    first_name = string()
    birth_date = string()
    group = maybe()
    colleague = fields.Boolean()
    board = fields.Nested(BoardNamed)


class ContactHeld(Schema):
    """What the service holds of who asks."""

    person = string()
    role = string()
    name = maybe()
    mail = maybe()


class BundleHeld(Schema):
    """A bundle that stood or stands at the service."""

    bundle = string()
    uploaded_at = string()
    expires_at = string()
    versions = fields.Dict(keys=string(), values=string())


class TransferHeld(Schema):
    """A transfer of the pupil's file, and what was released of it."""

    transfer = string()
    sender = string()
    receiver = string()
    route = string()
    purpose = string()
    sections = texts()
    policy = fields.Nested(PolicyShown)
    opened_at = string()
    cancelled_at = maybe()
    received_at = maybe()
    placed = fields.Boolean(allow_none=True)
    used_for = texts()
    bundles = rows(BundleHeld)
    released = rows(ReleaseShown)


class InvitationHeld(Schema):
    """An invitation of who asks."""

    transfer = string()
    sent_at = string()
    expires_at = string()


class ProposalHeld(Schema):
    """What staff proposed and nobody confirmed yet; `answers` are those of one's own paper."""

    matter = string()
    school = string()
    transfer = maybe()
    sections = texts()
    answers = fields.Dict(keys=string(), values=string())
    proposed_at = string()
    lapses_at = string()


class WordsHeld(Schema):
    """Somebody's words: one's own, or the school's on what one asked."""

    event = string()
    kind = string()
    you = fields.Boolean()
    text = string()


class KeptHeld(Schema):
    """A row of the retention table."""

    data = string()
    counts_from = string()
    term = string()
    basis = string()


class Given(Schema):
    """What a right gives at once: `stops` of an erasure, all else of access, `you`, `ledger`, `words` of portability.

    An event of the ledger is an object with `event`, `kind`, `at`, `by` and the fields of its kind (consent/README.md).
    """

    stops = rows(StopShown)
    information = fields.Dict(keys=string(), values=string())
    pupil = fields.Nested(ChildHeld)
    you = fields.Nested(ContactHeld)
    transfers = rows(TransferHeld)
    invitations = rows(InvitationHeld)
    proposals = rows(ProposalHeld)
    ledger = fields.List(fields.Dict())
    words = rows(WordsHeld)
    received = rows(LogRow)
    log = rows(LogRow)
    kept = rows(KeptHeld)


class RightTaken(Schema):
    """A request, by when it is answered, and what it gives at once."""

    request = string()
    right = string()
    due = string()
    answer = fields.Nested(Given, allow_none=True)
    checkpoint = string()


class RequestShown(Schema):
    """A request and what was decided; the last five are the school's to see."""

    request = string()
    right = string()
    sections = texts()
    text = string()
    asked_at = string()
    due = string()
    state = string()
    decided_at = maybe()
    reason = maybe()
    article = maybe()
    person = string()
    role = string()
    pupil = string()
    transfer = string()
    days_left = fields.Integer(allow_none=True)


class RequestsMine(Schema):
    """A visitor's own requests and objections, newest first."""

    requests = rows(RequestShown)


class RequestsShown(Schema):
    """A page of what waits for a school; `next` is the cursor of the page after it."""

    requests = rows(RequestShown)
    next = fields.Integer(allow_none=True)


class RequestDecided(Schema):
    """A request, the ruling, and the event that decided it; of a granted erasure the proposal that waits instead."""

    request = string()
    event = string()
    proposal = string()
    ruling = string()
