"""What a token lets somebody do to others, and what it doesn't: destroying, flooding, getting in by the database."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from consent.db import writing
from consent.events import Author, Draft, Event, Kind
from consent.reasons import Reason, allows
from consent.terms import Collected, Level, Policy, PolicyKind, Role, Section
from handover import notices, sentences
from handover.accesslog import Did
from handover.family import DAY, SAYINGS_A_DAY, told_today
from handover.letters import TEXTS, to_the_pupil
from handover.tables import BundleSection, Invitation, Transfer
from tests import canary
from tests.handover.story import PO, VO, Case, Story, later
from tests.handover.test_addresses import SAM, empty, messages
from tests.handover.test_service_consent import born
from tests.region import now

CHANGED = TEXTS["changed"][0]


def shares(case: Case, section: str) -> int:
    """Count the shares of a section of the newest bundle that are in the key store."""
    parts = case.story.region.parts
    with writing(parts.main) as session:
        rows = list(session.scalars(select(BundleSection.bundle).where(BundleSection.section == section)))
    return len(rows)


# Answering in parts


def standing_of(case: Case, who: int = 0) -> dict[str, str | None]:
    return {row["section"]: row["answer"] for row in case.family("question", who)["sections"]}


def test_a_part_that_isnt_named_keeps_its_answer(lite: Story) -> None:
    case = lite.case(bundle=False)
    for said in ({"okr": "yes"}, {"reports": "yes"}, {"opp": "no"}, {"lvs": "yes", "opp": "no"}):
        case.say(0, **said)
    assert standing_of(case) == {"okr": "yes", "opp": "no", "lvs": "yes", "reports": "yes"}
    case.say(0, lvs="no", opp="yes")
    assert standing_of(case) == {"okr": "yes", "opp": "yes", "lvs": "no", "reports": "yes"}


def test_a_second_partial_yes_takes_no_section_back_from_the_gate(lite: Story) -> None:
    case = lite.agreed("okr", "lvs")
    case.say(0, opp="yes")
    case.say(1, opp="yes", reports="no")
    for section in ("okr", "lvs", "opp"):
        case.ask(section)
    case.refused("GUARDIAN_OBJECTS", "reports")


def test_an_earlier_answer_that_is_kept_ends_when_it_would_have_ended(lite: Story) -> None:
    """A newer yes doesn't lengthen the yes to another section, nor outlast itself through an older one."""
    case = lite.case(sections=("okr", "lvs"))
    sha = case.family("question", 0)["notice"]["sha256"]
    ahead = {days: (now() + timedelta(days=days)).isoformat() for days in (10, 20)}
    case.say(1, okr="yes", lvs="yes")
    case.family("answers", 0, notice=sha, answers={"okr": "yes"}, valid_until=ahead[10])
    case.say(0, lvs="yes")
    with later(days=11):
        case.refused("EXPIRED")
        case.ask("lvs")
        case.family("answers", 0, notice=sha, answers={"lvs": "yes"}, valid_until=ahead[20])
        case.ask("lvs")
        case.say(0, okr="yes")
    with later(days=21):
        case.ask("okr")
        case.refused("EXPIRED", "lvs")


def test_a_shorter_yes_takes_back_no_more_than_its_own_section(lite: Story) -> None:
    case = lite.agreed("okr", "lvs")
    sha = case.family("question", 0)["notice"]["sha256"]
    ends = (now() + timedelta(days=5)).isoformat()
    made = case.family("answers", 0, notice=sha, answers={"okr": "yes"}, valid_until=ends)["events"]
    again = case.family("answers", 0, notice=sha, answers={"okr": "yes"}, valid_until=ends)["events"]
    assert (len(made), len(again)) == (2, 1)  # the longer yes is taken back once
    case.ask("okr")
    assert case.for_receiver()["withdrawn"] == []
    case.ask("lvs")
    with later(days=6):
        case.refused("EXPIRED")
        case.ask("lvs")


# Withdrawing with destruction


def test_what_the_law_sends_is_not_withdrawn_and_its_share_stays(lite: Story) -> None:
    lite.region.choose("po-noord", "wettelijk", waiting_days=0)
    case = lite.case(sections=("okr", "handover_notes"))
    lite.region.post(PO, f"{case.path}/statutory", {"sections": ["okr"]})
    for who in (0, 1):
        case.family("inzage", who, versions=case.versions("okr"), done=True)
    case.ask("okr")
    size = lite.size()
    refused = case.family("withdrawal", 0, 422, sections=["handover_notes", "okr"], destroy_now=True)
    assert (refused["code"], list(refused["fields"])) == ("NOT_BY_CONSENT", ["/sections/1"])
    assert "Object to it" in refused["detail"]
    assert lite.size() == size
    case.ask("okr")


def test_a5_from_sixteen_a_guardian_is_told_that_the_pupil_decides_and_chooses_nothing(lite: Story) -> None:
    """A choice that counts for nothing is neither offered nor taken, and nobody hears of it."""
    case = lite.case(sections=("okr", "reports", "views"), pupil={"born": born(16, days=-30), "pupil_mail": SAM})
    case.say(2, okr="yes")
    asked, own = case.family("question", 0), case.family("question", 2)
    assert [(row["choice"], row["answer"]) for row in asked["sections"]] == [(False, None)] * 3
    assert [(row["choice"], row["answer"]) for row in own["sections"]] == [(True, "yes"), (True, None), (False, None)]
    text = asked["notice"]["text"]
    assert text.count("Uw kind is 16 of ouder en beslist zelf.") == 3
    assert "U kiest" not in text
    assert "Uw keuze" not in text
    assert [row["text"].endswith("beslist zelf.") for row in asked["sections"]] == [True, True, False]
    empty(lite)
    size = lite.size()
    for what, body in (
        ("answers", {"notice": asked["notice"]["sha256"], "answers": {"okr": "no"}}),
        ("withdrawal", {"sections": ["okr"], "destroy_now": True}),
    ):
        assert case.family(what, 0, 403, **body)["code"] == "PUPIL_DECIDES"
    assert (lite.size(), messages(lite)) == (size, [])
    case.ask("okr")


def test_from_sixteen_a_guardian_still_takes_back_words_of_ones_own(lite: Story) -> None:
    case = lite.case(sections=("okr", "views"), pupil={"born": born(16, days=-30), "pupil_mail": SAM})
    case.say(2, okr="yes")
    case.family("view", 0, text="Sam leest graag.", travels=True, done=False)
    assert case.why("views") is None
    case.family("withdrawal", 0, sections=["views"], destroy_now=True)
    assert case.why("views") == "NO_GRANT"
    assert shares(case, "views") == 1, "the pupil's words may stand in the same section"


def test_an_answer_on_the_text_of_before_still_counts_and_one_on_the_present_text_does() -> None:
    policy = Policy(PolicyKind.TOESTEMMING)
    for text in ("consent", "inzage"):
        assert [policy.is_current(text, version) for version in range(1, notices.VERSION + 2)] == [True, True, False]


def test_a_pupil_reads_a_text_of_its_own(lite: Story) -> None:
    case = lite.case(sections=("okr",), pupil={"born": born(16, days=-30), "pupil_mail": SAM})
    parents, own = (case.family("question", who)["notice"] for who in (0, 2))
    assert parents["sha256"] != own["sha256"]
    lines = own["text"].splitlines()
    assert lines[:2] == [
        f"Deze vraag gaat over jou, {canary.NAME}.",
        (
            "School 11AA00 van Bestuur po-noord wil je gegevens sturen naar school 22BB00 van Bestuur vo-zuid, "
            "om jou een goede plek op de nieuwe school te geven."
        ),
    ]
    assert lines[2].startswith("Je keuze geldt tot en met ")
    assert lines[-1].endswith("Je kiest: ja of nee. Zeg je nee, dan gaat dit deel niet mee. Een nee heeft geen slechte "
                              "gevolgen.")  # fmt: skip
    assert parents["text"].splitlines()[0] == f"Deze vraag gaat over {canary.NAME}."


@pytest.mark.parametrize("who", [0, 2], ids=["a holder", "the pupil"])
def test_whose_no_stops_a_section_may_have_it_destroyed(lite: Story, who: int) -> None:
    case = lite.case(sections=("okr", "lvs"), pupil={"pupil_mail": SAM})
    case.all_say(okr="yes", lvs="yes")
    case.family("withdrawal", who, sections=["okr"], destroy_now=True)
    assert lite.journal(Did.SHRED_DONE)[-1].sections == (Section.OKR,)
    assert (shares(case, "okr"), shares(case, "lvs")) == (0, 1)
    case.ask("lvs")


def test_nothing_is_destroyed_where_there_is_nothing_yet(lite: Story) -> None:
    case = lite.case(bundle=False)
    case.family("withdrawal", sections=["okr"], destroy_now=True)
    assert lite.journal(Did.SHRED_INTENT) == []


# Being told, and being flooded


def test_looking_and_writing_along_disturbs_nobody(lite: Story) -> None:
    case = lite.case(sections=("okr",))
    empty(lite)
    case.family("view", text="Sam leest graag.", travels=True, done=False)
    case.family("inzage", versions=case.versions("okr"), done=True)
    assert messages(lite) == []


def test_the_others_hear_of_a_change_once_a_day(lite: Story) -> None:
    case = lite.case(sections=("okr",))
    empty(lite)
    case.say(0, okr="no")
    case.say(0, okr="yes")
    case.family("withdrawal", 0, sections=["okr"], destroy_now=False)
    assert len(messages(lite)) == 1
    empty(lite)
    case.say(1, okr="no")  # the other one hears of that, who was told nothing yet
    assert len(messages(lite)) == 1
    with later(days=1, minutes=1):
        empty(lite)
        case.say(0, okr="no")
        assert len(messages(lite)) == 1


NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


def choice(hours: float, person: str = "p1", kind: Kind = Kind.GRANT, **more: Any) -> Event:
    """Make an answer so many hours after noon, as far as who was told asks for it."""
    by, at = Author(person, Role.GUARDIAN, Level.LOW), NOON + timedelta(hours=hours)
    said = {"collected": Collected.ONLINE} | more
    return Event(kind=kind, key="k", by=by, id="e", number=1, index=int(hours * 10), recorded_at=at, **said)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([], False),
        ([choice(-1)], True),
        ([choice(-1, "p2")], False),
        ([choice(-1, kind=Kind.REFUSE)], True),
        ([choice(-1, kind=Kind.WITHDRAW)], True),
        ([choice(-1, kind=Kind.VIEW)], False),
        ([choice(-1, collected=Collected.PAPER)], False),
        ([choice(-23.9)], True),
        ([choice(-24)], False),
        ([choice(-25), choice(-1)], True),
        ([choice(-30), choice(-10)], False),
        ([choice(-30), choice(-6)], True),
        ([choice(-40), choice(-16), choice(-1)], True),
    ],
)
def test_after_a_message_the_first_change_a_day_later_is_told(events: list[Event], told: bool) -> None:
    assert told_today(events, "p2", NOON) is told


def test_a_pupil_under_sixteen_is_not_written_to_and_one_of_sixteen_not_as_its_own_parent(lite: Story) -> None:
    young = lite.case(sections=("okr",), pupil={"pupil_mail": SAM})
    empty(lite)
    lite.case(sections=("okr",), pupil={"born": born(16, days=-30), "pupil_mail": "noor@gezin.test"})
    young.say(0, okr="no")
    read = [json.loads(path.read_bytes()) for path in lite.region.settings.outbox.glob("*.json")]
    assert SAM not in {one["to"] for one in read}
    [noor] = [one for one in read if one["to"] == "noor@gezin.test"]
    assert "uw kind" not in (noor["subject"] + noor["body"]).lower()


def test_no_text_calls_a_pupil_its_own_parent_or_u() -> None:
    texts = [text for pair in TEXTS.values() for text in pair]
    texts += [text for pair in notices.SECTIONS.values() for text in pair]
    texts += [*notices.HOW.values(), *notices.PURPOSES.values(), *(allows(reason).family for reason in Reason)]
    texts += [said.nl for table in (sentences.LINES, sentences.LIFTED) for said in table.values()]
    for text in map(to_the_pupil, texts):
        assert {"kind", "u", "uw"}.isdisjoint(re.findall(r"\w+", text.lower())), text
        assert re.search(r"\b([Hh]ebt|[Bb]ent|[Zz]egt|Kunt|Wilt) je\b", text) is None, text


@pytest.mark.parametrize(
    ("parents", "own"),
    [
        (TEXTS["changed"][0], "Er is iets veranderd bij je overstap"),
        (TEXTS["restriction_lifted"][0], "Je gegevens zijn niet meer stilgezet"),
        (TEXTS["emergency"][0], "Je gegevens mogen met spoed naar een andere school"),
        (TEXTS["successor"][0], "Je nieuwe school heeft een andere code"),
        (TEXTS["erased"][0], "De school wist je gegevens"),
        (TEXTS["custody"][0], "De school heeft vastgelegd wie over jou beslist"),
        ("Gegevens van uw kind en van u, het schooladvies", "Je gegevens en die van je ouders, het schooladvies"),
        ("de afspraken en wat u en uw kind daarvan vinden", "de afspraken en wat jij en je ouders daarvan vinden"),
        (notices.SECTIONS[Section.ATTENDANCE][1], "Hoe vaak je het afgelopen jaar niet op school was."),
        ("Heeft u iets gevraagd? U heeft tijd. Daar geeft u antwoord, of bent u klaar?",
         "Heb je iets gevraagd? Je hebt tijd. Daar geef je antwoord, of ben je klaar?"),
        ("Dit is wat er over u en uw kind is.", "Dit is wat er over jou is."),
        ("De school heeft gezegd dat uw kind is aangemeld, en u krijgt een brief van ons. Een brief voor u.",
         "De school heeft gezegd dat je bent aangemeld, en je krijgt een brief van ons. Een brief voor jou."),
        ("Iedereen uit uw buurt", "Iedereen uit je buurt"),
    ],
)  # fmt: skip
def test_a_pupil_is_spoken_to_as_je(parents: str, own: str) -> None:
    assert to_the_pupil(parents) == own


def test_one_code_says_no_more_in_a_day_than_anybody_does(lite: Story) -> None:
    case = lite.case(sections=("okr",), bundle=False)
    parts, pupil = lite.region.parts, case.child.pupil
    with parts.journal.act(pupil=pupil) as act:
        transfer = act.session.get_one(Transfer, case.transfer)
        for number in range(SAYINGS_A_DAY - 1):
            draft = Draft(
                kind=Kind.VIEW,
                key=f"VIEW--{case.tokens[0].split('.')[0]}-{number}",
                by=Author(case.child.persons[0], Role.GUARDIAN, Level.LOW),
                subject=pupil,
                sender=transfer.sender,
                receiver=transfer.receiver,
                purpose="placement",
            )
            parts.ledger.record(act, draft, ("po-noord",))
    case.say(0, okr="no")
    size = lite.size()
    refused = case.family("withdrawal", 0, 429, sections=["okr"], destroy_now=False)
    assert (refused["code"], lite.size()) == ("TOO_MANY", size)
    case.say(1, okr="no")
    with later(days=1, minutes=1):
        case.say(0, okr="yes")
    assert timedelta(days=1) == DAY


# Getting in by the main database alone


def test_an_invitation_is_nobodys_but_whose_contact_key_made_it(lite: Story) -> None:
    """K1: a token doesn't work for another person, transfer or time than the service gave it."""
    case, other = lite.case(sections=("okr",)), lite.case(sections=("okr",))
    parts = lite.region.parts

    def row(token: str) -> Any:
        return Invitation.id == token.split(".")[0]

    def changed(token: str, **values: Any) -> None:
        with writing(parts.main) as session:
            session.execute(update(Invitation).where(row(token)).values(**values))

    with writing(parts.main) as session:
        mine, theirs = (
            session.execute(select(Invitation.secret_hash, Invitation.expires_at).where(row(token))).one()
            for token in case.tokens
        )
    case.family("question", 1)
    forged = f"{case.tokens[1].split('.')[0]}.{case.tokens[0].split('.')[1]}"
    changed(case.tokens[1], secret_hash=mine[0])
    lite.region.family("question", {"token": forged}, 404)
    changed(case.tokens[1], secret_hash=theirs[0])
    case.family("question", 1)
    for values in (
        {"person": case.child.persons[0]},
        {"transfer": other.transfer},
        {"expires_at": theirs[1] + timedelta(seconds=1)},
    ):
        was = {"person": case.child.persons[1], "transfer": case.transfer, "expires_at": theirs[1]}
        changed(case.tokens[1], **values)
        case.family("question", 1, 404)
        changed(case.tokens[1], **was)
    case.family("question", 1)


def test_a_cancellation_is_not_taken_back_in_the_database(lite: Story) -> None:
    """K1: the journal says that it was cancelled, whatever the row says."""
    case = lite.agreed("okr")
    other = lite.agreed("okr", child=case.child)
    lite.region.post(PO, f"{case.path}/cancel", {})
    with writing(lite.region.parts.main) as session:
        session.execute(update(Transfer).where(Transfer.id == case.transfer).values(cancelled_at=None))
    case.refused("CANCELLED")
    other.ask("okr")


# Acknowledging


def test_what_never_came_is_not_acknowledged(lite: Story) -> None:
    case = lite.agreed("okr")
    said = {"received": True, "placed": True}
    assert lite.region.post(VO, f"{case.path}/acknowledgement", said, 409)["code"] == "NOTHING_RELEASED"
    assert case.for_sender()["acknowledgement"] is None
    assert lite.journal(Did.ACKNOWLEDGED) == []
    case.ask("okr")
    lite.region.post(PO, f"{case.path}/cancel", {})
    assert lite.region.post(VO, f"{case.path}/acknowledgement", said, 409)["code"] == "CANCELLED"


def test_an_acknowledgement_is_corrected_with_an_entry_of_its_own(lite: Story) -> None:
    case = lite.agreed("okr")
    case.ask("okr")
    said: dict[str, Any] = {"received": True, "placed": True}
    first = lite.region.post(VO, f"{case.path}/acknowledgement", {**said, "used_for": ["class"]})
    with later(days=3):
        again = lite.region.post(VO, f"{case.path}/acknowledgement", {**said, "placed": False})
    assert (again["placed"], again["received_at"]) == (False, first["received_at"])
    logged = [(entry.terms["placed"], entry.terms["used_for"]) for entry in lite.journal(Did.ACKNOWLEDGED)]
    assert logged == [(True, "class"), (False, "class")]
    assert case.for_sender()["acknowledgement"]["placed"] is False
