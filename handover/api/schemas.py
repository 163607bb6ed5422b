"""The forms of the REST door's bodies and answers, as marshmallow schemas; the OpenAPI document is made from them."""

from typing import Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from consent.terms import (
    Collected,
    CustodyEvidence,
    EmergencyGround,
    Purpose,
    Role,
    Route,
)
from handover.api.values import (
    IDENTIFIER,
    SCHOOL,
    SECTIONS,
    SHA256,
    answers,
    day,
    digits,
    line,
    mail,
    moment,
    once,
    sections,
    truth,
    words,
)

TOKEN: Final = validate.Regexp(r"\A[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\Z", error="Not a token.")
HOLDERS: Final = (str(Role.GUARDIAN), str(Role.VOOGD), str(Role.GI))


class Empty(Schema):
    """A body with nothing to say."""


class Problem(Schema):
    """RFC 9457 problem details."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    code = fields.String()
    detail = fields.String()
    fields_ = fields.Dict(keys=fields.String(), values=fields.String(), data_key="fields")


class Certificate(Schema):
    """A board's certificate, signed by the register's root."""

    certificate = fields.Dict(required=True)


class PolicyStatement(Schema):
    """A board's choice, signed by its identity."""

    policy = fields.Dict(required=True)
    signature = fields.String(required=True, validate=validate.Length(86, 86))


class DpoStatement(Schema):
    """A board's word on who its FG is, signed by its identity."""

    dpo = fields.Dict(required=True)
    signature = fields.String(required=True, validate=validate.Length(86, 86))


class Statements(Schema):
    """Key statements of one set."""

    statements = fields.List(fields.Dict(), required=True, validate=validate.Length(1, 8))


class Evidence(Schema):
    """How it was checked who holds gezag, when, and by whom."""

    kind = fields.String(required=True, validate=validate.OneOf([str(kind) for kind in CustodyEvidence]))
    date = day(required=True)
    staff = fields.String(required=True, validate=IDENTIFIER)


class Holder(Schema):
    """Somebody who holds gezag."""

    name = line(200, required=True)
    mail = mail(required=True)
    role = fields.String(required=True, validate=validate.OneOf(HOLDERS))
    since = day()
    person = fields.String(validate=IDENTIFIER)


class Custody(Schema):
    """All who hold gezag from now on, and the evidence."""

    holders = fields.List(fields.Nested(Holder), required=True, validate=validate.Length(0, 6))
    pupil_mail = mail()
    evidence = fields.Nested(Evidence, required=True)

    @validates_schema(skip_on_field_errors=True)
    def _own_address(self, data: dict[str, object], **_: object) -> None:
        holders = data["holders"]
        assert isinstance(holders, list)
        mails = [holder["mail"].lower() for holder in holders]
        if "pupil_mail" in data:
            mails.append(str(data["pupil_mail"]).lower())
        for place, address in enumerate(mails):
            if address in mails[:place]:
                where = {"holders": {place: {"mail": ["Each person needs an address of their own."]}}}
                raise ValidationError(where if place < len(holders) else {"pupil_mail": ["Already somebody else's."]})


class NewPupil(Schema):
    """A pupil that a board wants to hand over."""

    number = line(40, required=True)
    first_name = line(100, required=True)
    birth_date = day(required=True)
    custody = fields.Nested(Custody, required=True)
    group = line(20)


class ChangedCustody(Custody):
    """Custody as it is now; taking out a holder who said no needs a second person."""

    second_person = fields.String(validate=IDENTIFIER)


class PersonOut(Schema):
    """A person by id."""

    person = fields.String()
    role = fields.String()


class PupilOut(Schema):
    """A pupil's record by id, with the persons in the order given."""

    pupil = fields.String()
    persons = fields.List(fields.Nested(PersonOut))


class NewTransfer(Schema):
    """What the sender wants to hand over, to whom, and what for."""

    pupil = fields.String(required=True, validate=IDENTIFIER)
    receiver = fields.String(required=True, validate=SCHOOL)
    route = fields.String(required=True, validate=validate.OneOf([str(route) for route in Route]))
    purpose = fields.String(required=True, validate=validate.OneOf([str(purpose) for purpose in Purpose]))
    sections = sections()


class Sections(Schema):
    """A choice of sections."""

    sections = sections()


class Invited(Schema):
    """Whom to invite."""

    person = fields.String(required=True, validate=IDENTIFIER)


class Emergency(Schema):
    """What should go before the family's answer, why, and until when."""

    ground = fields.String(required=True, validate=validate.OneOf([str(ground) for ground in EmergencyGround]))
    sections = sections()
    until = moment(required=True)
    reason = words()


class Paper(Schema):
    """Somebody's answer on a signed paper, with its scan's hash."""

    person = fields.String(required=True, validate=IDENTIFIER)
    answers = answers()
    notice = fields.String(required=True, validate=SHA256)
    scan = fields.String(required=True, validate=SHA256)
    collected = fields.String(required=True, validate=validate.OneOf([Collected.PAPER, Collected.MEETING]))
    signed_on = day(required=True)


class Group(Schema):
    """The label of a pupil's class, or null where it is in none."""

    group = line(20, required=True, allow_none=True)


class Season(Schema):
    """Which class, from where on."""

    group = line(20)
    cursor = fields.String(validate=IDENTIFIER)


class ObjectionDecision(Schema):
    """A person's decision on an objection, with its reason."""

    upheld = truth()
    reason = words()


class Acknowledgement(Schema):
    """What the receiver says back."""

    received = truth(validate=validate.Equal(True))
    placed = truth(allow_none=True)
    used_for = fields.List(
        fields.String(validate=validate.OneOf(["support", "class", "teaching"])),
        validate=[validate.Length(0, 3), once],
    )


class Listing(Schema):
    """Which side's transfers, from where on."""

    side = fields.String(required=True, validate=validate.OneOf(["sender", "receiver"]))
    cursor = fields.String(validate=IDENTIFIER)


class Start(Schema):
    """From which index on."""

    start = digits(load_default=0)


class Sizes(Schema):
    """Two sizes of the journal, the older one first."""

    old = digits(required=True)
    new = digits(required=True)


class Witnessed(Schema):
    """A signed note of the journal with a witness's cosignature in it."""

    note = fields.String(required=True, validate=validate.Length(1, 16384))


class Token(Schema):
    """A guardian's or pupil's invitation."""

    token = fields.String(required=True, validate=TOKEN)


class Answers(Token):
    """Yes or no, per section. A section that isn't named stays open, which is no."""

    notice = fields.String(required=True, validate=SHA256)
    answers = answers()
    valid_until = moment()


class Withdrawal(Token):
    """What is taken back, and whether the share goes at once."""

    sections = sections()
    destroy_now = truth()


class Inzage(Token):
    """What was shown."""

    versions = fields.Dict(
        keys=fields.String(validate=validate.OneOf(SECTIONS)),
        values=fields.String(validate=IDENTIFIER),
        required=True,
        validate=validate.Length(1, len(SECTIONS)),
    )
    done = truth()


class ViewIn(Token):
    """Somebody's own words, and whether they travel."""

    text = words()
    travels = truth()
    done = truth()


class Objection(Token):
    """An objection to sections that the law lets the school send."""

    sections = sections()
    reason = words()


class Flag(Schema):
    """Whether a parent of the pupil works at the school."""

    colleague = truth()
