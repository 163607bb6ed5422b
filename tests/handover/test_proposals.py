"""What takes two: nothing counts before a second person has confirmed exactly what a first one proposed."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select, update

from consent.db import reading, writing
from consent.events import Event, Kind
from consent.keystore import KeyStore
from consent.tables import JournalLookup
from crypto.encoding import JSON, canon
from crypto.errors import EncodingRefused
from handover import erasure, rulings
from handover.accesslog import SERVICE, Did
from handover.audit import KINDS
from handover.outbox import waiting
from handover.proposals import PAGE, STEPS
from handover.proposed import LIMIT, Matter, Proposed, checked, read_proposed
from handover.retention import Kept, due
from handover.sweeping import sweep
from handover.tables import Message, Person, Proposal
from tests import canary
from tests.handover.story import OTHER, PO, PO_TOO, VO, Case, Story, later
from tests.handover.test_emergency import asked as an_emergency
from tests.handover.test_emergency import events, mails, posted
from tests.handover.test_paper import records
from tests.handover.test_rights import asks, own
from tests.region import expect, now

VECTORS: Final = json.loads((Path(__file__).parents[1] / "vectors" / "proposals.json").read_bytes())
REASON: Final = f"Het is uitgezocht. {canary.NOTE}"


# ---- the form, and the id that stands for it


@pytest.mark.parametrize("vector", VECTORS["proposals"], ids=lambda vector: vector["content"]["matter"])
def test_the_id_is_a_hash_of_all_that_is_proposed(vector: dict[str, Any]) -> None:
    made = checked(vector["content"], vector["id"])
    assert (made.content(), made.id) == (vector["content"], vector["id"])
    assert read_proposed(canon(vector["content"]), vector["id"]) == made


def test_every_matter_has_a_vector_and_its_steps_in_the_log() -> None:
    assert [vector["content"]["matter"] for vector in VECTORS["proposals"]] == list(map(str, Matter))
    assert set(STEPS) == set(Matter)


@pytest.mark.parametrize("name", VECTORS["refused"])
def test_content_of_another_form_is_refused(name: str) -> None:
    """E4"""
    with pytest.raises(EncodingRefused):
        Proposed.of(VECTORS["refused"][name])


@pytest.mark.parametrize("member", ["matter", "pupil", "transfer", "by", "at", "said", "salt"])
def test_another_content_is_another_id(member: str) -> None:
    first, other = (vector["content"] for vector in VECTORS["proposals"][:2])
    changes: dict[str, JSON] = {
        "pupil": "p",
        "transfer": None,
        "by": "99AB00.s-2",
        "at": "2027-03-01T09:30:00.000000Z",
        "salt": "f" * 32,
    }
    changed = first | {member: changes.get(member, other[member])}
    assert Proposed.of(changed).id != VECTORS["proposals"][0]["id"]
    with pytest.raises(EncodingRefused, match="isn't what the id"):
        checked(changed, VECTORS["proposals"][0]["id"])


def test_bytes_that_are_another_way_to_write_it_or_too_many_are_refused() -> None:
    vector = VECTORS["proposals"][0]
    with pytest.raises(EncodingRefused, match="not canonical"):
        read_proposed(json.dumps(vector["content"]).encode(), vector["id"])
    with pytest.raises(EncodingRefused, match="longer than"):
        read_proposed(b" " * (LIMIT + 1), vector["id"])


# ---- each matter, from its proposal to what it comes to


@dataclass(frozen=True)
class By2:
    """One matter: how it is proposed in a case, and the kind of event that a confirmation leaves in the ledger."""

    propose: Callable[[Case], str]
    kind: Kind


def _emergency(case: Case) -> str:
    body = an_emergency(reason=REASON)
    proposal: str = case.story.region.post(PO, f"{case.path}/emergency", body, 201)["proposal"]
    return proposal


def _paper(case: Case) -> str:
    proposal: str = records(case)["proposal"]
    return proposal


def _hold(case: Case) -> str:
    path = f"/v1/pupils/{case.child.pupil}/holds"
    hold = case.story.region.post(PO, path, {"ground": "LKC 1"}, 201, role="principal")["hold"]
    body = {"ground": "De klacht is afgehandeld"}
    proposal: str = case.story.region.post(PO, f"{path}/{hold}/lifting", body, 201, role="principal")["proposal"]
    return proposal


def _restriction(case: Case) -> str:
    return lifting(case, asks(case, "restriction", sections=["okr"])["request"])["proposal"]  # type: ignore[no-any-return]


def _erasure(case: Case, who: int = 0) -> str:
    path = f"/v1/requests/{asks(case, 'erasure', who)['request']}/decision"
    body = {"ruling": "granted", "reason": REASON}
    proposal: str = case.story.region.post(PO, path, body, role="principal")["proposal"]
    return proposal


def _court(case: Case) -> str:
    body = {
        "court": "RBMNE",
        "stands_for": case.child.persons[0],
        "sections": ["okr"],
        "decided_on": now().date().isoformat(),
        "scan": "5" * 64,
    }
    proposal: str = case.story.region.post(PO, f"{case.path}/court", body, 201, role="principal")["proposal"]
    return proposal


def lifting(case: Case, request: str, status: int = 201) -> dict[str, Any]:
    path = f"/v1/requests/{request}/lifting"
    return case.story.region.post(PO, path, {"reason": REASON}, status, role="principal")


MATTERS: Final = {
    Matter.EMERGENCY: By2(_emergency, Kind.EMERGENCY),
    Matter.PAPER: By2(_paper, Kind.GRANT),
    Matter.HOLD: By2(_hold, Kind.HOLD),
    Matter.RESTRICTION: By2(_restriction, Kind.RESTRICT),
    Matter.COURT: By2(_court, Kind.COURT),
    Matter.ERASURE: By2(_erasure, Kind.REQUEST_DECIDED),
}
of_each = pytest.mark.parametrize("matter", MATTERS, ids=str)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """A transfer in the standing story; one whose pupil is erased in a story of its own, for others read that log."""
    erases = "callspec" in dir(request.node) and request.node.callspec.params.get("matter") is Matter.ERASURE
    story: Story = request.getfixturevalue("lite" if erases else "standing")
    return story.case(bundle=False)


def done(case: Case, matter: Matter) -> list[Event]:
    """Give what a confirmation has left in the ledger: events that name two, or an answer from paper."""
    kind = MATTERS[matter].kind
    return [event for event in events(case) if event.kind is kind and (event.second or event.witness)]


def listed(story: Story, school: str = PO, query: str = "", **options: Any) -> list[dict[str, Any]]:
    answer = expect(story.region.send(school, "GET", f"/v1/proposals{query}", **options), 200).get_json()
    rows: list[dict[str, Any]] = answer["proposals"]
    return rows


def steps(case: Case, matter: Matter) -> list[tuple[Did, str | None, str | None]]:
    """Give the log's entries on a matter of this pupil's: what, by whom, with which outcome."""
    found = case.story.journal(*STEPS[matter], Did.PROPOSAL_WITHDRAWN)
    mine = [entry for entry in found if entry.pupil == case.child.pupil]
    return [(Did(entry.type), entry.actor and entry.actor.id, entry.outcome) for entry in mine]


@of_each
def test_k10_nobody_confirms_an_own_proposal_and_nothing_counts_before_another_does(case: Case, matter: Matter) -> None:
    proposal, region = MATTERS[matter].propose(case), case.story.region
    for staff in ("s-1", "S-1"):
        assert region.confirm(PO, proposal, 409, staff=staff, role="principal")["code"] == "SECOND_NEEDED"
    assert done(case, matter) == []
    region.confirm(PO, proposal)
    if matter is Matter.ERASURE:
        case.family("log", 0, 404)
        return
    [event] = done(case, matter)
    if matter is Matter.PAPER:
        assert event.witness == f"{PO}.s-2"
    elif matter is Matter.COURT:
        assert (event.witness, event.second) == (f"{PO}.s-1", f"{PO}.s-2")
    else:
        assert (event.by.person, event.second) == (f"{PO}.s-2", f"{PO}.s-1")
    first, second = STEPS[matter]
    assert steps(case, matter) == [
        (first, f"{PO}.s-1", "granted"),
        (second, f"{PO}.s-1", "SECOND_NEEDED"),
        (second, f"{PO}.S-1", "SECOND_NEEDED"),
        (second, f"{PO}.s-2", "granted"),
    ]


def test_k6_a_granted_erasure_leaves_each_of_its_steps(lite: Story) -> None:
    case = lite.case(bundle=False)
    proposal, size = _erasure(case), lite.size()
    lite.region.confirm(PO, proposal)
    with reading(lite.region.parts.main) as session:
        added = select(JournalLookup.type).where(JournalLookup.index >= size).order_by(JournalLookup.index)
        kinds = [KINDS[kind] for kind in session.scalars(added)]
    assert kinds == ["request_decided", "erasure_confirmed", "pupil_erased", "destroyed"]


@pytest.mark.parametrize("matter", [Matter.HOLD, Matter.RESTRICTION], ids=str)
def test_a_proposal_that_waited_for_its_whole_term_has_lapsed_and_is_swept(lite: Story, matter: Matter) -> None:
    """I1"""
    case = lite.case(bundle=False)
    proposal = MATTERS[matter].propose(case)
    [row] = listed(lite)
    end = due(Kept.PROPOSAL, Proposed.of(row["content"]).at)
    assert row["lapses_at"] == end.isoformat().replace("+00:00", ".000000Z")
    with later(seconds=(end - now()).total_seconds() - 30):
        assert [one["proposal"] for one in listed(lite)] == [proposal]
        assert sweep(lite.region.parts, accept=1).done[Kept.PROPOSAL] == 0
    with later(seconds=(end - now()).total_seconds() + 1):
        assert listed(lite) == []
        assert lite.region.confirm(PO, proposal, 409)["code"] == "PROPOSAL_LAPSED"
        assert sweep(lite.region.parts, accept=1).done[Kept.PROPOSAL] == 1
        lite.region.confirm(PO, proposal, 404)
    assert done(case, matter) == []
    assert steps(case, matter)[-1] == (STEPS[matter][1], f"{PO}.s-2", "PROPOSAL_LAPSED")


def test_who_made_a_proposal_takes_it_back_and_nobody_else(case: Case) -> None:
    region, proposal = case.story.region, _emergency(case)
    path = f"/v1/proposals/{proposal}/withdrawal"
    assert region.post(PO, path, {}, 403, staff="s-2", role="principal")["code"] == "NOT_YOURS"
    first, again = (region.post(PO, path, {}, key="w" * 16, staff="S-1") for _ in range(2))
    assert first == again == {"proposal": proposal, "withdrawn": True}
    region.confirm(PO, proposal, 404)
    region.post(PO, path, {}, 404)
    assert done(case, Matter.EMERGENCY) == []
    assert steps(case, Matter.EMERGENCY)[1:] == [
        (Did.PROPOSAL_WITHDRAWN, f"{PO}.s-2", "NOT_YOURS"),
        (Did.PROPOSAL_WITHDRAWN, f"{PO}.S-1", "granted"),
    ]


@pytest.mark.parametrize("matter", [Matter.HOLD, Matter.RESTRICTION, Matter.ERASURE], ids=str)
def test_a6_the_same_confirmation_twice_is_one_and_another_finds_nothing(case: Case, matter: Matter) -> None:
    proposal, region = MATTERS[matter].propose(case), case.story.region
    first, again = (region.confirm(PO, proposal, key="k" * 16) for _ in range(2))
    assert first == again
    region.confirm(PO, proposal, 404)
    region.confirm(PO, "0" * 64, 404, staff="s-3")


def _again(case: Case, matter: Matter, proposal: str) -> tuple[str, dict[str, Any]]:
    """Give the request with which somebody proposes the same once more."""
    [said] = [one["content"]["said"] for one in listed(case.story) if one["proposal"] == proposal]
    if matter is Matter.HOLD:
        return f"/v1/pupils/{case.child.pupil}/holds/{said['hold']}/lifting", {"ground": "settled"}
    if matter is Matter.RESTRICTION:
        return f"/v1/requests/{said['request']}/lifting", {"reason": "Het klopt."}
    return f"/v1/requests/{said['request']}/decision", {"ruling": "granted", "reason": "Het mag weg."}


@pytest.mark.parametrize("matter", [Matter.HOLD, Matter.RESTRICTION, Matter.ERASURE], ids=str)
def test_the_same_lifting_or_erasure_waits_once_and_the_second_is_told_where(case: Case, matter: Matter) -> None:
    proposal, region = MATTERS[matter].propose(case), case.story.region
    path, body = _again(case, matter, proposal)
    messages = len(mails(case.story, set()))
    refused = region.post(PO, path, body, 409, staff="s-2", role="principal")
    assert (refused["code"], refused["fields"]) == ("ALREADY_PROPOSED", {"/proposal": f"It waits as {proposal}."})
    assert len(mails(case.story, set())) == messages
    assert (STEPS[matter][0], f"{PO}.s-2", "ALREADY_PROPOSED") in steps(case, matter)
    region.post(PO, f"/v1/proposals/{proposal}/withdrawal", {}, staff="s-1", role="principal")
    status = 200 if matter is Matter.ERASURE else 201
    assert region.post(PO, path, body, status, staff="s-2", role="principal")["proposal"] != proposal


def test_a_lapsed_proposal_and_another_schools_stand_in_nobodys_way(lite: Story) -> None:
    case = lite.case(bundle=False)
    proposal = _hold(case)
    path, body = _again(case, Matter.HOLD, proposal)
    lite.region.post(PO_TOO, path, body, 201, role="principal")
    assert _hold(case) != proposal, "of another hold"
    row, _ = listed(lite)
    end = due(Kept.PROPOSAL, Proposed.of(row["content"]).at)
    with later(seconds=(end - now()).total_seconds() + 1):
        lite.region.post(PO, path, body, 201, role="principal")


def test_a_sender_sees_what_of_a_transfer_waits_for_a_second_person(lite: Story) -> None:
    case = lite.case(invited=False, bundle=False)
    _hold(case)
    assert case.for_sender()["proposals"] == []
    made = [_emergency(case), _emergency(case)]
    assert case.for_sender()["proposals"] == made
    lite.region.confirm(PO, made[0])
    assert case.for_sender()["proposals"] == made[1:]
    [row] = [one for one in listed(lite) if one["proposal"] == made[1]]
    with later(seconds=(due(Kept.PROPOSAL, Proposed.of(row["content"]).at) - now()).total_seconds() + 1):
        assert case.for_sender()["proposals"] == []


@pytest.mark.parametrize("school", [PO_TOO, VO, OTHER])
def test_a8_another_school_neither_sees_nor_settles_it_of_the_same_board_either(case: Case, school: str) -> None:
    region, proposal = case.story.region, _hold(case)
    assert proposal not in {one["proposal"] for one in listed(case.story, school)}
    before = len(case.story.journal(Did.ATTEMPT))
    region.confirm(school, proposal, 404)
    region.post(school, f"/v1/proposals/{proposal}/withdrawal", {}, 404)
    foreign = expect(region.send(school, "GET", f"/v1/proposals?cursor={proposal}"), 404)
    assert foreign.get_data() == expect(region.send(school, "GET", f"/v1/proposals?cursor={'0' * 64}"), 404).get_data()
    assert len(case.story.journal(Did.ATTEMPT)) == before + 3  # a cursor that isn't there was settled meanwhile


@of_each
def test_what_waits_is_shown_word_for_word_under_its_id_and_logged_without_a_word(case: Case, matter: Matter) -> None:
    """K6, K11"""
    proposal = MATTERS[matter].propose(case)
    for staff, yours in (("s-1", True), ("S-1", True), ("s-2", False)):
        [row] = [one for one in listed(case.story, staff=staff) if one["proposal"] == proposal]
        shown = checked(row["content"], proposal)
        assert (shown.matter, shown.by, row["yours"]) == (matter, f"{PO}.s-1", yours)
    said = shown.said
    assert said.get("reason") == (None if matter in (Matter.PAPER, Matter.HOLD, Matter.COURT) else REASON)
    assert said.get("answers") == ({"okr": "yes"} if matter is Matter.PAPER else None)
    with reading(case.story.region.parts.main) as session:
        kept = session.get_one(Proposal, proposal)
        assert (kept.school, kept.pupil) == (PO, case.child.pupil)
        assert [word for word in (b"okr", b"uitgezocht", b"klacht", b"s-1") if word in kept.sealed] == []
    [entry] = [each for each in case.story.journal(STEPS[matter][0]) if each.terms.get("proposal") == proposal]
    assert (set(entry.boards), entry.told, entry.school) == ({"po-noord"}, {}, PO)
    assert entry.terms.get("transfer") == (None if matter is Matter.HOLD else case.transfer)
    assert canary.NOTE not in str(entry.terms)


def test_what_waits_comes_in_pages_oldest_first(lite: Story) -> None:
    case = lite.case(invited=False, bundle=False)
    made, parts = [_emergency(case)], lite.region.parts
    first = Proposed.of(listed(lite)[0]["content"])
    with writing(parts.main) as session:
        for place in range(1, PAGE + 2):
            other = replace(first, at=first.at + timedelta(microseconds=place))
            sealed = parts.keystore.seal("pupil", other.pupil, canon(other.content()), _aad(other.id))
            row = {"id": other.id, "school": PO, "transfer": other.transfer, "pupil": other.pupil, "sealed": sealed}
            session.add(Proposal(**row, created_at=other.at))
            made.append(other.id)
    page = expect(lite.region.send(PO, "GET", "/v1/proposals"), 200).get_json()
    rest = expect(lite.region.send(PO, "GET", f"/v1/proposals?cursor={page['next']}"), 200).get_json()
    assert [one["proposal"] for one in (*page["proposals"], *rest["proposals"])] == made
    assert (len(page["proposals"]), rest["next"]) == (PAGE, None)


def _aad(proposal: str) -> bytes:
    return b"overdracht/v1/proposal\0" + proposal.encode()


def test_k2_a_row_moved_to_another_school_is_that_schools_no_more_than_before(lite: Story) -> None:
    case = lite.case(bundle=False)
    proposal = _hold(case)
    with writing(lite.region.parts.main) as session:
        session.execute(update(Proposal).values(school=PO_TOO))
    lite.region.confirm(PO_TOO, proposal, 404)
    lite.region.confirm(PO, proposal, 404)


def test_k2_words_put_under_another_proposals_id_are_confirmed_by_nobody(lite: Story) -> None:
    case = lite.case(invited=False, bundle=False)
    proposal, other, parts = _emergency(case), _emergency(case), lite.region.parts
    with writing(parts.main) as session:
        sealed = session.scalars(select(Proposal.sealed).where(Proposal.id == other)).one()
        session.execute(update(Proposal).where(Proposal.id == proposal).values(sealed=sealed))
    assert lite.region.send(PO, "POST", f"/v1/proposals/{proposal}/confirm", {}, staff="s-2").status_code >= 400
    _seal_anew(parts.keystore, parts.main, case.child.pupil, proposal)
    assert lite.region.confirm(PO, proposal, 422)["code"] == "CRYPTO_REFUSED"
    assert done(case, Matter.EMERGENCY) == []


def _seal_anew(keystore: KeyStore, main: Any, pupil: str, proposal: str) -> None:
    """Put other words under an id, as only somebody with both databases could."""
    vector = Proposed.of(VECTORS["proposals"][0]["content"])
    forged = replace(vector, pupil=pupil, by=f"{PO}.s-1", salt=secrets.token_hex(16))
    sealed = keystore.seal("pupil", pupil, canon(forged.content()), _aad(proposal))
    with writing(main) as session:
        session.execute(update(Proposal).where(Proposal.id == proposal).values(sealed=sealed))


def test_j7_what_waits_about_a_pupil_goes_with_the_pupil(lite: Story) -> None:
    case = lite.case(bundle=False)
    proposal, parts = _hold(case), lite.region.parts
    with parts.journal.act(pupil=case.child.pupil) as act:
        erased = erasure.erase(parts, act, case.child.pupil, SERVICE, "a test")
    erasure.finish(parts, erased)
    assert lite.rows()["proposal"] == 0
    lite.region.confirm(PO, proposal, 404)


def test_what_waits_in_a_cancelled_transfer_can_not_be_confirmed(case: Case) -> None:
    paper, emergency, region = _paper(case), _emergency(case), case.story.region
    region.post(PO, f"{case.path}/cancel", {})
    for proposal in (paper, emergency):
        assert region.confirm(PO, proposal, 409)["code"] == "CANCELLED"


# ---- a restriction: who asked for it is told before it ends (AVG art. 18(3))


def test_who_asked_for_a_restriction_is_told_when_lifting_is_proposed_and_when_it_is_done(standing: Story) -> None:
    case = standing.agreed("okr")
    request = asks(case, "restriction", sections=["okr"])["request"]
    before = posted(standing)
    proposal = lifting(case, request)["proposal"]
    [told] = mails(standing, before)
    assert (told["to"], "weer gebruiken" in told["subject"]) == (f"{canary.MAIL}1@gezin.test", True)
    assert REASON not in told["body"]
    case.refused("RESTRICTED")
    [entry] = standing.journal(Did.LIFTING_PROPOSED)[-1:]
    assert (entry.terms["told"], entry.sections) == ([case.child.persons[0]], ("okr",))
    before = posted(standing)
    standing.region.confirm(PO, proposal)
    [told] = mails(standing, before)
    assert "niet meer stilgezet" in told["subject"]
    case.ask("okr")
    assert own(case)[0]["reason"] == REASON


def test_a_restriction_is_not_lifted_while_the_notice_hasn_t_left(lite: Story) -> None:
    case = lite.case(bundle=False)
    region, outbox = lite.region, lite.region.settings.outbox
    request = asks(case, "restriction")["request"]
    proposal, away = lifting(case, request)["proposal"], outbox.with_name("away")
    with reading(region.parts.main) as session:
        sent = session.get_one(Proposal, proposal).created_at
    keystore, person = region.parts.keystore, case.child.persons[0]
    with writing(region.parts.main) as session:  # as if the process had ended before it handed the notice over
        sealed = keystore.seal("contact", person, b"{}", b"overdracht/v1/message\0" + b"m" * 32)
        row = {"id": "m" * 32, "pupil": case.child.pupil, "owner_kind": "contact", "owner": person}
        session.add(Message(**row, sealed=sealed, created_at=sent))
    outbox.rename(away)
    outbox.write_text("a disk that isn't there")
    try:
        assert region.confirm(PO, proposal, 409)["code"] == "NOTICE_WAITING"
        with region.parts.journal.act(pupil=case.child.pupil) as act:
            assert waiting(act, case.child.pupil, sent)
            assert not waiting(act, case.child.pupil, sent - timedelta.resolution)
    finally:
        outbox.unlink()
        away.rename(outbox)
    assert done(case, Matter.RESTRICTION) == []
    region.confirm(PO, proposal)
    assert done(case, Matter.RESTRICTION) != []


def test_a_notice_that_nobody_can_open_any_more_keeps_the_restriction(
    lite: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = lite.case(bundle=False)
    proposal = _restriction(case)
    monkeypatch.setattr("handover.restrictions.waiting", lambda *_: True)
    assert lite.region.confirm(PO, proposal, 409)["code"] == "NOTICE_WAITING"
    assert done(case, Matter.RESTRICTION) == []


def test_where_who_asked_speaks_no_more_everybody_who_does_is_told(lite: Story) -> None:
    case = lite.case(bundle=False)
    request = asks(case, "restriction")["request"]
    evidence = {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"}
    kept = {"name": "Ouder 2", "mail": "ouder2@gezin.test", "role": "guardian", "person": case.child.persons[1]}
    path = f"/v1/pupils/{case.child.pupil}/custody"
    expect(lite.region.send(PO, "PUT", path, {"holders": [kept], "evidence": evidence}), 200)
    before = posted(lite)
    proposal = lifting(case, request)["proposal"]
    assert [mail["to"] for mail in mails(lite, before)] == ["ouder2@gezin.test"]
    lite.region.confirm(PO, proposal)


def test_a_restriction_is_not_lifted_where_nobody_can_be_told(lite: Story) -> None:
    case = lite.case(bundle=False)
    request = asks(case, "restriction")["request"]
    with writing(lite.region.parts.main) as session:
        session.execute(update(Person).values(sealed=None))
    assert lifting(case, request, 409)["code"] == "NOBODY_TOLD"
    assert lite.journal(Did.LIFTING_PROPOSED)[-1].outcome == "NOBODY_TOLD"


# ---- an erasure


def test_an_erasure_takes_the_whole_record_or_nothing(case: Case) -> None:
    request = asks(case, "erasure")["request"]
    body = {"ruling": "partly", "reason": REASON}
    refused = case.story.region.post(PO, f"/v1/requests/{request}/decision", body, 422, role="principal")
    assert (refused["code"], set(refused["fields"])) == ("NOT_IN_PARTS", {"/ruling"})
    assert own(case)[0]["state"] == "open"


def test_what_stops_an_erasure_after_it_was_proposed_stops_the_confirmation(case: Case) -> None:
    proposal = _erasure(case)
    asks(case, "restriction", 1)
    refused = case.story.region.confirm(PO, proposal, 409)
    assert (refused["code"], set(refused["fields"])) == ("ERASURE_STOPPED", {"/stops/restriction"})
    assert steps(case, Matter.ERASURE)[-1] == (Did.ERASURE_CONFIRMED, f"{PO}.s-2", "ERASURE_STOPPED")


def test_an_erasure_that_was_refused_meanwhile_is_not_granted(case: Case) -> None:
    request = asks(case, "erasure")["request"]
    region, path = case.story.region, f"/v1/requests/{request}/decision"
    granted = {"ruling": "granted", "reason": REASON}
    proposal = region.post(PO, path, granted, role="principal")["proposal"]
    region.post(PO, path, {"ruling": "refused", "reason": REASON}, role="principal")
    assert region.confirm(PO, proposal, 409)["code"] == "ALREADY_DECIDED"
    assert region.post(PO, path, granted, 409, role="principal")["code"] == "ALREADY_DECIDED"
    assert rulings.finish(region.parts) == 0


def test_the_others_are_told_that_the_record_goes_and_after_a_pupils_own_request_nobody_is(lite: Story) -> None:
    today = now().date()
    address = f"{canary.MAIL}-leerling@gezin.test"
    born = today.replace(year=today.year - 17, day=1)
    case = lite.case(bundle=False, pupil={"born": born, "holders": 1, "pupil_mail": address})
    before = posted(lite)
    lite.region.confirm(PO, _erasure(case, len(case.tokens) - 1))
    assert {mail["to"] for mail in mails(lite, before)} == {address}
    case = lite.case(bundle=False)
    proposal, before = _erasure(case), posted(lite)
    lite.region.confirm(PO, proposal)
    told = {mail["to"]: mail["subject"] for mail in mails(lite, before)}
    assert told == {
        f"{canary.MAIL}1@gezin.test": "De school heeft uw verzoek beantwoord",
        f"{canary.MAIL}2@gezin.test": "De school wist de gegevens van uw kind",
    }
