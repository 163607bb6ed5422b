"""Invitations: a token goes through the outbox alone, opens one transfer for one person, and dies five ways."""

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from consent.db import reading
from handover.accesslog import Did
from handover.tables import Idempotency, Invitation
from tests.handover.story import PO, Case, Story, later
from tests.region import now


@pytest.fixture
def case(lite: Story) -> Case:
    return lite.case(bundle=False)


def test_no_answer_and_no_table_holds_a_token(lite: Story) -> None:
    case = lite.case(bundle=False, invited=False)
    path = f"{case.path}/invitations"
    answer = lite.region.post(PO, path, {"person": case.child.persons[0]}, 201)
    assert set(answer) == {"person", "expires_at"}
    identifier, secret = lite.region.tokens()[-1].split(".")
    assert (len(identifier), len(secret)) == (22, 43)
    for half in (identifier, secret):  # whoever knows the first half alone could use up the attempts
        assert half not in json.dumps([answer, case.for_sender()])
    files = [lite.region.folder / "main.sqlite", *lite.region.folder.glob("*-wal")]
    database = b"".join(file.read_bytes() for file in files)
    assert identifier.encode() in database
    assert secret.encode() not in database
    with reading(lite.region.parts.main) as session:
        assert len(session.scalars(select(Invitation.secret_hash)).one()) == 32
        assert all(secret not in answer for answer in session.scalars(select(Idempotency.answer)))
    entry = lite.journal(Did.INVITED)[-1]
    assert (entry.terms["person"], secret in str(entry)) == (case.child.persons[0], False)


def test_a_message_holds_nothing_of_the_file(case: Case) -> None:
    outbox = case.story.region.settings.outbox
    for path in outbox.glob("*.json"):
        assert path.stat().st_mode & 0o777 == 0o600
        message = json.loads(path.read_bytes())
        assert set(message) == {"to", "subject", "body"}
        assert "?" not in message["body"].split("https://")[1].split()[0]
    assert case.story.rows()["message"] == 0  # handed over, and not kept


def wrong(token: str) -> str:
    return token[:-1] + ("A" if token[-1] != "A" else "B")


def test_five_wrong_secrets_end_an_invitation(case: Case) -> None:
    region, token = case.story.region, case.tokens[0]
    answers = [region.family("question", {"token": wrong(token)}, 404) for _ in range(4)]
    region.family("question", {"token": token})
    answers.append(region.family("question", {"token": wrong(token)}, 404))
    answers.append(region.family("question", {"token": token}, 404))
    answers.append(region.family("question", {"token": "A" * 22 + "." + "A" * 43}, 404))
    assert all(answer == answers[0] for answer in answers)
    region.family("question", {"token": case.tokens[1]})
    with reading(region.parts.main) as session:
        assert sorted(session.scalars(select(Invitation.attempts_left))) == [0, 5]


def test_an_invitation_ends_after_fourteen_days(case: Case) -> None:
    with later(days=14, seconds=-20):
        case.family("question")
    with later(days=14):
        case.family("question", 0, 404)


def test_a_new_invitation_ends_the_one_before_it(case: Case) -> None:
    fresh = case.story.region.invite(PO, case.transfer, case.child.persons[0])
    case.family("question", 0, 404)
    case.family("question", 1)
    case.story.region.family("question", {"token": fresh})
    with reading(case.story.region.parts.main) as session:
        assert len(list(session.scalars(select(Invitation.id)))) == 2


def test_a_token_is_for_one_transfer(case: Case) -> None:
    """A4: what is said with it is said about that transfer alone."""
    other = case.story.case(child=case.child, bundle=False, invited=False, purpose="support")
    assert case.family("question")["transfer"] == case.transfer
    case.say(0, okr="no")
    assert case.why() == "GUARDIAN_OBJECTS"
    assert other.why() == "NO_GRANT"


@pytest.mark.parametrize("token", ["", "x", "A" * 66, "A" * 22 + "." + "A" * 42, "A" * 22 + "." + "A" * 43 + "\n"])
def test_what_is_no_token_is_refused_before_anything_is_looked_up(standing: Story, token: str) -> None:
    answer = standing.region.family("question", {"token": token}, 422)
    assert answer["fields"] == {"/token": "Not a token."}


def test_nobody_is_invited_to_a_cancelled_transfer(case: Case) -> None:
    case.story.region.post(PO, f"{case.path}/cancel", {})
    answer = case.story.region.post(PO, f"{case.path}/invitations", {"person": case.child.persons[0]}, 409)
    assert answer["code"] == "CANCELLED"


def test_an_invitation_says_until_when(case: Case) -> None:
    person = case.child.persons[0]
    answer = case.story.region.post(PO, f"{case.path}/invitations", {"person": person}, 201)
    ahead = datetime.fromisoformat(answer["expires_at"]) - now()
    assert timedelta(days=13, hours=23) < ahead <= timedelta(days=14)
