"""A board that asks consent: who has to say what before a section goes, and what a changed mind does."""

from datetime import date, timedelta
from typing import Any

import pytest
import time_machine

from consent.guardians import anniversary
from crypto.seal import Content
from handover.accesslog import Did
from tests import canary
from tests.handover.story import ASKED, PO, VO, Case, Story, later
from tests.region import expect, head_of, now

EVIDENCE = {"kind": "gezagsregister", "date": "2026-01-05", "staff": "s-1"}


def holder(place: int, case: Case | None = None) -> dict[str, Any]:
    named = {"name": f"Ouder {place}", "mail": f"{canary.MAIL}{place}@gezin.test", "role": "guardian"}
    return named | ({"person": case.child.persons[place - 1]} if case else {})


def custody(case: Case, *holders: dict[str, Any], status: int = 200, **more: Any) -> dict[str, Any]:
    """Record who holds gezag from today on."""
    body = {"holders": list(holders), "evidence": EVIDENCE | {"date": now().date().isoformat()}} | more
    path = f"/v1/pupils/{case.child.pupil}/custody"
    answer: dict[str, Any] = expect(case.story.region.send(PO, "PUT", path, body), status).get_json()
    return answer


def born(years: int, **ahead: float) -> date:
    """Give the birth date of a pupil who becomes so old so much later than today."""
    day = now().date() + timedelta(**ahead)
    return day.replace(year=day.year - years, day=min(day.day, 28))


def test_one_dossier_from_the_first_question_to_the_acknowledgement(story: Story) -> None:
    case = story.case()
    assert case.why("okr") == "NO_GRANT"
    case.say(0, okr="yes", opp="yes", lvs="yes", reports="no")
    case.refused("GUARDIAN_MISSING")
    shown = case.for_sender()
    assert shown["decisions"]["okr"]["allows"].startswith("Not every holder of gezag has said yes.")
    assert shown["waiting_for"] == [case.child.persons[1]]
    case.say(1, okr="yes", opp="yes", lvs="yes", reports="yes")
    head, _ = head_of(case.ask("okr"))
    assert set(head["shares"]) == {"okr"}
    case.refused("GUARDIAN_OBJECTS", "reports")
    seen = case.for_receiver()
    assert (seen["opened"], seen["withdrawn"], seen["superseded"]) == (["okr"], [], False)
    assert set(seen) == {
        *("transfer", "route", "purpose", "state", "applied", "opened_at", "side", "sender", "bundle", "opened"),
        *("withdrawn", "superseded", "acknowledgement"),
    }
    said = {"received": True, "placed": True, "used_for": ["class", "support"]}
    story.region.post(VO, f"{case.path}/acknowledgement", said)
    done = case.for_sender()
    assert done["acknowledgement"]["placed"] is True
    assert done["acknowledgement"]["used_for"] == ["class", "support"]
    assert [(one["sections"], one["outcome"]) for one in done["released"]] == [(["okr"], "delivered")]
    assert story.journal(Did.ACKNOWLEDGED)[-1].terms["transfer"] == case.transfer


def test_a_withdrawal_counts_from_the_next_question_on_and_a_new_yes_opens_again(story: Story) -> None:
    """A1, A5: one of two takes it back."""
    case = story.agreed("okr", "opp")
    case.ask("okr")
    told = case.family("withdrawal", 1, sections=["opp", "okr"], destroy_now=False)
    assert told["opened"] == ["okr"]
    assert len(told["events"]) == 1
    assert "overdracht.test/journal" in told["checkpoint"]
    case.refused("WITHDRAWN")
    case.refused("WITHDRAWN", "opp")
    assert case.for_receiver()["withdrawn"] == ["okr"]  # and not opp, which it never had
    case.say(0, okr="yes")
    case.refused("WITHDRAWN")  # the other's yes isn't this one's
    assert case.for_receiver()["withdrawn"] == ["okr"]
    case.say(1, okr="no")
    assert case.for_receiver()["withdrawn"] == ["okr"]  # a no isn't a yes
    case.say(1, okr="yes")
    assert case.for_receiver()["withdrawn"] == []
    case.ask("okr")


def test_a_withdrawn_view_is_told_until_its_writer_lets_one_travel_again(lite: Story) -> None:
    case = lite.agreed("okr", sections=("okr", "views"))
    case.family("view", text="Sam leest graag.", travels=True, done=True)
    case.ask("views")
    case.family("withdrawal", sections=["views"], destroy_now=False)
    case.family("view", text="Toch liever niet.", travels=False, done=True)
    assert case.for_receiver()["withdrawn"] == ["views"]
    case.family("view", text="Sam leest heel graag.", travels=True, done=True)
    assert case.for_receiver()["withdrawn"] == []
    case.ask("views")


def test_a_withdrawal_from_another_transfer_says_nothing_about_this_one(lite: Story) -> None:
    case = lite.agreed("okr")
    case.ask("okr")
    other = lite.case(child=case.child, purpose="support", bundle=False)
    other.family("withdrawal", sections=["okr"], destroy_now=False)
    assert case.for_receiver()["withdrawn"] == []


def test_what_is_destroyed_at_once_stays_gone_when_the_yes_comes_back(story: Story) -> None:
    case = story.agreed("okr", "opp")
    case.family("withdrawal", sections=["okr"], destroy_now=True)
    intent, done = story.journal(Did.SHRED_INTENT, Did.SHRED_DONE)
    assert (intent.terms["why"], intent.sections, done.sections) == ("withdrawn", ("okr",), ("okr",))
    case.refused("WITHDRAWN")
    case.say(0, okr="yes", opp="yes")
    case.refused("SHREDDED")
    case.ask("opp")
    case.send()
    case.ask("okr")


def test_a_withdrawal_is_possible_after_a_transfer_was_cancelled(lite: Story) -> None:
    case = lite.agreed()
    lite.region.post(PO, f"{case.path}/cancel", {})
    case.family("withdrawal", sections=["okr"], destroy_now=True)
    assert lite.journal(Did.SHRED_DONE)[-1].sections == ("okr",)
    for what, body in (("view", {"text": "Nog iets.", "travels": True, "done": True}),):
        assert case.family(what, 0, 409, **body)["code"] == "CANCELLED"


def test_a_repeated_withdrawal_gets_its_first_answer(lite: Story) -> None:
    """A6"""
    case = lite.agreed()
    case.ask("okr")
    body = {"token": case.tokens[0], "sections": ["okr"], "destroy_now": True}
    first, again = (lite.region.family("withdrawal", body, key="k" * 20) for _ in range(2))
    assert (first["events"], first["opened"]) == (again["events"], again["opened"])
    assert first["opened"] == ["okr"]
    lite.region.family("withdrawal", body | {"destroy_now": False}, 409, key="k" * 20)


def test_two_guardians_may_use_one_idempotency_key(lite: Story) -> None:
    case = lite.case()
    for token in case.tokens:
        notice = lite.region.family("question", {"token": token})["notice"]["sha256"]
        body = {"token": token, "notice": notice, "answers": {"okr": "yes"}}
        lite.region.family("answers", body, key="the-same-key-for-both")
    case.ask("okr")


def test_an_application_that_the_receiver_has_not_confirmed_is_no_application(lite: Story) -> None:
    case = lite.agreed(applied=False)
    case.refused("NOT_APPLIED")
    assert case.for_receiver()["applied"] is False
    lite.region.post(VO, f"{case.path}/application", {})
    case.ask("okr")
    assert case.for_sender()["applied"] is True


def test_an_answer_is_about_what_is_asked_and_about_the_text_that_was_shown(lite: Story) -> None:
    case = lite.case(sections=("okr", "views"))
    asked = case.family("question")
    answers = {"notice": asked["notice"]["sha256"], "answers": {"lvs": "yes", "views": "yes"}}
    refused = case.family("answers", 0, 422, **answers)
    assert (refused["code"], set(refused["fields"])) == ("SECTION_NOT_ASKED", {"/answers/lvs", "/answers/views"})
    refused = case.family("answers", 0, 409, notice="0" * 64, answers={"okr": "yes"})
    assert refused["code"] == "NOTICE_CHANGED"
    past = (now() - timedelta(seconds=1)).isoformat()
    refused = case.family("answers", 0, 422, notice=answers["notice"], answers={"okr": "yes"}, valid_until=past)
    assert refused["fields"] == {"/valid_until": "Must lie ahead."}
    assert case.why() == "NO_GRANT"


def test_the_question_tells_everything_that_a_family_decides_by(lite: Story) -> None:
    case = lite.case()
    case.say(0, okr="yes", reports="no")
    asked = case.family("question")
    assert (asked["child"], asked["sender"], asked["receiver"]) == (canary.NAME, PO, VO)
    assert (asked["route"], asked["purpose"], asked["state"]) == ("POVO", "placement", "open")
    assert asked["policy"] == {"kind": "toestemming", "waiting_days": 14, "consent_level": 1, "explicit_level": 1}
    said = [(one["section"], one["requirement"], one["answer"]) for one in asked["sections"]]
    assert said == [
        ("okr", "consent", "yes"),
        ("opp", "consent", None),
        ("lvs", "consent", None),
        ("reports", "explicit_consent", "no"),
    ]
    assert {one["section"]: one["version"] for one in asked["sections"]} == case.versions(*ASKED)
    people = {one["person"]: (one["you"], one["answered"]) for one in asked["deciders"]}
    assert people == {case.child.persons[0]: (True, True), case.child.persons[1]: (False, False)}
    assert "Ouder" not in str(asked["deciders"])
    shown = lite.journal(Did.QUESTION_SHOWN)[-1]
    assert shown.actor is not None
    assert (shown.actor.kind, shown.actor.id) == ("family", case.child.persons[0])


def test_consent_for_placement_is_none_for_support(lite: Story) -> None:
    given = lite.agreed()
    case = lite.case(child=given.child, purpose="support")
    case.refused("PURPOSE_MISMATCH")
    case.all_say(okr="yes")
    case.ask("okr")


def test_following_up_asks_consent_and_no_application(lite: Story) -> None:
    case = lite.agreed("lvs", purpose="follow_up", applied=False)
    case.ask("lvs")
    case.refused("SECTION_NOT_COVERED")


@pytest.mark.parametrize("section", ["support", "reports"])
def test_a_special_section_needs_an_explicit_yes_and_gets_one_through_this_door(lite: Story, section: str) -> None:
    case = lite.agreed("okr", section, sections=("okr", section))
    grants = [entry.ground for entry in lite.journal() if entry.book == "ledger" and entry.ground]
    assert sorted(grants) == ["consent", "consent", "explicit_consent", "explicit_consent"]
    case.ask("okr", section)


def test_a_board_that_asks_a_stronger_sign_in_is_not_served_by_a_token_alone(lite: Story) -> None:
    lite.region.choose("po-noord", "toestemming", level=2)
    case = lite.agreed()
    case.refused("AUTH_LEVEL")


def test_a_policy_is_frozen_when_a_transfer_opens(lite: Story) -> None:
    case = lite.agreed()
    lite.region.choose("po-noord", "wettelijk")
    assert case.for_sender()["policy"] == "toestemming"
    case.ask("okr")
    assert lite.case(bundle=False, invited=False).for_sender()["policy"] == "wettelijk"


# Somebody's own words


def test_a_view_travels_only_with_another_section_and_only_if_its_writer_says_so(lite: Story) -> None:
    case = lite.case(sections=("okr", "views"))
    case.family("view", text="Sam leest graag.", travels=False, done=False)
    assert case.for_sender()["views"][0] | {"event": ""} == {
        "event": "",
        "person": case.child.persons[0],
        "travels": False,
        "text": "Sam leest graag.",
    }
    case.all_say(okr="yes")
    assert case.ask("views", status=403)
    case.family("view", text="Sam rekent graag.", travels=True, done=False)
    case.send(201, {"views": Content({"zienswijze": "Sam rekent graag."})})
    case.ask("views")
    case.family("withdrawal", 1, sections=["views"], destroy_now=False)
    case.refused("WITHDRAWN", "views")


# Pupils who grow up


def test_a_pupil_of_sixteen_decides_and_a_parents_yes_is_not_enough(story: Story) -> None:
    """A5"""
    case = story.case(pupil={"born": born(16, days=-30), "pupil_mail": "sam@gezin.test"})
    assert case.family("question", 2)["deciders"] == [{"person": case.child.pupil, "you": True, "answered": False}]
    assert case.say(0, 403, okr="yes")["code"] == "PUPIL_DECIDES"
    case.refused("PUPIL_CONSENT_REQUIRED")
    assert case.for_sender()["waiting_for"] == [case.child.pupil]
    case.say(2, okr="yes", opp="no")
    case.ask("okr")
    case.refused("PUPIL_OBJECTS", "opp")
    case.say(0, 403, okr="no")
    case.ask("okr")  # it isn't the parents' to refuse any more


def test_turning_sixteen_between_two_questions_turns_the_decision(lite: Story) -> None:
    """A5"""
    case = lite.agreed(pupil={"born": born(16, days=3), "pupil_mail": "sam@gezin.test"})
    case.ask("okr")
    with later(days=5):
        case.refused("PUPIL_CONSENT_REQUIRED")
        case.say(2, okr="yes")
        case.ask("okr")


def test_a_pupil_of_sixteen_has_to_be_reached(lite: Story) -> None:
    body = {
        "number": "L1",
        "first_name": "Sam",
        "birth_date": born(16, days=-1).isoformat(),
        "custody": {"holders": [holder(1)], "evidence": EVIDENCE},
    }
    refused = lite.region.post(PO, "/v1/pupils", body, 422)
    assert (refused["code"], list(refused["fields"])) == ("PUPIL_MAIL_MISSING", ["/custody/pupil_mail"])
    body["birth_date"] = born(16, days=3).isoformat()
    lite.region.post(PO, "/v1/pupils", body, 201)


def test_nobody_registers_a_pupil_who_isn_t_born_yet_or_can_t_be_at_school_any_more(lite: Story) -> None:
    noon = (now() + timedelta(days=1)).replace(hour=12)
    today = noon.date()
    evidence = EVIDENCE | {"date": today.isoformat()}
    custody = {"holders": [holder(1)], "evidence": evidence, "pupil_mail": "sam@gezin.test"}
    body = {"first_name": "Sam", "custody": custody}
    oldest, day = anniversary(today, -30), timedelta(days=1)
    with time_machine.travel(noon, tick=False):
        for wrong in (today + day, oldest - day, date(1900, 1, 1), date(2999, 12, 31)):
            said = body | {"number": "L1", "birth_date": wrong.isoformat()}
            refused = lite.region.post(PO, "/v1/pupils", said, 422)
            assert (refused["code"], list(refused["fields"])) == ("BIRTH_DATE_REFUSED", ["/birth_date"])
        for number, right in enumerate((today, oldest), start=1):
            said = body | {"number": f"L{number}", "birth_date": right.isoformat()}
            lite.region.post(PO, "/v1/pupils", said, 201)


# Custody that changes


def test_a_guardian_who_comes_in_has_to_be_asked(lite: Story) -> None:
    """A5"""
    case = lite.agreed(pupil={"holders": 1})
    case.ask("okr")
    persons = custody(case, holder(1, case), holder(2))["persons"]
    assert persons[0] == {"person": case.child.persons[0], "role": "guardian"}
    case.refused("GUARDIAN_MISSING")
    case.tokens.append(lite.region.invite(PO, case.transfer, persons[1]["person"]))
    case.say(1, okr="yes")
    case.ask("okr")


def test_a_guardian_who_goes_is_not_asked_any_more(lite: Story) -> None:
    """A5"""
    case = lite.case()
    case.say(0, okr="yes")
    case.refused("GUARDIAN_MISSING")
    custody(case, holder(1, case))
    case.ask("okr")


def test_a_guardian_who_says_no_is_not_taken_out_by_a_stroke_of_the_pen(lite: Story) -> None:
    """A5"""
    case = lite.case()
    case.say(0, okr="yes")
    case.say(1, okr="no")
    before = lite.size()
    refused = custody(case, holder(1, case), status=409)
    assert (refused["code"], "REMOVAL_UNPROVEN" in refused["detail"]) == ("RECORD_REFUSED", True)
    assert lite.size() == before
    case.refused("GUARDIAN_OBJECTS")


def test_a_check_of_custody_holds_for_a_year(lite: Story) -> None:
    case = lite.agreed()
    case.ask("okr")
    with later(days=364):
        assert case.why() in ("EXPIRED", None)
    with later(days=367):
        assert case.why() == "CUSTODY_UNKNOWN"
        case.family("question", 0, 404)  # the token is long over


@pytest.mark.parametrize("what", ["date", "birth"])
def test_what_lies_ahead_was_not_checked(lite: Story, what: str) -> None:
    tomorrow = (now() + timedelta(days=2)).date().isoformat()
    body = {
        "number": "L1",
        "first_name": "Sam",
        "birth_date": tomorrow if what == "birth" else "2014-05-06",
        "custody": {"holders": [holder(1)], "evidence": EVIDENCE | ({"date": tomorrow} if what == "date" else {})},
    }
    before = lite.size()
    refused = lite.region.post(PO, "/v1/pupils", body, 422 if what == "birth" else 409)
    assert refused["code"] == ("BIRTH_DATE_REFUSED" if what == "birth" else "RECORD_REFUSED")
    assert lite.size() == before
    assert lite.rows()["pupil"] == 0


def test_an_answer_takes_the_place_of_the_one_before_it_for_the_sections_that_it_names(lite: Story) -> None:
    case = lite.agreed("okr", "opp")
    case.say(0, okr="no")
    case.refused("GUARDIAN_OBJECTS")
    case.ask("opp")
    case.say(0, okr="yes")
    case.ask("okr")
    case.ask("opp")


def test_the_others_are_told_that_something_changed_and_not_what(lite: Story) -> None:
    case = lite.case()
    for path in lite.region.settings.outbox.iterdir():
        path.unlink()
    case.say(0, okr="no")
    texts = [path.read_text() for path in lite.region.settings.outbox.iterdir()]
    assert len(texts) == 1
    assert "2@gezin.test" in texts[0]
    assert "okr" not in texts[0].lower()
    assert canary.NAME not in texts[0]


def test_a_holder_who_said_no_is_taken_out_by_two_people_with_a_notice_and_keeps_a_voice_for_a_week(
    lite: Story,
) -> None:
    case = lite.case(sections=("okr",))
    case.say(0, okr="yes")
    case.say(1, okr="no")
    stays = case.child.persons[0]
    evidence = {"kind": "court_order", "date": now().date().isoformat(), "staff": "s-1"}
    holder = {"name": "Ouder 1", "mail": "een@gezin.test", "role": "guardian", "person": stays}
    custody = {"holders": [holder], "evidence": evidence}
    path = f"/v1/pupils/{case.child.pupil}/custody"
    alone = expect(lite.region.send(PO, "PUT", path, custody), 409).get_json()
    assert alone["code"] == "RECORD_REFUSED"
    expect(lite.region.send(PO, "PUT", path, {**custody, "second_person": "s-2"}), 200)
    assert case.why("okr") == "GUARDIAN_OBJECTS"
    with later(days=7, minutes=1):
        assert case.why("okr") is None
