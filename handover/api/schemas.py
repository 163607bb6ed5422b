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
    Section,
)

SCHOOL: Final = validate.Regexp(r"\A[0-9]{2}[A-Z]{2}[0-9]{2}\Z", error="Six characters: BRIN and vestiging.")
IDENTIFIER: Final = validate.Regexp(r"\A[A-Za-z0-9._-]{1,64}\Z", error="At most 64 letters, digits, dots and dashes.")
TOKEN: Final = validate.Regexp(r"\A[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\Z", error="Not a token.")
SHA256: Final = validate.Regexp(r"\A[0-9a-f]{64}\Z", error="64 hexadecimal digits.")
SECTIONS: Final = tuple(str(section) for section in Section)
USES: Final = ("support", "class", "teaching")
HOLDERS: Final = (str(Role.GUARDIAN), str(Role.VOOGD), str(Role.GI))


def _one_line(text: str) -> None:
    if text != text.strip() or not text.isprintable():
        raise ValidationError("One line, without control characters.")


def _words(text: str) -> None:
    if any(not (char.isprintable() or char == "\n") for char in text):
        raise ValidationError("No control characters but line breaks.")


def line(longest: int = 100, **options: object) -> fields.String:
    """Make a field for one line of text."""
    return fields.String(validate=[validate.Length(1, longest), _one_line], **options)  # type: ignore[arg-type]


def mail(**options: object) -> fields.Email:
    """Make a field for a mail address: its quoted form may hold control characters, which no message should carry."""
    return fields.Email(validate=[validate.Length(max=254), _one_line], **options)  # type: ignore[arg-type]


def words(longest: int = 4000, *, required: bool = True) -> fields.String:
    """Make a field for somebody's own words."""
    return fields.String(required=required, validate=[validate.Length(1, longest), _words])


def sections(*, required: bool = True) -> fields.List[str]:
    """Make a field for a set of sections."""
    return fields.List(
        fields.String(validate=validate.OneOf(SECTIONS)),
        required=required,
        validate=[validate.Length(1, len(SECTIONS)), _once],
    )


def answers() -> fields.Dict:
    """Make a required field for a yes or no per section."""
    return fields.Dict(
        keys=fields.String(validate=validate.OneOf(SECTIONS)),
        values=fields.String(validate=validate.OneOf(["yes", "no"])),
        required=True,
        validate=validate.Length(1, len(SECTIONS)),
    )


def _once(values: list[str]) -> None:
    if len(set(values)) != len(values):
        raise ValidationError("Each at most once.")


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
    date = fields.Date(required=True)
    staff = fields.String(required=True, validate=IDENTIFIER)


class Holder(Schema):
    """Somebody who holds gezag."""

    name = line(200, required=True)
    mail = mail(required=True)
    role = fields.String(required=True, validate=validate.OneOf(HOLDERS))
    since = fields.Date()
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
        for place, mail in enumerate(mails):
            if mail in mails[:place]:
                where = {"holders": {place: {"mail": ["Each person needs an address of their own."]}}}
                raise ValidationError(where if place < len(holders) else {"pupil_mail": ["Already somebody else's."]})


class NewPupil(Schema):
    """A pupil that a board wants to hand over."""

    number = line(40, required=True)
    first_name = line(100, required=True)
    birth_date = fields.Date(required=True)
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
    until = fields.AwareDateTime(format="iso", required=True)
    reason = words()


class Paper(Schema):
    """Somebody's answer on a signed paper, with its scan's hash."""

    person = fields.String(required=True, validate=IDENTIFIER)
    answers = answers()
    notice = fields.String(required=True, validate=SHA256)
    scan = fields.String(required=True, validate=SHA256)
    collected = fields.String(required=True, validate=validate.OneOf([Collected.PAPER, Collected.MEETING]))
    signed_on = fields.Date(required=True)


class Group(Schema):
    """The label of a pupil's class, or null where it is in none."""

    group = line(20, required=True, allow_none=True)


class Season(Schema):
    """Which class, from where on."""

    group = line(20)
    cursor = fields.String(validate=IDENTIFIER)


class ObjectionDecision(Schema):
    """A person's decision on an objection, with its reason."""

    upheld = fields.Boolean(required=True)
    reason = words()


class Acknowledgement(Schema):
    """What the receiver says back."""

    received = fields.Boolean(required=True, validate=validate.Equal(True))
    placed = fields.Boolean(required=True, allow_none=True)
    used_for = fields.List(
        fields.String(validate=validate.OneOf(["support", "class", "teaching"])),
        validate=[validate.Length(0, 3), _once],
    )


class Listing(Schema):
    """Which side's transfers, from where on."""

    side = fields.String(required=True, validate=validate.OneOf(["sender", "receiver"]))
    cursor = fields.String(validate=IDENTIFIER)


class Start(Schema):
    """From which index on."""

    start = fields.Integer(load_default=0, validate=validate.Range(0, 2**40))


class Sizes(Schema):
    """Two sizes of the journal, the older one first."""

    old = fields.Integer(required=True, validate=validate.Range(0, 2**40))
    new = fields.Integer(required=True, validate=validate.Range(0, 2**40))


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
    valid_until = fields.AwareDateTime(format="iso")


class Withdrawal(Token):
    """What is taken back, and whether the share goes at once."""

    sections = sections()
    destroy_now = fields.Boolean(required=True)


class Inzage(Token):
    """What was shown."""

    versions = fields.Dict(
        keys=fields.String(validate=validate.OneOf(SECTIONS)),
        values=fields.String(validate=IDENTIFIER),
        required=True,
        validate=validate.Length(1, len(SECTIONS)),
    )
    done = fields.Boolean(required=True)


class ViewIn(Token):
    """Somebody's own words, and whether they travel."""

    text = words()
    travels = fields.Boolean(required=True)
    done = fields.Boolean(required=True)


class Objection(Token):
    """An objection to sections that the law lets the school send."""

    sections = sections()
    reason = words()


class Flag(Schema):
    """Whether a parent of the pupil works at the school."""

    colleague = fields.Boolean(required=True)
