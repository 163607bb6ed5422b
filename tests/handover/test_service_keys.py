"""Boards, schools and the public key log, from the service's side (bad cases C1 to C7)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from consent.db import writing
from consent.fields import print_time
from crypto.encoding import b64, canon, parse
from crypto.keyfile import KeyFile
from crypto.keys import SignKey
from crypto.sign import sign
from crypto.statements import LIMIT, KeyStatement, parse_statement, print_certificate, print_statement
from handover.accesslog import Did
from handover.register import Register, RegisterRefused
from handover.schools import check_keylog
from handover.tables import KeyLogEntry
from tests.handover.story import OTHER, PO, PO_TOO, VO, Story
from tests.region import School, expect, now


def publish(story: Story, school: str, *leaves: bytes, status: int) -> dict[str, Any]:
    body = {"statements": [parse(leaf, limit=LIMIT) for leaf in leaves]}
    answer: dict[str, Any] = expect(story.region.http.post(f"/v1/schools/{school}/keys", json=body), status).get_json()
    return answer


def test_a_key_that_the_schools_own_board_did_not_state_is_refused(lite: Story) -> None:
    """C1, A11: another certified board, or nobody's identity, swaps a receiver's key."""
    victim = lite.region.schools[VO]
    size = lite.region.http.get("/v1/keylog").get_json()["size"]
    for identity in (lite.region.boards["vo-oost"].identity, SignKey.generate("identity")):
        forger = replace(victim.board, identity=identity)
        forged = School(VO, forger, KeyFile.generate(VO), {kind: list(old) for kind, old in victim.leaves.items()})
        publish(lite, VO, forged.state("seal"), status=422)
    assert lite.region.http.get("/v1/keylog").get_json()["size"] == size
    shown = lite.region.http.get(f"/v1/schools/{VO}").get_json()
    assert b64(victim.keys.seal.public) in str(shown)


@pytest.mark.parametrize("epoch", [3, 1_000_000])
def test_an_epoch_goes_up_by_one(lite: Story, epoch: int) -> None:
    """C7: nobody fast-forwards a school's keys."""
    school = lite.region.schools[VO]
    said = parse_statement(school.state("seal")).statement
    assert isinstance(said, KeyStatement)
    ahead = print_statement(replace(said, epoch=epoch), school.board.identity, school.keys.sign)
    publish(lite, VO, ahead, status=422)


def test_an_epoch_does_not_come_back(lite: Story) -> None:
    """C2: a second word on the same epoch is refused, also by the right board."""
    school = lite.region.schools[VO]
    first = list(school.leaves["seal"])
    publish(lite, VO, school.state("seal", keys=replace(school.keys, seal=KeyFile.generate(VO).seal)), status=201)
    school.leaves["seal"] = first
    publish(lite, VO, school.state("seal", keys=replace(school.keys, seal=KeyFile.generate(VO).seal)), status=422)


def test_a_statement_goes_to_its_own_school(lite: Story) -> None:
    """A11"""
    leaf = lite.region.schools[VO].state("seal")
    refused = publish(lite, OTHER, leaf, status=422)
    assert (refused["code"], list(refused["fields"])) == ("STATEMENT_REFUSED", ["/statements/0"])


def test_a_statement_that_is_there_already_changes_nothing(lite: Story) -> None:
    before = lite.size()
    leaf = lite.region.schools[VO].leaves["seal"][0]
    again = publish(lite, VO, leaf, status=201)
    assert again["keylog"]["size"] == lite.region.http.get("/v1/keylog").get_json()["size"]
    assert lite.size() == before


def test_a_certificate_that_the_root_did_not_sign_is_refused(lite: Story) -> None:
    """C1"""
    said = parse_statement(lite.region.boards["vo-zuid"].certificates[0]).statement
    forged = print_certificate(replace(said, board="vals", schools=("44DD00",)), SignKey.generate("root"))  # type: ignore[type-var]
    answer = lite.region.http.post("/v1/boards", json={"certificate": parse(forged, limit=LIMIT)})
    assert expect(answer, 422).get_json()["code"] == "CRYPTO_REFUSED"
    expect(lite.region.http.get("/v1/schools/44DD00"), 404)


def test_a_school_without_all_three_keys_is_not_there(lite: Story) -> None:
    """C5, C6"""
    expect(lite.region.http.get(f"/v1/schools/{VO}"), 200)
    lite.region.publish(VO, "sign", state="revoked")
    expect(lite.region.http.get(f"/v1/schools/{VO}"), 404)


def test_a_key_log_is_read_in_pages_and_stands_under_its_checkpoint(lite: Story) -> None:
    whole = lite.region.http.get("/v1/keylog").get_json()
    assert len(whole["entries"]) == whole["size"] == 15
    tail = lite.region.http.get("/v1/keylog?start=14").get_json()
    assert (tail["entries"], tail["size"]) == (whole["entries"][14:], 15)
    assert lite.region.http.get("/v1/keylog?start=15").get_json()["entries"] == []
    note = lite.region.http.get("/v1/keylog/checkpoint").get_data(as_text=True)
    assert note.splitlines()[:2] == ["overdracht.test/keys", "15"]
    assert len(lite.journal(Did.BOARD_JOINED)) == 3
    assert len(lite.journal(Did.KEYS_PUBLISHED)) == 4


def policy(board: str, signer: SignKey, made_at: str | None = None, **changed: Any) -> dict[str, Any]:
    chosen = {"kind": "wettelijk", "waiting_days": 14, "consent_level": 1, "explicit_level": 1} | changed
    statement = {"v": 1, "board": board, "policy": chosen, "made_at": made_at or print_time(now())}
    return {"policy": statement, "signature": b64(sign(signer, "policy", canon(statement)))}


def test_a_policy_is_chosen_by_its_own_board(lite: Story) -> None:
    """A11"""
    region, before = lite.region, lite.size()
    own, other = region.boards["po-noord"].identity, region.boards["vo-zuid"].identity
    put = region.http.put
    expect(put("/v1/boards/po-noord/policy", json=policy("po-noord", other)), 422)
    expect(put("/v1/boards/po-noord/policy", json=policy("vo-zuid", other)), 422)
    expect(put("/v1/boards/niemand/policy", json=policy("niemand", other)), 404)
    swapped = policy("po-noord", own) | {"policy": policy("po-noord", own, waiting_days=1)["policy"]}
    expect(put("/v1/boards/po-noord/policy", json=swapped), 422)
    assert lite.size() == before
    said = policy("po-noord", own)
    first = expect(put("/v1/boards/po-noord/policy", json=said), 200).get_json()
    assert first == {"board": "po-noord", "policy": "wettelijk", "index": before}
    assert expect(put("/v1/boards/po-noord/policy", json=said), 200).get_json() == first


def test_an_older_policy_that_somebody_sends_again_is_refused(lite: Story) -> None:
    """A11: whoever saw a board's statement can send it, but a board's last word counts."""
    region = lite.region
    own = region.boards["po-noord"].identity
    lawful, consent = policy("po-noord", own), policy("po-noord", own, kind="toestemming", waiting_days=9)
    expect(region.http.put("/v1/boards/po-noord/policy", json=lawful), 200)
    expect(region.http.put("/v1/boards/po-noord/policy", json=consent), 200)
    size = lite.size()
    assert expect(region.http.put("/v1/boards/po-noord/policy", json=lawful), 409).get_json()["code"] == "STATEMENT_OLD"
    ahead = policy("po-noord", own, made_at=print_time(now() + timedelta(minutes=6)))
    assert expect(region.http.put("/v1/boards/po-noord/policy", json=ahead), 422).get_json()["code"] == "POLICY_REFUSED"
    assert lite.size() == size


def test_a_board_whose_identity_was_revoked_can_do_nothing_more(lite: Story) -> None:
    """C6, A11: its requests, its files, its policy and its FG end with it, until the register certifies it anew."""
    region, case = lite.region, lite.agreed()
    stolen = region.boards["po-noord"].identity
    region.dpo("po-noord")
    search = "/v1/audit/search"
    expect(region.examine("po-noord", "POST", search, {}), 200)
    region.certify("po-noord", state="revoked")
    expect(region.send(PO, "GET", case.path), 401)
    expect(region.examine("po-noord", "POST", search, {}), 401)
    refused = region.http.put("/v1/boards/po-noord/policy", json=policy("po-noord", stolen))
    assert expect(refused, 409).get_json()["code"] == "BOARD_ENDED"
    region.dpo("po-noord", "fg-2", status=409)
    case.refused("KEY_REVOKED")

    region.certify("po-noord", state="current", identity=SignKey.generate("identity"))
    expect(region.http.put("/v1/boards/po-noord/policy", json=policy("po-noord", stolen)), 422)
    expect(region.send(PO, "GET", case.path), 401)
    expect(region.examine("po-noord", "POST", search, {}), 401)
    case.refused("KEY_REVOKED")
    school = region.schools[PO]
    school.keys = KeyFile.generate(PO)
    region.publish(PO, "sign", "seal", "request")
    expect(region.send(PO, "GET", case.path), 200)
    case.send()
    case.ask("okr")


def test_a_receiver_whose_board_ended_gets_nothing(lite: Story) -> None:
    """C6"""
    case = lite.agreed()
    lite.region.certify("vo-zuid", state="rotated")
    expect(case.story.region.release(VO, case.transfer, "okr"), 401)
    assert lite.journal(Did.RELEASE) == []


def test_a_school_that_its_board_let_go_signs_nothing(lite: Story) -> None:
    """C1"""
    expect(lite.region.send(PO_TOO, "GET", "/v1/transfers?side=sender"), 200)
    lite.region.certify("po-noord", schools=(PO,))
    expect(lite.region.send(PO_TOO, "GET", "/v1/transfers?side=sender"), 401)
    expect(lite.region.send(PO, "GET", "/v1/transfers?side=sender"), 200)


def test_what_nobody_signed_is_refused_without_waiting_for_a_school(lite: Story) -> None:
    """K9: strangers may send statements; they can't hold up a school that is at work."""
    school = lite.region.schools[VO]
    forger = replace(school.board, identity=SignKey.generate("identity"))
    forged = School(VO, forger, KeyFile.generate(VO), {kind: list(old) for kind, old in school.leaves.items()})
    with lite.region.parts.journal.act(schools_exclusive=[VO]) as act:
        publish(lite, VO, forged.state("seal"), status=422)
        assert act.session.is_active


def test_a_key_that_stands_in_the_database_unsigned_is_nobodys(lite: Story) -> None:
    """C1, J8: a row that somebody wrote is no statement; the service stops rather than believe it."""
    case = lite.agreed()
    identity = SignKey.generate("identity")
    forged = School(VO, replace(lite.region.schools[VO].board, identity=identity), KeyFile.generate(VO))
    with writing(lite.region.parts.main) as session:
        last = session.scalars(select(KeyLogEntry).order_by(KeyLogEntry.index.desc())).first()
        assert last is not None
        session.add(KeyLogEntry(index=15, leaf=forged.state("request"), root=last.root, checkpoint=last.checkpoint))
    assert case.ask("okr", status=503).get_json()["code"] == "NOT_SAFE"
    with pytest.raises(RegisterRefused):
        check_keylog(lite.region.parts)


def test_a_key_log_that_was_cut_is_missed_at_the_start(lite: Story) -> None:
    """J8: a revocation that somebody takes out of the database comes back to nobody's mind but the journal's."""
    lite.region.publish(VO, "sign", state="revoked")
    with writing(lite.region.parts.main) as session:
        session.execute(delete(KeyLogEntry).where(KeyLogEntry.index == 15))
    fresh = replace(lite.region.parts, register=Register(lite.region.settings.root))
    with pytest.raises(RegisterRefused, match="isn't the one that entry"):
        check_keylog(fresh)


def test_without_a_policy_no_transfer_is_opened(lite: Story) -> None:
    """Nobody chooses by silence."""
    region = lite.region
    region.choose = lambda *_, **__: None  # type: ignore[method-assign,assignment,return-value]
    region.board("stil", "44DD00")
    child = region.pupil("44DD00")
    body = {"pupil": child.pupil, "receiver": PO, "route": "POPO", "purpose": "placement", "sections": ["okr"]}
    assert region.post("44DD00", "/v1/transfers", body, 409)["code"] == "POLICY_MISSING"
