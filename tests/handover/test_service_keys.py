"""Boards, schools and the public key log, from the service's side (bad cases C1 to C7)."""

from dataclasses import replace
from typing import Any

import pytest

from crypto.encoding import b64, canon, parse
from crypto.keyfile import KeyFile
from crypto.keys import SignKey
from crypto.sign import sign
from crypto.statements import LIMIT, KeyStatement, parse_statement, print_certificate, print_statement
from handover.accesslog import Did
from tests.handover.story import OTHER, PO, VO, Story
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


def policy(board: str, signer: SignKey, **changed: Any) -> dict[str, Any]:
    chosen = {"kind": "wettelijk", "waiting_days": 14, "consent_level": 1, "explicit_level": 1} | changed
    statement = {"v": 1, "board": board, "policy": chosen, "made_at": now().strftime("%Y-%m-%dT%H:%M:%SZ")}
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


def test_without_a_policy_no_transfer_is_opened(lite: Story) -> None:
    """Nobody chooses by silence."""
    region = lite.region
    region.choose = lambda *_, **__: None  # type: ignore[method-assign,assignment,return-value]
    region.board("stil", "44DD00")
    child = region.pupil("44DD00")
    body = {"pupil": child.pupil, "receiver": PO, "route": "POPO", "purpose": "placement", "sections": ["okr"]}
    assert region.post("44DD00", "/v1/transfers", body, 409)["code"] == "POLICY_MISSING"
