"""The release rule, step by step: what it decides, what it writes, and what leaves the service."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import pytest
import time_machine
from sqlalchemy import event, select, text, update

from consent.db import reading, writing
from consent.entry import Told
from consent.tables import Pupil
from consent.terms import Section
from crypto.bundle import Reader
from crypto.encoding import b64
from handover import release
from handover.accesslog import BOOK, Did
from handover.app import recover
from handover.attempts import ATTEMPTS_A_MINUTE
from handover.errors import RequestRefused
from handover.parts import Caller
from handover.receipts import verify_release
from handover.release import FRESH, Released, Withheld, close, hand_out, settle
from handover.roles import Role
from handover.tables import BundleSection, Idempotency, Release, Transfer
from handover.trust import Trust
from tests.handover.story import OTHER, PO, PO_TOO, VO, Case, Story, everything, later
from tests.region import LOG, expect, head_of, now

MENTOR = Caller(VO, "vo-zuid", "s-9", Role.MENTOR)
OKR = (Section.OKR,)
FULL = "CREATE TRIGGER full BEFORE INSERT ON journal_leaf BEGIN SELECT RAISE(ABORT, 'full'); END"


def decided(case: Case, *sections: Section) -> Released:
    found = release.release(case.story.region.parts, MENTOR, case.transfer, sections or OKR)
    assert isinstance(found, Released)
    return found


class Aged(float):
    """The moment of a commit that is of these ages, one after the other, whenever somebody looks."""

    def __new__(cls, *ages: float) -> "Aged":
        return super().__new__(cls, 0)

    def __init__(self, *ages: float) -> None:
        self.ages = list(ages)

    def __rsub__(self, _: float) -> float:
        return self.ages.pop(0)


def outcomes(case: Case) -> list[str | None]:
    with reading(case.story.region.parts.main) as session:
        return list(session.scalars(select(Release.outcome).order_by(Release.index)))


def locked(case: Case) -> int:
    """Tell how often the pupil was locked."""
    with reading(case.story.region.parts.main) as session:
        return session.get_one(Pupil, case.child.pupil).version


def test_a_release_is_decided_logged_delivered_and_closed_in_this_order(story: Story) -> None:
    """Steps (5), (7), (8); K6: one decision, one entry, one end."""
    case = story.agreed("okr", "opp", sections=("okr", "opp"))
    before = story.size()
    response = case.ask("okr", "opp", role="mentor", staff="s-9")
    assert response.content_type == "application/vnd.overdracht.release"
    decision, delivered = story.journal()[before:]
    assert (decision.type, decision.outcome) == (Did.RELEASE, "granted")
    assert (delivered.type, delivered.outcome) == (Did.DELIVERED, "delivered")
    bundle = b64(case.bundles[0].core.bundle)
    assert delivered.terms == {"transfer": case.transfer, "bundle": bundle, "release": decision.index}
    assert decision.terms["bundle"] == bundle
    assert (delivered.pupil, set(delivered.boards)) == (case.child.pupil, {"po-noord", "vo-zuid"})
    assert decision.told == {"vo-zuid": Told("granted", ("actor",))}
    assert delivered.told == {"vo-zuid": Told("delivered", ("actor", "terms"))}
    with reading(story.region.parts.main) as session:
        row = session.get_one(Release, decision.index)
    assert (row.outcome, row.closed, row.sections) == ("delivered", delivered.index, "okr,opp")


def test_the_decision_says_who_what_why_and_when(lite: Story) -> None:
    """NEN 7513: person, role, school, purpose, ground and ledger entries, sections, outcome, time."""
    case = lite.agreed()
    start = now()
    case.ask("okr", role="mentor", staff="s-9")
    entry = lite.journal(Did.RELEASE)[-1]
    assert entry.book == BOOK == "access"
    assert entry.actor is not None
    assert (entry.actor.kind, entry.actor.id) == ("staff", f"{VO}.s-9")
    assert entry.actor.details == {"school": VO, "role": "mentor"}
    assert entry.pupil == case.child.pupil
    assert set(entry.boards) == {"po-noord", "vo-zuid"}
    assert (entry.sections, entry.ground, entry.outcome) == (("okr",), "consent", "granted")
    assert start <= entry.recorded_at <= now()
    evidence = entry.terms.pop("evidence")  # type: ignore[attr-defined]
    assert entry.terms == {
        "school": VO,
        "role": "mentor",
        "transfer": case.transfer,
        "bundle": b64(case.bundles[0].core.bundle),
        "purpose": "placement",
        "sections": ["okr"],
    }
    grants = [one.index for one in lite.journal() if one.book == "ledger" and one.ground == "consent"]
    assert evidence == [
        {"section": "okr", "ground": "consent", "source": "AVG art. 6(1)(a); UAVG art. 5", "entries": grants}
    ]


def test_a_refused_decision_is_logged_with_its_reason_and_nothing_else_happens(lite: Story) -> None:
    """A1: the receiver hears NOT_AUTHORISED and nothing more."""
    case = lite.case()
    before = lite.rows("nonce", "journal_node", "data_key")
    answer = case.ask("okr", status=403)
    assert answer.get_json() == {
        "type": "urn:overdracht:problem:NOT_AUTHORISED",
        "title": "Not authorised",
        "status": 403,
        "code": "NOT_AUTHORISED",
        "detail": "You aren't authorised for this section of this transfer now. Ask the sending school.",
    }
    entry = lite.journal(Did.RELEASE)[-1]
    assert (entry.outcome, entry.ground, entry.terms["evidence"]) == ("NO_GRANT", None, [])
    assert entry.told == {"vo-zuid": Told("refused", ("actor",))}
    after = lite.rows("nonce", "journal_node", "data_key")
    grown = {name for name in after if after[name] != before[name]}
    assert grown == {"journal_leaf", "journal_part", "journal_lookup", "journal_board"}
    assert {after[name] - before[name] for name in grown - {"journal_board"}} == {1}


def test_every_refusal_is_the_same_answer(lite: Story) -> None:
    """G1: byte for byte, whatever the reason."""
    case = lite.agreed("okr", "opp", bundle=False)
    answers = [case.ask("okr", status=403)]
    case.send()
    case.say(0, lvs="no")
    case.family("withdrawal", sections=["opp"], destroy_now=True)
    answers += [case.ask(section, status=403) for section in ("lvs", "opp", "support", "reports")]
    with later(days=31):
        answers.append(case.ask("okr", status=403))
    lite.region.post(PO, f"{case.path}/cancel", {})
    answers.append(case.ask("okr", status=403))
    assert {answer.get_data() for answer in answers} == {answers[0].get_data()}
    assert {str(answer.headers) for answer in answers} == {str(answers[0].headers)}
    said = [entry.outcome for entry in lite.journal(Did.RELEASE)]
    assert (said[0], said[-2], said[-1]) == ("NO_BUNDLE", "BUNDLE_EXPIRED", "CANCELLED")


def test_a_question_is_answered_as_a_whole(lite: Story) -> None:
    """Step (3): one section that may not go keeps the others here."""
    case = lite.agreed("okr", sections=("okr", "opp"))
    case.ask("okr", "opp", status=403)
    case.ask("okr")
    assert outcomes(case) == ["delivered"]


def test_exactly_what_was_asked_is_sent_with_its_shares(lite: Story) -> None:
    """Step (7)"""
    case = lite.agreed("okr", "lvs")
    head, container = head_of(case.ask("lvs", "okr"))
    sealed = case.bundles[0]
    assert head["shares"] == {name: b64(sealed.shares.shares[name]) for name in ("okr", "lvs")}
    assert (head["v"], head["transfer"], head["bundle"]) == (1, case.transfer, b64(sealed.core.bundle))
    assert head["receipt"]["statement"]["sections"] == ["okr", "lvs"]
    assert [name for name, _ in Reader(BytesIO(container)).sections()] == ["okr", "lvs"]
    for name in set(everything()) - {"okr", "lvs"}:
        assert b64(sealed.shares.shares[name]) not in json.dumps(head)


def test_a_receipt_verifies_offline(lite: Story) -> None:
    case = lite.agreed()
    head, _ = head_of(case.ask("okr"))
    parts = lite.region.parts
    trust = Trust(lite.region.root.public, {f"{LOG}/journal": parts.log_key.public})
    checkpoint = verify_release(head["receipt"], trust, transfer=case.transfer, bundle=head["bundle"], sections=["okr"])
    assert checkpoint.size > lite.journal(Did.RELEASE)[-1].index


def test_a_retry_is_decided_anew(story: Story) -> None:
    """A12: the same Idempotency-Key finds no stored answer; after a withdrawal the retry is refused."""
    case = story.agreed()
    key = "one-key-for-all-requests"
    shares = {json.dumps(head_of(case.ask("okr", key=key))[0]["shares"]) for _ in range(2)}
    assert len(shares) == 1
    case.family("withdrawal", sections=["okr"], destroy_now=False)
    case.ask("okr", status=403, key=key)
    assert [entry.outcome for entry in story.journal(Did.RELEASE)] == ["granted", "granted", "WITHDRAWN"]
    with reading(story.region.parts.main) as session:
        assert not list(session.scalars(select(Idempotency).where(Idempotency.key == key)))


def test_no_table_of_the_main_database_holds_a_share(lite: Story) -> None:
    """B: shares live in the key store alone, wrapped."""
    case = lite.agreed()
    case.ask("okr")
    database = (lite.region.folder / "main.sqlite").read_bytes() + (lite.region.folder / "keys.sqlite").read_bytes()
    for path in lite.region.folder.glob("*-wal"):
        database += path.read_bytes()
    assert case.transfer.encode() in database
    for share in case.bundles[0].shares.shares.values():
        assert share not in database
        assert b64(share).encode() not in database


def test_a_release_on_two_grounds_is_logged_under_that_of_its_first_section(lite: Story) -> None:
    case = lite.agreed("okr", "reports")
    case.ask("okr", "reports")
    entry = lite.journal(Did.RELEASE)[-1]
    assert (entry.ground, entry.sections) == ("consent", ("okr", "reports"))
    assert [one["ground"] for one in entry.terms["evidence"]] == ["consent", "explicit_consent"]  # type: ignore[union-attr, index, call-overload]


# (0b) the freeze


def test_a_frozen_service_releases_nothing_and_says_so_in_the_log(lite: Story) -> None:
    """K2, step (0b): before anything else is asked."""
    case = lite.agreed()
    lite.region.parts.keystore.freeze(b"note", "a test", now())
    assert case.ask("okr", status=503).get_json()["code"] == "FROZEN"
    entry = lite.journal(Did.RELEASE)[-1]
    assert (entry.outcome, entry.ground, entry.terms["evidence"]) == ("FROZEN", None, [])


# (1) who isn't the receiver


def test_an_attempt_leaves_one_entry_and_locks_no_pupil(story: Story) -> None:
    """A8, step (1)"""
    case = story.agreed()
    version = locked(case)
    before = story.size()
    for transfer in (case.transfer, "0123456789abcdef0123456789abcdef"):
        expect(story.region.release(OTHER, transfer, "okr"), 404)
    entries = story.journal()[before:]
    assert [(one.type, one.outcome, one.pupil) for one in entries] == [(Did.ATTEMPT, "refused", None)] * 2
    assert [one.terms for one in entries] == [
        {"school": OTHER, "asked": "ask_release", "count": count} for count in (1, 2)
    ]
    assert [set(one.boards) for one in entries] == [{"vo-oost"}] * 2
    assert locked(case) == version


def test_attempts_are_counted_per_school_and_minute(lite: Story) -> None:
    """G2: thirty in a minute, and a school's own transfers aren't held up by them."""
    case = lite.agreed()
    with later(seconds=60 - now().second):
        answers = [lite.region.release(OTHER, "0123", "okr") for _ in range(ATTEMPTS_A_MINUTE + 2)]
        assert [answer.status_code for answer in answers] == [404] * 30 + [429] * 2
        assert answers[-1].get_json()["code"] == "TOO_MANY"
        assert answers[-1].headers["Retry-After"] == "5"
        expect(lite.region.release(PO, case.transfer, "okr"), 404)
        case.ask("okr")
    counts = [entry.terms["count"] for entry in lite.journal(Did.ATTEMPT)]
    assert counts == [*range(1, ATTEMPTS_A_MINUTE + 2), 1]
    with later(seconds=121 - now().second):
        expect(lite.region.release(OTHER, "0123", "okr"), 404)


def test_attempts_of_one_minute_are_counted_together(lite: Story) -> None:
    """G2: whichever second they come in."""
    start = now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    answers = []
    for number in range(31):
        with time_machine.travel(start + timedelta(seconds=number, milliseconds=number), tick=False):
            answers.append(lite.region.release(OTHER, "0123", "okr").status_code)
    assert answers == [404] * 30 + [429]


# (2) the locks and the clock


def test_the_receivers_keys_and_the_pupil_are_locked_before_the_clock_is_read(story: Story) -> None:
    """Step (2): on SQLite its one writer is the schools' lock."""
    case = story.agreed()
    main, said = story.region.parts.main, []
    version = locked(case)
    event.listen(main, "before_cursor_execute", lambda _, __, statement, *___: said.append(statement))
    found = release.release(story.region.parts, MENTOR, case.transfer, OKR)
    assert isinstance(found, Released)
    locks = [
        ("shared" in each, "UPDATE pupil" in each) for each in said if "advisory" in each or "UPDATE pupil" in each
    ]
    assert locks == [(True, False)] * (main.dialect.name == "postgresql") + [(False, True)]
    assert locked(case) == version + 1


def test_the_clock_is_read_under_the_lock_and_an_ended_consent_is_refused(lite: Story) -> None:
    """A3"""
    case = lite.case()
    ends = (now() + timedelta(days=2)).isoformat()
    for token in case.tokens:
        notice = lite.region.family("question", {"token": token})["notice"]["sha256"]
        body = {"token": token, "notice": notice, "answers": {"okr": "yes"}, "valid_until": ends}
        lite.region.family("answers", body)
    case.ask("okr")
    with later(days=2, seconds=1):
        case.refused("EXPIRED")


# (4) the bundle


def test_without_a_bundle_nothing_leaves(lite: Story) -> None:
    lite.agreed(bundle=False).refused("NO_BUNDLE")


def test_a_cancelled_transfer_releases_nothing(lite: Story) -> None:
    case = lite.agreed()
    lite.region.post(PO, f"{case.path}/cancel", {})
    case.refused("CANCELLED")


def test_a_bundle_expires_at_its_moment(lite: Story) -> None:
    case = lite.agreed()
    end = case.bundles[0].core.expires_at
    with time_machine.travel(end - timedelta(microseconds=1), tick=False):
        case.ask("okr")
    with time_machine.travel(end, tick=False):
        case.refused("BUNDLE_EXPIRED")


def test_a_rotated_key_stops_the_release_and_destroys_the_shares(story: Story) -> None:
    """C4, A5: never to a key that is no longer current; what was sealed to it is gone for good."""
    case = story.agreed()
    region = story.region
    region.schools[VO].keys = type(region.schools[VO].keys).generate(VO)
    region.publish(VO, "sign", "seal", "request")
    case.refused("KEY_ROTATED")
    with reading(region.parts.main) as session:
        assert not list(session.scalars(select(BundleSection)))
    assert story.rows()["share"] == 0
    assert not [path for path in (region.folder / "bundles").iterdir() if path.is_file()]
    kinds = [entry.type for entry in story.journal(Did.SHRED_INTENT, Did.RELEASE, Did.SHRED_DONE)]
    assert kinds == [Did.SHRED_INTENT, Did.RELEASE, Did.SHRED_DONE]
    assert story.journal(Did.SHRED_INTENT)[-1].terms["why"] == "key rotated"
    case.refused("KEY_ROTATED")  # and again, with nothing left to destroy
    case.send()
    case.ask("okr")


@pytest.mark.parametrize("state", ["rotated", "revoked"])
def test_a_receiver_without_a_current_key_gets_nothing(lite: Story, state: str) -> None:
    """C5, C6"""
    case = lite.agreed()
    lite.region.publish(VO, "seal", state=state)  # type: ignore[arg-type]
    case.refused("KEY_ROTATED")


def test_what_was_signed_by_a_key_that_was_revoked_stays_here(lite: Story) -> None:
    """C6: whoever stole it may have made the bundle. One that was rotated keeps nothing here."""
    case = lite.agreed()
    keys = lite.region.schools[PO].keys
    lite.region.publish(PO, "sign", state="rotated")
    case.ask("okr")
    lite.region.schools[PO].keys = type(keys).generate(PO)
    lite.region.publish(PO, "sign", "request")
    case.ask("okr")
    case.send()
    lite.region.publish(PO, "sign", state="revoked")
    case.refused("KEY_REVOKED")


def test_a_share_that_is_missing_in_the_key_store_keeps_everything_here(lite: Story) -> None:
    """Step (4), H8: the database may name what the key store has lost."""
    case = lite.agreed("okr", "opp")
    with writing(lite.keys) as session:
        session.execute(text("DELETE FROM share WHERE section = 'okr'"))
    case.refused("SHREDDED")
    case.ask("okr", "opp", status=403)
    case.ask("opp")


def test_a_section_that_is_marked_to_be_shredded_is_refused_before_it_is_gone(lite: Story) -> None:
    """Step (4): the intent counts, also when a crash kept it from being carried out; the next start finishes it."""
    case = lite.agreed("okr", "opp")
    marked = update(BundleSection).where(BundleSection.section == "okr").values(shred_since=now())
    with writing(lite.region.parts.main) as session:
        session.execute(marked)
    case.refused("SHREDDED")
    assert lite.rows()["share"] == 8
    recover(lite.region.parts)
    assert lite.rows()["share"] == 7
    case.ask("opp")


# (7) and (8) what is sent, and what became of it


def test_shares_that_are_two_seconds_old_are_dropped(lite: Story) -> None:
    case = lite.agreed()
    found = decided(case)
    late = replace(found, committed_at=found.committed_at - FRESH - 0.001)
    with pytest.raises(RequestRefused) as refused:
        hand_out(lite.region.parts, late)  # so that a door can still say so
    assert (refused.value.code, refused.value.status) == ("TOO_SLOW", 503)
    assert outcomes(case) == ["aborted"]
    assert lite.journal(Did.ABORTED)[-1].terms["release"] == found.index


def test_shares_that_have_grown_too_old_before_the_first_byte_is_taken_are_dropped(lite: Story) -> None:
    case = lite.agreed()
    pieces = hand_out(lite.region.parts, replace(decided(case), committed_at=Aged(0, FRESH + 0.001)))
    assert outcomes(case) == [None]
    with pytest.raises(RequestRefused, match="too old"):
        next(pieces)
    assert outcomes(case) == ["aborted"]


def test_shares_that_are_two_seconds_old_to_the_moment_are_sent(lite: Story) -> None:
    case = lite.agreed()
    sent = b"".join(hand_out(lite.region.parts, replace(decided(case), committed_at=Aged(FRESH, FRESH))))
    assert b64(case.bundles[0].shares.shares["okr"]).encode() in sent
    assert outcomes(case) == ["delivered"]
    assert FRESH == 2.0


def test_a_reader_who_leaves_half_way_is_logged_as_aborted(lite: Story) -> None:
    case = lite.agreed()
    with closing(hand_out(lite.region.parts, decided(case))) as pieces:
        assert next(pieces)
    assert outcomes(case) == ["aborted"]
    entry = lite.journal(Did.ABORTED)[-1]
    assert (entry.outcome, entry.sections, entry.pupil) == ("aborted", ("okr",), case.child.pupil)
    assert case.for_receiver()["opened"] == []


def test_a_reader_who_leaves_the_front_door_half_way_is_logged_as_aborted(lite: Story) -> None:
    case = lite.agreed()
    response = lite.region.release(VO, case.transfer, "okr", buffered=False)
    assert next(iter(response.response))
    response.close()
    assert outcomes(case) == ["aborted"]


def test_ciphertext_that_is_gone_from_the_disk_sends_no_share(lite: Story) -> None:
    """H8: the row without the object."""
    case = lite.agreed()
    for path in (lite.region.folder / "bundles").iterdir():
        path.unlink()
    answer = case.ask("okr", status=503)
    assert answer.get_json()["code"] == "STORE_UNAVAILABLE"
    assert outcomes(case) == ["aborted"]


def test_a_release_of_which_nothing_is_heard_is_settled_as_unknown(story: Story) -> None:
    """K6: after a quarter of an hour, by the next start or sweep, and once."""
    case = story.agreed()
    found = decided(case)
    assert settle(story.region.parts) == 0
    end = story.journal(Did.RELEASE)[-1].recorded_at + timedelta(minutes=15)
    with time_machine.travel(end, tick=False):
        assert settle(story.region.parts) == 0
    with time_machine.travel(end + timedelta(microseconds=1), tick=False):
        assert settle(story.region.parts) == 1
        assert settle(story.region.parts) == 0
    assert outcomes(case) == ["unknown"]
    entry = story.journal(Did.UNKNOWN)[-1]
    assert (entry.outcome, entry.terms["release"], entry.sections) == ("unknown", found.index, ("okr",))
    assert case.for_receiver()["opened"] == ["okr"]  # nobody can say that it wasn't


def test_a_release_ends_once_and_under_its_pupils_lock(lite: Story) -> None:
    case = lite.agreed()
    found = decided(case)
    version = locked(case)
    close(lite.region.parts, found.index, Did.DELIVERED)
    assert locked(case) == version + 1
    before = lite.size()
    close(lite.region.parts, found.index, Did.ABORTED)
    assert lite.size() == before
    assert outcomes(case) == ["delivered"]


def test_a_release_that_went_with_its_pupil_is_not_closed(lite: Story) -> None:
    lite.agreed()
    before = lite.size()
    close(lite.region.parts, before, Did.UNKNOWN)
    assert lite.size() == before


def test_a_decision_that_can_not_be_written_releases_nothing(lite: Story) -> None:
    """K5: the log fails, so the action fails."""
    case = lite.agreed()
    with writing(lite.region.parts.main) as session:
        session.execute(text(FULL))
    answer = case.ask("okr", status=503)
    assert answer.get_json()["code"] == "STORE_UNAVAILABLE"
    assert case.bundles[0].shares.shares["okr"] not in answer.get_data()
    assert outcomes(case) == []


def test_a_ledger_that_lacks_an_entry_releases_nothing(lite: Story) -> None:
    """K1: a withdrawal that was taken out of the tables still counts, since its number is missed."""
    case = lite.agreed()
    case.family("withdrawal", sections=["okr"], destroy_now=False)
    with writing(lite.region.parts.main) as session:
        session.execute(
            text("UPDATE journal_lookup SET pupil_tag = NULL WHERE idx = (SELECT max(idx) FROM journal_lookup)")
        )
    case.refused("LEDGER_INTEGRITY")


def test_what_is_released_and_what_is_withheld_are_true_and_false() -> None:
    assert not Withheld("NO_BUNDLE")
    assert Released(0, "", None, {}, {}, 0.0)  # type: ignore[arg-type]
    for shown in (Released(0, "", None, {"okr": b"secret"}, {}, 0.0), release._Ready(None, {"okr": b"secret"}, {})):  # type: ignore[arg-type]
        assert "secret" not in repr(shown)


def test_only_the_transfers_receiver_is_let_in(lite: Story) -> None:
    """A4: another receiver, also when it is the sender or was named in another transfer of the same pupil."""
    case = lite.agreed()
    lite.region.transfer(case.child, PO, OTHER, sections=("okr",))
    for school in (PO, OTHER):
        expect(lite.region.release(school, case.transfer, "okr"), 404)
    with reading(lite.region.parts.main) as session:
        assert len(list(session.scalars(select(Transfer)))) == 2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"purpose": "support"}, "PURPOSE_MISMATCH"),
        ({"receiver": OTHER}, "RECEIVER_MISMATCH"),
        ({"sender": "11AA01"}, "SENDER_MISMATCH"),
        ({"pupil": True}, "NO_GRANT"),
    ],
    ids=str,
)
def test_consent_for_one_thing_is_no_consent_for_another(lite: Story, changed: dict[str, str], reason: str) -> None:
    """A4: four questions that differ from the one that was answered in one thing each."""
    region, given = lite.region, lite.agreed()
    child = region.pupil(PO) if "pupil" in changed else given.child
    sender, receiver = changed.get("sender", PO), changed.get("receiver", VO)
    purpose = changed.get("purpose", "placement")
    transfer = region.transfer(child, sender, receiver, purpose=purpose)
    data, _ = region.seal(transfer, sender, receiver, purpose=purpose)
    region.upload(sender, transfer, data)
    expect(region.release(receiver, transfer, "okr"), 403)
    assert lite.journal(Did.RELEASE)[-1].outcome == reason


@pytest.mark.parametrize(
    "altered",
    ["pupil", "route", "purpose", "sections", "policy", "entry", "sender"],
)
def test_a_transfer_that_somebody_altered_in_the_database_releases_nothing(lite: Story, altered: str) -> None:
    """K1: a row led to another pupil would be judged by what that pupil's family said."""
    case, other = lite.agreed(), lite.agreed()
    to = {
        "pupil": other.child.pupil,
        "route": "POPO",
        "purpose": "support",
        "sections": "okr,opp",
        "policy": 0,
        "entry": -1,
        "sender": PO_TOO,
    }
    with writing(lite.region.parts.main) as session:
        session.execute(update(Transfer).where(Transfer.id == case.transfer).values({altered: to[altered]}))
    answer = lite.region.release(VO, case.transfer, "okr")
    assert answer.status_code in (403, 503)
    assert b"shares" not in answer.get_data()
    assert expect(lite.region.release(VO, other.transfer, "okr"), 200)
