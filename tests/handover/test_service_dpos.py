"""The FG of a board: stated by the board's identity, and by nobody else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import jsonify

from consent.db import reading
from consent.fields import print_time
from crypto.keys import SignKey
from handover.accesslog import Did
from handover.api.door import examined, examiner
from handover.dpos import mails_of
from tests.handover.story import PO, Story, later
from tests.region import Region, expect, now

BOARD, OTHER_BOARD = "po-noord", "vo-zuid"


@pytest.fixture(scope="module")
def door(standing: Story) -> Story:
    """A service with one route for FGs alone."""

    @examined
    def who() -> Any:
        return jsonify(board=examiner().board, name=examiner().name)

    standing.region.app._got_first_request = False
    standing.region.app.add_url_rule("/v1/who", "who", who, methods=["POST"])
    return standing


def ask(story: Story, **options: Any) -> Any:
    return story.region.examine(BOARD, "POST", "/v1/who", {}, **options)


def test_an_fg_signs_with_the_key_that_the_board_stated(door: Story) -> None:
    door.region.dpo(BOARD)
    assert expect(ask(door), 200).get_json() == {"board": BOARD, "name": "fg-1"}
    assert door.journal(Did.DPO_STATED)[-1].terms["name"] == "fg-1"


def test_a_request_that_names_another_or_another_role_is_refused(door: Story) -> None:
    door.region.dpo(BOARD)
    assert expect(ask(door, name="fg-2"), 400).get_json()["code"] == "STAFF_REFUSED"


def test_a_schools_key_doesn_t_open_an_fgs_door(door: Story) -> None:
    """A8, A9"""
    answer = door.region.send(PO, "POST", "/v1/who", {}, role="principal", staff="fg-1")
    assert expect(answer, 401).get_json()["code"] == "SIGNATURE_REFUSED"


def test_an_fgs_key_doesn_t_open_a_schools_door(door: Story) -> None:
    """A8, A9"""
    door.region.dpo(BOARD)
    answer = door.region.examine(BOARD, "GET", "/v1/transfers?side=sender")
    assert expect(answer, 401).get_json()["code"] == "SIGNATURE_REFUSED"


def test_a_newer_statement_replaces_the_key_and_a_revoked_one_never_counts_again(door: Story) -> None:
    """A10"""
    first = door.region.dpo(BOARD, "fg-3")
    expect(ask(door, name="fg-3"), 200)
    second = door.region.dpo(BOARD, "fg-3")
    expect(ask(door, name="fg-3"), 200)
    door.region.dpos[BOARD] = first
    expect(ask(door, name="fg-3"), 401)
    door.region.dpo(BOARD, "fg-3", dpo_key=second, state="revoked")
    expect(ask(door, name="fg-3"), 401)
    door.region.dpo(BOARD, "fg-3", 409, dpo_key=second)


def test_a_key_stays_whose_it_is_whatever_another_board_states(standing: Story) -> None:
    """A8: else a board could shut another one's FG out, by stating that FG's public key as its own."""
    region = standing.region
    own = region.dpo(BOARD, "fg-4")
    theirs = region.dpo(OTHER_BOARD, "fg-4", dpo_key=own, status=409)
    assert theirs is own
    expect(region.examine(BOARD, "POST", "/v1/audit/search", {}, name="fg-4"), 200)
    with reading(region.parts.main) as session:
        assert mails_of(region.parts, session, BOARD)[f"{BOARD}/fg-4"] == f"fg-4@{BOARD}.test"
        assert f"{OTHER_BOARD}/fg-4" not in mails_of(region.parts, session, OTHER_BOARD)


def test_a_revoked_key_doesn_t_count_again_under_another_name(standing: Story) -> None:
    key = standing.region.dpo(BOARD, "fg-5")
    standing.region.dpo(BOARD, "fg-5", dpo_key=key, state="revoked")
    standing.region.dpo(BOARD, "fg-6", dpo_key=key, status=409)
    answer = standing.region.examine(BOARD, "POST", "/v1/audit/search", {}, name="fg-6")
    assert expect(answer, 401).get_json()["code"] == "SIGNATURE_REFUSED"


def test_an_older_statement_is_refused(door: Story) -> None:
    """C2"""
    door.region.dpo(BOARD, "fg-4")
    door.region.dpo(BOARD, "fg-4", 409, made_at=print_time(now() - timedelta(minutes=1)))


def test_a_key_counts_until_its_end(door: Story) -> None:
    """C5"""
    door.region.dpo(BOARD, "fg-5", valid_until=print_time(now() + timedelta(days=10)))
    with later(days=9):
        expect(ask(door, name="fg-5"), 200)
    with later(days=11):
        expect(ask(door, name="fg-5"), 401)


@pytest.mark.parametrize(
    "changed",
    [
        {"v": 2},
        {"board": OTHER_BOARD},
        {"name": "Jan Jansen"},
        {"mail": "geen adres"},
        {"public": "AA"},
        {"state": "perhaps"},
        {"valid_until": "2030-01-01"},
        {"extra": 1},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_statement_that_isn_t_of_its_form_is_refused(door: Story, changed: dict[str, Any]) -> None:
    before = door.rows()
    door.region.dpo(BOARD, "fg-6", 422, **changed)
    assert door.rows() == before


OTHERS: list[Callable[[Region], SignKey]] = [
    lambda region: region.boards[OTHER_BOARD].identity,
    lambda _: SignKey.generate("identity"),
]


@pytest.mark.parametrize("who", OTHERS, ids=["another board", "nobody"])
def test_only_the_boards_own_identity_names_its_fg(door: Story, who: Callable[[Region], SignKey]) -> None:
    """A11"""
    before = door.rows("data_key")
    door.region.dpo(BOARD, "fg-7", 422, by=who(door.region))
    assert door.rows("data_key") == before


def test_a_board_that_isn_t_here_has_no_fg(door: Story) -> None:
    """G1"""
    body = {"dpo": {}, "signature": "A" * 86}
    assert door.region.http.put("/v1/boards/nergens/dpos", json=body).status_code == 404


def test_the_address_for_reminders_stands_sealed(lite: Story) -> None:
    """K11"""
    lite.region.dpo(BOARD, "fg-1")
    lite.region.dpo(BOARD, "fg-2", mail=None)
    with reading(lite.region.parts.main) as session:
        assert mails_of(lite.region.parts, session, BOARD) == {f"{BOARD}/fg-1": f"fg-1@{BOARD}.test"}
        assert mails_of(lite.region.parts, session, OTHER_BOARD) == {}
