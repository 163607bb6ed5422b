"""The season's list: who is silent, per class; and reminders, each once."""

import threading
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from consent.db import reading, writing
from consent.tables import Pupil
from handover import season
from handover.accesslog import SERVICE, Did
from handover.notices import date_in_words
from handover.people import child_of
from handover.tables import Idempotency, Invitation, Person, Transfer
from tests import canary
from tests.handover.story import OTHER, PO, PO_TOO, VO, Case, Story, later
from tests.handover.test_emergency import mails, posted
from tests.region import Child, expect, now


def group(story: Story, child: Child, label: str | None, status: int = 200, school: str = PO) -> None:
    expect(story.region.send(school, "PUT", f"/v1/pupils/{child.pupil}/group", {"group": label}), status)


def listed(story: Story, query: str = "", school: str = PO) -> dict[str, Any]:
    answer: dict[str, Any] = expect(story.region.send(school, "GET", f"/v1/season{query}"), 200).get_json()
    return answer


def row_of(case: Case) -> dict[str, Any] | None:
    rows: list[dict[str, Any]] = listed(case.story)["transfers"]
    return next((row for row in rows if row["transfer"] == case.transfer), None)


def waiting(case: Case) -> list[str]:
    """Name who is still silent: by their places in the family, g0 first; the pupil is the last."""
    row = row_of(case)
    return sorted(f"g{case.child.persons.index(one['person'])}" for one in row["persons"]) if row else []


@pytest.fixture
def case(lite: Story) -> Case:
    return lite.case(bundle=False, sections=("okr", "reports"))


def test_somebody_is_silent_until_all_that_is_asked_is_answered(case: Case) -> None:
    assert waiting(case) == ["g0", "g1"]
    case.say(0, okr="no", reports="no")
    case.say(1, okr="yes")
    assert waiting(case) == ["g1"]
    case.say(1, okr="yes", reports="no")
    assert row_of(case) is None


def test_a_row_says_who_was_invited_when_and_what_comes_next(case: Case) -> None:
    row = row_of(case)
    assert row is not None
    about = {name: row[name] for name in ("pupil", "group", "receiver", "purpose")}
    assert about == {"pupil": case.child.pupil, "group": None, "receiver": VO, "purpose": "placement"}
    assert {one["person"] for one in row["persons"]} == set(case.child.persons)
    one = row["persons"][0]
    invited = datetime.fromisoformat(one["invited_at"])
    assert now() - invited < timedelta(minutes=1)
    assert one == {
        "person": one["person"],
        "role": "guardian",
        "invited_at": one["invited_at"],
        "expired": False,
        "reminders": 0,
        "next_reminder": (invited + timedelta(days=5)).isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }


def test_who_wasn_t_invited_stands_in_the_list_too(lite: Story) -> None:
    case = lite.case(bundle=False, invited=False)
    row = row_of(case)
    assert row is not None
    assert [one["invited_at"] for one in row["persons"]] == [None, None]
    assert [one["next_reminder"] for one in row["persons"]] == [None, None]


def test_an_invitation_that_has_ended_is_shown_as_ended(case: Case) -> None:
    with later(days=14, minutes=1):
        row = row_of(case)
        assert row is not None
        assert [(one["expired"], one["next_reminder"]) for one in row["persons"]] == [(True, None)] * 2
    with writing(case.story.region.parts.main) as session:
        session.execute(update(Invitation).values(attempts_left=0))
    row = row_of(case)
    assert row is not None
    assert [one["expired"] for one in row["persons"]] == [True, True]


def test_a_transfer_that_is_cancelled_or_received_is_out_of_the_season(lite: Story) -> None:
    cancelled, received = lite.case(bundle=False), lite.agreed("okr")
    received.ask("okr")
    lite.region.post(PO, f"{cancelled.path}/cancel", {})
    lite.region.post(VO, f"{received.path}/acknowledgement", {"received": True, "placed": None})
    assert listed(lite) == {"transfers": [], "next": None}


def test_by_law_somebody_is_silent_without_inzage_of_the_present_version(lite: Story) -> None:
    lite.region.choose("po-noord", "wettelijk")
    case = lite.case(sections=("okr",), bundle=False)
    assert waiting(case) == [], "there is nothing to see yet"
    case.send()
    assert waiting(case) == ["g0", "g1"]
    case.family("inzage", versions=case.versions("okr"), done=False)
    assert waiting(case) == ["g1"]
    case.send(versions={"okr": b"2" * 16})
    assert waiting(case) == ["g0", "g1"]


def test_from_16_the_pupil_is_asked_and_the_parents_aren_t(lite: Story) -> None:
    born = date(now().year - 17, 1, 1)
    case = lite.case(
        bundle=False, invited=False, pupil={"born": born, "pupil_mail": f"{canary.MAIL}-leerling@gezin.test"}
    )
    row = row_of(case)
    assert row is not None
    assert [(one["person"], one["role"]) for one in row["persons"]] == [(case.child.pupil, "pupil")]


def test_nobody_is_called_silent_while_it_isn_t_known_who_decides_and_the_list_says_so(case: Case) -> None:
    with later(days=364):
        assert waiting(case) == ["g0", "g1"]
        assert (row_of(case) or {})["custody_known"] is True
    with later(days=367):
        row = row_of(case)
        assert row is not None
        assert (row["custody_known"], row["persons"]) == (False, [])


# ---- what the sender's list says of the same


def for_sender(case: Case) -> list[str]:
    return sorted(f"g{case.child.persons.index(person)}" for person in case.for_sender()["waiting_for"])


def test_a_transfer_waits_for_who_hasn_t_answered_and_not_for_a_no(case: Case) -> None:
    assert for_sender(case) == ["g0", "g1"]
    case.say(0, okr="no", reports="yes")
    assert for_sender(case) == ["g1"], "that the other says no takes nobody's answer away"
    case.say(1, okr="yes", reports="no")
    assert (case.why("okr"), case.why("reports")) == ("GUARDIAN_OBJECTS", "GUARDIAN_OBJECTS")
    assert for_sender(case) == []
    case.family("withdrawal", 1, sections=["okr"], destroy_now=False)
    assert for_sender(case) == []


def test_a_transfer_waits_for_no_answer_while_only_the_receiver_has_to_say_something(lite: Story) -> None:
    case = lite.case(bundle=False, sections=("okr",), applied=False)
    case.all_say(okr="yes")
    assert (case.why("okr"), for_sender(case)) == ("NOT_APPLIED", [])


def test_a_transfer_waits_for_an_answer_that_has_to_be_given_anew(lite: Story) -> None:
    lite.region.choose("po-noord", "toestemming", level=2)
    case = lite.case(bundle=False, sections=("okr",))
    case.all_say(okr="yes")
    assert (case.why("okr"), for_sender(case)) == ("AUTH_LEVEL", ["g0", "g1"])


def test_a_transfer_waits_from_16_for_the_pupil_and_not_for_the_parents(lite: Story) -> None:
    born = date(now().year - 17, 1, 1)
    case = lite.case(bundle=False, sections=("okr",), pupil={"born": born, "pupil_mail": f"{canary.MAIL}-l@gezin.test"})
    assert case.for_sender()["waiting_for"] == [case.child.pupil]
    case.say(2, okr="no")
    assert case.for_sender()["waiting_for"] == []


def test_a_transfer_under_the_law_waits_for_inzage_and_not_for_time_to_pass(lite: Story) -> None:
    lite.region.choose("po-noord", "wettelijk")
    case = lite.case(sections=("okr",))
    lite.region.post(PO, f"{case.path}/statutory", {"sections": ["okr"]})
    case.family("inzage", 0, versions=case.versions("okr"), done=False)
    assert for_sender(case) == ["g1"]
    case.family("inzage", 1, versions=case.versions("okr"), done=False)
    assert (case.why("okr"), for_sender(case)) == ("WAITING", [])


def test_a_transfer_waits_for_nobody_when_it_is_cancelled_or_when_it_isn_t_known_who_decides(case: Case) -> None:
    with later(days=367):
        assert (case.why("okr"), for_sender(case)) == ("CUSTODY_UNKNOWN", [])
    assert for_sender(case) == ["g0", "g1"]
    case.story.region.post(PO, f"{case.path}/cancel", {})
    assert for_sender(case) == []


@pytest.fixture
def classes(lite: Story) -> tuple[Story, list[Case]]:
    """Four transfers: of 8b, of none, of 8a, of 8a again."""
    cases = [lite.case(bundle=False, invited=False) for _ in range(4)]
    for case, label in zip(cases, ("8b", None, "8a", "8a"), strict=True):
        group(lite, case.child, label)
    return lite, cases


def test_the_list_goes_by_class_and_then_by_age(classes: tuple[Story, list[Case]]) -> None:
    story, (of_8b, without, older, younger) = classes
    names = [row["transfer"] for row in listed(story)["transfers"]]
    assert names == [case.transfer for case in (older, younger, of_8b, without)]
    assert [row["group"] for row in listed(story)["transfers"]] == ["8a", "8a", "8b", None]
    assert [row["transfer"] for row in listed(story, "?group=8a")["transfers"]] == [older.transfer, younger.transfer]
    assert listed(story, "?group=8c") == {"transfers": [], "next": None}


def test_the_pages_of_the_list_hold_each_transfer_once(
    classes: tuple[Story, list[Case]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """G4"""
    monkeypatch.setattr(season, "PAGE", 1)
    story, (of_8b, without, older, younger) = classes
    seen, cursor = [], ""
    while True:
        page = listed(story, f"?cursor={cursor}" if cursor else "")
        seen += [row["transfer"] for row in page["transfers"]]
        if len(seen) == 2:  # a page's last transfer may be cancelled before the next page is asked for
            story.region.post(PO, f"{younger.path}/cancel", {})
        if page["next"] is None:
            break
        cursor = page["next"]
    assert seen == [case.transfer for case in (older, younger, of_8b, without)]


def test_a8_a_school_sees_its_own_season_alone(classes: tuple[Story, list[Case]]) -> None:
    story, cases = classes
    for school in (PO_TOO, VO, OTHER):
        assert listed(story, school=school) == {"transfers": [], "next": None}
        expect(story.region.send(school, "GET", f"/v1/season?cursor={cases[0].transfer}"), 404)
    expect(story.region.send(PO, "GET", "/v1/season?cursor=nobody"), 404)


def test_a_class_is_given_at_registration_changed_and_taken_away(lite: Story) -> None:
    body = {"number": "L77", "first_name": canary.NAME, "birth_date": "2014-05-06", "group": "8a"}
    holder = {"name": "Ouder", "mail": "ouder@gezin.test", "role": "guardian"}
    evidence = {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"}
    answer = lite.region.post(PO, "/v1/pupils", body | {"custody": {"holders": [holder], "evidence": evidence}}, 201)
    child = Child(answer["pupil"], [])
    case = lite.case(child=child, bundle=False, invited=False)
    assert (row_of(case) or {})["group"] == "8a"
    group(lite, child, "8b")
    assert (row_of(case) or {})["group"] == "8b"
    group(lite, child, None)
    assert (row_of(case) or {})["group"] is None
    entries = lite.journal(Did.GROUP_SET)
    assert [(entry.pupil, entry.outcome, dict(entry.terms)) for entry in entries] == [
        (child.pupil, "granted", {"school": PO})
    ] * 2


def test_k11_a_class_stands_sealed_and_in_no_kept_answer(lite: Story) -> None:
    child = lite.region.pupil(PO)
    group(lite, child, "groep acht")
    with reading(lite.region.parts.main) as session:
        row = session.get_one(Pupil, child.pupil)
        assert child_of(lite.region.parts.keystore, row).group == "groep acht"
        assert b"groep acht" not in (row.sealed or b"")
        assert all("groep" not in answer for answer in session.scalars(select(Idempotency.answer)))


@pytest.mark.parametrize("label", ["", " 8a", "8a\n", "x" * 21, 8])
def test_a_label_is_one_short_line(lite: Story, label: Any) -> None:
    group(lite, lite.region.pupil(PO), label, 422)


def test_a8_another_boards_pupil_is_put_into_no_class(lite: Story) -> None:
    group(lite, lite.region.pupil(PO), "8a", 404, OTHER)


# ---- reminders


def remind(case: Case) -> int:
    return season.remind(case.story.region.parts)


def reminded(case: Case) -> list[int]:
    row = row_of(case)
    return [one["reminders"] for one in row["persons"]] if row else []


def test_who_is_silent_is_reminded_after_five_and_after_ten_days_once_each(story: Story) -> None:
    case = story.case(bundle=False)
    sent = []
    for days, minutes in ((4, 1439), (5, 0), (5, 1), (9, 1439), (10, 0), (10, 1), (13, 0)):
        with later(days=days, minutes=minutes):
            sent.append(remind(case))
            assert remind(case) == 0
    assert sent == [0, 2, 0, 0, 2, 0, 0]
    assert reminded(case) == [2, 2]
    entries = story.journal(Did.REMINDED)
    assert [entry.terms["reminder"] for entry in entries] == [1, 1, 2, 2]
    assert sorted(entry.terms["person"] for entry in entries[:2]) == sorted(case.child.persons)
    assert {entry.outcome for entry in entries} == {"granted"}
    assert all(entry.told == {} and entry.pupil == case.child.pupil for entry in entries)


def test_a_reminder_names_the_day_of_the_mail_and_holds_no_code(case: Case) -> None:
    before, invited = posted(case.story), now()
    with later(days=6):
        remind(case)
    told = mails(case.story, before)
    assert {mail["to"] for mail in told} == {f"{canary.MAIL}{place}@gezin.test" for place in (1, 2)}
    for mail in told:
        assert mail["body"].count(date_in_words(invited + timedelta(seconds=1))) == 2
        assert date_in_words(invited + timedelta(days=14)) in mail["body"]
        assert not any(token in mail["body"] or token.split(".")[1] in mail["body"] for token in case.tokens)


def test_an_invitation_sent_at_midnight_is_named_by_its_own_day(case: Case) -> None:
    midnight = datetime.fromisoformat("2026-11-02T23:00:00+00:00")
    ends = midnight + timedelta(days=365)
    with writing(case.story.region.parts.main) as session:
        session.execute(update(Invitation).values(sent_at=midnight, expires_at=ends))
    before = posted(case.story)
    assert remind(case) == 2
    assert all("Op 3 november 2026 kreeg u een mail" in mail["body"] for mail in mails(case.story, before))


def test_only_the_silent_are_reminded(case: Case) -> None:
    case.say(0, okr="no", reports="no")
    with later(days=5):
        assert remind(case) == 1
    assert case.story.journal(Did.REMINDED)[-1].terms["person"] == case.child.persons[1]


def test_two_reminders_that_are_due_at_once_are_one(case: Case) -> None:
    with later(days=12):
        assert remind(case) == 2
        assert remind(case) == 0
    assert reminded(case) == [2, 2]


def test_a_new_invitation_is_reminded_of_anew(case: Case) -> None:
    with later(days=5):
        assert remind(case) == 2
    with later(days=8):
        case.story.region.invite(PO, case.transfer, case.child.persons[0])
    with later(days=13, minutes=1):
        assert remind(case) == 2, "the second of one, the first of the other"
    assert sorted(reminded(case)) == [1, 2]


@pytest.mark.parametrize("why", ["cancelled", "received", "ended", "guessed", "out of reach"])
def test_nobody_is_reminded_of_what_is_over_or_out_of_reach(case: Case, why: str) -> None:
    region = case.story.region
    with writing(region.parts.main) as session:
        if why == "guessed":
            session.execute(update(Invitation).values(attempts_left=0))
        if why == "out of reach":
            session.execute(update(Person).values(sealed=None))
        if why == "received":
            session.execute(update(Transfer).values(received_at=now()))
    if why == "cancelled":
        region.post(PO, f"{case.path}/cancel", {})
    before = posted(case.story)
    with later(days=14 if why == "ended" else 6, minutes=1):
        assert remind(case) == 0
    assert posted(case.story) == before
    assert case.story.journal(Did.REMINDED) == []


def test_reminders_go_out_in_batches(lite: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(season, "BATCH", 2)
    for _ in range(2):
        case = lite.case(bundle=False)
    with later(days=5, minutes=1):
        assert remind(case) == 4
        assert remind(case) == 0


def test_i2_an_invitation_that_ends_while_the_sweep_is_under_way_isn_t_reminded_of(case: Case) -> None:
    moments = iter([now() + timedelta(days=6), *[now() + timedelta(days=15)] * 9])
    assert season.remind(replace(case.story.region.parts, clock=lambda: next(moments))) == 0
    assert case.story.journal(Did.REMINDED) == []


def test_h7_several_sweeps_at_once_remind_once(story: Story) -> None:
    cases = [story.case(bundle=False) for _ in range(3)]
    before = posted(story)
    sent: list[int] = []
    with later(days=5, minutes=1):
        threads = [threading.Thread(target=lambda: sent.append(season.remind(story.region.parts))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(sent) == 6
    told = [(mail["to"], mail["body"]) for mail in mails(story, before)]
    assert len(told) == 6
    assert [reminded(case) for case in cases] == [[1, 1]] * 3


def test_an_erased_pupil_stands_in_no_list_and_nobody_is_reminded_of_it(case: Case) -> None:
    parts = case.story.region.parts
    with parts.journal.act(pupil=case.child.pupil) as act:
        parts.journal.erase(act, case.child.pupil, SERVICE, ("po-noord",))
    assert listed(case.story) == {"transfers": [], "next": None}
    with later(days=6):
        assert remind(case) == 0
