"""The log of a child's file as its family reads it: complete, plain, its own, and gone with the voice."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from consent.db import reading
from consent.entry import Opened
from consent.events import Kind
from consent.journal import Actor
from consent.reasons import Reason
from consent.terms import Ground, Purpose, Section
from handover import familylog, sentences
from handover.accesslog import Did
from handover.roles import Role
from tests import canary
from tests.handover.story import PO, VO, Case, Story, later
from tests.region import expect, now


def log(case: Case, who: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Read the log as one of those who decide."""
    rows: list[dict[str, Any]] = case.family("log", who, **more)["rows"]
    return rows


def born(years: int) -> date:
    """Give the birth date of a pupil who becomes so old in two days."""
    day = now().date() + timedelta(days=2)
    return day.replace(year=day.year - years, day=min(day.day, 28)) - timedelta(days=1)


def test_the_log_says_who_had_what_when_what_for_and_on_which_consent(story: Story) -> None:
    case = story.agreed("okr", "lvs")
    case.ask("okr", "lvs", role="mentor")
    row = log(case)[0]
    day = sentences.day_said(now())
    assert row["nl"] == (
        "De mentor van school 22BB00 (Bestuur vo-zuid) heeft dit gekregen: Onderwijskundig rapport, Toetsen en cijfers."
        " Dat was om uw kind een goede plek op de nieuwe school te geven."
        f" Dit mocht met de toestemming van {day.nl}."
    )
    assert row["en"] == (
        "The mentor of school 22BB00 (Bestuur vo-zuid) received: Educational report, Tests and marks."
        " That was to give your child a good place at the new school."
        f" This was allowed by the consent of {day.en}."
    )
    said = {name: row[name] for name in ("kind", "school", "role", "sections", "purpose", "ground", "outcome")}
    assert said == {
        "kind": "released",
        "school": {"code": VO, "board": "Bestuur vo-zuid"},
        "role": "mentor",
        "sections": ["okr", "lvs"],
        "purpose": "placement",
        "ground": "consent",
        "outcome": "delivered",
    }
    grants = [event for event in _events(case) if event.kind is Kind.GRANT]
    assert row["consent_at"] == grants[-1].recorded_at.isoformat().replace("+00:00", "Z")
    assert row["emergency"] is False
    assert row["at"] > row["consent_at"]


def test_a_release_on_several_grounds_is_a_row_for_each(standing: Story) -> None:
    case = standing.agreed("okr", "reports", sections=("okr", "reports", "views"))
    case.family("view", text="Sam leest graag.", travels=True, done=True)
    case.ask("okr", "reports", "views")
    rows = [row for row in log(case) if row["kind"] == "released"]
    assert [(row["ground"], row["sections"]) for row in rows] == [
        ("consent", ["okr"]),
        ("explicit_consent", ["reports"]),
        ("view", ["views"]),
    ]
    assert all(row["consent_at"] for row in rows)


def test_a_release_by_law_names_no_consent(lite: Story) -> None:
    lite.region.choose("po-noord", "wettelijk", waiting_days=0)
    case = lite.case(sections=("okr",))
    lite.region.post(PO, f"{case.path}/statutory", {"sections": ["okr"]})
    for who in range(2):
        case.family("inzage", who, versions=case.versions("okr"), done=True)
    case.ask("okr")
    row = log(case)[0]
    assert (row["ground"], row["consent_at"]) == ("statutory", None)
    assert "De school moet dit van de wet sturen." in row["nl"]


def test_a_refused_request_is_there_with_the_reason_in_a_familys_words(standing: Story) -> None:
    case = standing.case()
    case.ask("okr", status=403)
    row = log(case)[0]
    assert (row["kind"], row["outcome"], row["sections"]) == ("refused", "refused", ["okr"])
    assert row["nl"].endswith("vroeg om: Onderwijskundig rapport. Dat mocht niet. Er is nog geen toestemming gegeven.")
    assert row["en"].endswith("asked for: Educational report. That was refused. Nobody had given consent yet.")


def test_what_was_destroyed_is_there_with_the_reason(standing: Story) -> None:
    case = standing.agreed("okr")
    case.family("withdrawal", sections=["okr"], destroy_now=True)
    assert log(case)[0]["nl"] == "Vernietigd: Onderwijskundig rapport. De toestemming is ingetrokken."
    case.send()
    assert log(case)[0]["nl"].startswith("Vernietigd: ")
    assert log(case)[0]["en"].endswith("There is a newer version.")


def test_a_release_that_broke_off_says_that_something_may_have_arrived(standing: Story) -> None:
    case = standing.agreed("okr")
    response = standing.region.release(VO, case.transfer, "okr", buffered=False)
    assert log(case)[0]["outcome"] == "under_way"
    response.close()
    row = log(case)[0]
    assert row["outcome"] == "aborted"
    assert row["nl"].endswith("Het sturen is afgebroken. Misschien is een deel toch aangekomen.")


def test_the_visit_is_logged_once_and_takes_the_newest_checkpoint_home(standing: Story) -> None:
    """1:1: the visit is an entry, and what was shown can't be taken out of the log unnoticed."""
    case = standing.case()
    before = standing.size()
    answer = case.family("log")
    assert standing.size() == before + 1
    entry = standing.journal(Did.FAMILY_LOG_SHOWN)[-1]
    assert entry.actor is not None
    assert (entry.actor.id, entry.actor.kind, entry.pupil) == (case.child.persons[0], "family", case.child.pupil)
    assert answer["checkpoint"].splitlines()[1] == str(before + 1)


def test_another_of_the_family_is_not_watched(standing: Story) -> None:
    case = standing.case()
    before = log(case)
    case.say(1, okr="no")
    case.family("view", 1, text="Dit is van mij.", travels=False, done=False)
    case.family("log", 1)
    case.family("rights", 1, right="access")
    assert log(case) == before


def test_the_log_comes_in_pages_and_none_is_lost_or_shown_twice(
    standing: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(familylog, "PAGE", 5)
    case = standing.case()
    for _ in range(5):
        case.ask("okr", status=403)
    first = case.family("log")
    assert len(first["rows"]) == 5
    second = case.family("log", before=first["next"])
    assert second["next"] is None
    refused = [row["at"] for row in first["rows"] + second["rows"] if row["kind"] == "refused"]
    assert len(set(refused)) == len(refused) == 5
    assert refused == sorted(refused, reverse=True)


def test_nobody_is_named_and_no_pseudonym_of_staff_leaves(standing: Story) -> None:
    case = standing.agreed("okr")
    case.ask("okr", staff="m-4711")
    text = str(case.family("log"))
    assert "m-4711" not in text
    assert "s-1" not in text
    assert canary.traces(text.encode()) == []
    assert not any(person in text for person in case.child.persons)


def test_a_twin_has_a_log_of_its_own(standing: Story) -> None:
    """J6: two children with the same parents, addresses and schools."""
    one, other = (standing.agreed("okr") for _ in range(2))
    one.ask("okr")
    assert "released" in {row["kind"] for row in log(one)}
    assert "released" not in {row["kind"] for row in log(other)}
    assert one.transfer not in str(other.family("log"))


def test_an_fgs_look_into_the_log_is_there(lite: Story) -> None:
    lite.region.dpo("po-noord")
    case = lite.case(bundle=False)
    expect(lite.region.examine("po-noord", "POST", "/v1/audit/search", {"pupil": case.child.pupil}), 200)
    row = log(case)[0]
    assert row["nl"].startswith("De toezichthouder op privacy (FG) van Bestuur po-noord heeft in het logboek")
    assert (row["role"], row["school"], row["kind"]) == ("dpo", None, "audit_searched")


def test_another_board_sees_the_visit_nowhere(standing: Story) -> None:
    case = standing.case()
    case.family("log")
    assert set(standing.journal(Did.FAMILY_LOG_SHOWN)[-1].boards) == {"po-noord"}


def test_a_guardian_who_lost_gezag_reads_no_log_and_asks_for_nothing(standing: Story) -> None:
    """A10"""
    case = standing.case(bundle=False)
    kept = {"name": "Ouder 1", "mail": "ouder1@gezin.test", "role": "guardian", "person": case.child.persons[0]}
    evidence = {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"}
    path = f"/v1/pupils/{case.child.pupil}/custody"
    standing.region.send(PO, "PUT", path, {"holders": [kept], "evidence": evidence})
    before = standing.size()
    case.family("log", 1, 404)
    case.family("rights", 1, 404, right="access")
    case.family("requests", 1, 404)
    assert standing.size() == before
    case.family("log", 0)


def test_from_eighteen_the_log_is_the_pupils_alone(lite: Story) -> None:
    """A10"""
    case = lite.case(bundle=False, pupil={"born": born(18), "pupil_mail": "sam@gezin.test"})
    case.family("log", 0)
    case.family("log", 2)
    with later(days=5):
        case.family("log", 0, 404)
        case.family("log", 2)


def test_a_pupil_reads_the_log_from_sixteen_on(standing: Story) -> None:
    case = standing.case(bundle=False, pupil={"born": born(16), "pupil_mail": "sam@gezin.test"})
    assert case.family("log", 2, 403)["code"] == "NOT_YET_SIXTEEN"
    assert case.family("rights", 2, 403, right="access")["code"] == "NOT_YET_SIXTEEN"
    with later(days=5):
        case.family("log", 2)
        case.family("log", 0)


# ---- the words


ENTRY = Opened(
    index=7,
    book="access",
    type=Did.UPLOADED,
    pupil="p",
    number=None,
    actor=Actor("staff", "22BB00.x", {"role": "mentor"}),
    recorded_at=datetime(2027, 3, 1, 12, tzinfo=UTC),
    boards={"vo": 1},
    sections=(),
    ground=None,
    outcome="granted",
    terms={},
    school="22BB00",
    told={},
)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"outcome": "SECOND_NEEDED"}, "De mentor van school 22BB00 (VO) wilde iets met het dossier doen."),
        ({"type": 0x7E}, "De mentor van school 22BB00 (VO) heeft iets met het dossier gedaan."),
        ({"type": 0x7E, "actor": None}, "Een medewerker van school 22BB00 (VO) heeft iets met het dossier gedaan."),
        ({"type": 0x7E, "actor": None, "school": None}, "Een medewerker heeft iets met het dossier gedaan."),
        ({"type": Kind.COURT, "actor": Actor("family", "c", {"role": "court"})}, None),
        ({"type": Did.EMERGENCY_CONFIRMED}, None),
        ({"actor": Actor("family", "g", {"role": "guardian"})}, None),
    ],
)
def test_what_has_no_sentence_of_its_own_is_still_shown(changed: dict[str, Any], says: str | None) -> None:
    """A kind that this version doesn't know, a refusal, and staff whose term is over."""
    rows = familylog.Log([replace(ENTRY, **changed)], {"22BB00": "VO"}, {}).rows()
    assert [row.said.nl.startswith(str(says)) for row in rows] == ([] if says is None else [True])


def test_the_pupil_itself_is_not_called_its_parents_child() -> None:
    registered = replace(ENTRY, type=Did.PUPIL_REGISTERED)
    opened = replace(ENTRY, type=Did.TRANSFER_OPENED, sections=("views",), actor=None, school=None)
    rows = familylog.Log([opened, registered], {"22BB00": "Uw kind"}, {}, to_pupil=True).rows()
    assert [row.said.nl for row in rows] == [
        "De mentor van school 22BB00 (Uw kind) heeft je bij Overdracht ingeschreven.",
        "Een medewerker wil dit naar een andere school sturen: Je eigen verhaal.",
    ]
    assert rows[0].said.en == "The mentor of school 22BB00 (Uw kind) registered you with Overdracht."
    tables = (sentences.LINES, sentences.LIFTED, sentences.GROUNDS, sentences.WITHHELD, sentences.WHY_DESTROYED)
    said = [one for table in tables for one in table.values()]
    said += [sentences.purpose_said(one) for one in Purpose] + [sentences.refusal_said(one.name) for one in Reason]
    said.append(sentences.sections_said(Section))
    for own in (one.to_the_pupil() for one in said):
        assert {"kind", "u", "uw"}.isdisjoint(re.findall(r"\w+", own.nl.lower())), own.nl
        assert "child" not in own.en


def test_what_the_transfer_never_asked_is_refused_as_no_part_of_it() -> None:
    """Not as something that was kept back: nobody was ever asked about it."""
    terms = {"transfer": "t", "purpose": "placement"}
    opened = replace(ENTRY, index=1, type=Did.TRANSFER_OPENED, sections=("okr", "lvs"), terms=terms)
    other = replace(opened, index=2, sections=("views",), terms=terms | {"transfer": "t-2"})
    asked = replace(ENTRY, type=Did.RELEASE, outcome="NO_GRANT", terms=terms)
    asks = [replace(asked, index=index, sections=(name,)) for index, name in enumerate(("okr", "views"), 3)]
    rows = familylog.Log([opened, other, *asks], {}, {}).rows()[:2]
    assert [row.said.nl.split(". ", 1)[1] for row in rows] == [
        "Dat mocht niet. Dit hoort niet bij deze overstap.",
        "Dat mocht niet. Er is nog geen toestemming gegeven.",
    ]


def test_every_kind_of_entry_has_its_sentence_or_its_reason_to_have_none() -> None:
    known = set(sentences.LINES) | sentences.NOT_SHOWN | {Did.RELEASE}
    about_no_pupil = {Did.ATTEMPT, Did.BOARD_JOINED, Did.KEYS_PUBLISHED, Did.DPO_STATED, Did.BREACH_REPORTED}
    about_no_pupil |= {
        Did.SWEPT,
        Did.EPOCH_TURNED,
        Did.EPOCH_ENDED,
        Did.WITNESS_ENROLLED,
        Did.AUDIT_PATTERNS,
        Did.AUDIT_EXPORTED,
    }
    about_no_pupil |= {Kind.POLICY, Kind.ROLLBACK}
    assert {*Did, *Kind} - known == about_no_pupil
    assert not set(sentences.LINES) & sentences.NOT_SHOWN
    assert set(sentences.LIFTED) <= set(sentences.LINES)


def test_every_role_section_purpose_ground_and_reason_has_its_words() -> None:
    assert set(sentences.ROLES) == {*Role, "dpo"}
    assert set(sentences.EN_SECTIONS) == set(Section)
    assert set(sentences.EN_PURPOSES) == set(Purpose)
    assert set(sentences.GROUNDS) == set(Ground)
    assert set(sentences.EN_REASONS) == set(Reason)
    for reason in Reason:
        assert sentences.refusal_said(reason.name).en == sentences.EN_REASONS[reason]
    assert sentences.refusal_said("SOMETHING_NEW") == sentences.OTHERWISE
    assert sentences.refusal_said(None) == sentences.OTHERWISE


@pytest.mark.parametrize("table", ["LINES", "LIFTED", "GROUNDS", "OUTCOMES", "WITHHELD", "WHY_DESTROYED"])
def test_a_sentence_is_short_enough_for_b1(table: str) -> None:
    """Language level B1: fifteen words at most, before names and lists are filled in."""
    for said in getattr(sentences, table).values():
        for sentence in re.split(r"(?<=[.:]) ", said.nl):
            assert len(sentence.split()) <= 15, sentence


def _events(case: Case) -> Any:
    parts = case.story.region.parts
    with reading(parts.main) as session:
        return parts.ledger.history(session, case.child.pupil).known
