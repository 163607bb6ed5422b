"""Key statements and their log: what follows, what is refused, and which key counts when (C1-C7)."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.checkpoint import Checkpoint
from crypto.encoding import b64, canon
from crypto.errors import CryptoError, KeyLogRefused, StatementRefused
from crypto.keylog import KeyLog
from crypto.keys import SealKey, SignKey
from crypto.merkle import leaf_hash
from crypto.statements import (
    BoardCertificate,
    KeyStatement,
    parse_statement,
    print_certificate,
    print_statement,
    verify_certificate,
    verify_statement,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "keylog.json").read_text())
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
YEAR = timedelta(days=365)


def seeded(number: int, kind: str = "sign") -> SignKey:
    return SignKey.from_seed(bytes([number]) * 32, kind)


ROOT = seeded(1, "root")
IDENTITY = seeded(2, "identity")
OTHER_IDENTITY = seeded(3, "identity")
SIGN = seeded(4)
SIGN2 = seeded(5)
SEAL = SealKey.from_seed(bytes([6]) * 32)
SEAL2 = SealKey.from_seed(bytes([7]) * 32)

_SCHOOLS = ("99AB00", "99AB01")
CERTIFICATE = BoardCertificate("board-a", "Stichting A", IDENTITY.public, _SCHOOLS, 1, NOW, NOW + 3 * YEAR, None)
CERTIFICATE_B = replace(CERTIFICATE, board="board-b", identity=OTHER_IDENTITY.public, schools=("99CD00",))
SIGN_STATEMENT = KeyStatement("99AB00", "sign", SIGN.public, 1, NOW, NOW + YEAR, None)
SEAL_STATEMENT = KeyStatement("99AB00", "seal", SEAL.public, 1, NOW, NOW + YEAR, None)

BOARD_LEAF = print_certificate(CERTIFICATE, ROOT)
BOARD_B_LEAF = print_certificate(CERTIFICATE_B, ROOT)
SIGN_LEAF = print_statement(SIGN_STATEMENT, IDENTITY, SIGN)
SEAL_LEAF = print_statement(SEAL_STATEMENT, IDENTITY, SIGN)
LEAVES = [BOARD_LEAF, SIGN_LEAF, SEAL_LEAF]


def after(leaf: bytes, statement: KeyStatement, **changes: object) -> KeyStatement:
    """Give the statement that follows on one, changed where said."""
    return replace(statement, epoch=statement.epoch + 1, previous=leaf_hash(leaf), **changes)  # type: ignore[arg-type]


@pytest.fixture
def log() -> KeyLog:
    return KeyLog(ROOT.public).extend(LEAVES)


def test_a_log_is_replayed_and_says_which_keys_are_current(log: KeyLog) -> None:
    assert log.size == 3
    assert log.current("99AB00", "sign", NOW) == SIGN_STATEMENT
    assert log.current("99AB00", "seal", NOW) == SEAL_STATEMENT
    assert log.certificate("99AB01", NOW) == CERTIFICATE
    assert [logged.index for logged in log.entries("99AB00")] == [1, 2]
    assert log.entries("99AB01") == []


def test_the_frozen_leaves_come_out_byte_for_byte_and_replay_to_the_frozen_root() -> None:
    assert [leaf.decode() for leaf in LEAVES] == VECTORS["leaves"]
    log = KeyLog(bytes.fromhex(VECTORS["root_key"])).extend(leaf.encode() for leaf in VECTORS["leaves"])
    assert log.root.hex() == VECTORS["root"]


@pytest.mark.parametrize("leaf", [*LEAVES, BOARD_B_LEAF])
def test_a_statement_prints_as_it_was_read(leaf: bytes) -> None:
    said = parse_statement(leaf).statement
    if isinstance(said, BoardCertificate):
        assert print_certificate(said, ROOT) == leaf
    else:
        assert print_statement(said, IDENTITY, SIGN) == leaf


@pytest.mark.parametrize("leaf", LEAVES[:2])
def test_a_statement_with_any_byte_changed_is_refused(leaf: bytes) -> None:
    before = KeyLog(ROOT.public).extend(LEAVES[: LEAVES.index(leaf)])
    for at in range(len(leaf)):
        spoilt = leaf[:at] + bytes([leaf[at] ^ 1]) + leaf[at + 1 :]
        with pytest.raises(CryptoError):
            before.extend([spoilt])


_JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
).map(lambda value: json.dumps(value).encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | _JSON)
def test_any_bytes_are_a_statement_or_are_refused_as_none(data: bytes) -> None:
    with pytest.raises(StatementRefused, match="not a statement"):
        parse_statement(data)


def _edited(leaf: bytes, **changes: object) -> bytes:
    value = json.loads(leaf)
    value["body"] |= changes
    return canon(value)


@pytest.mark.parametrize(
    ("leaf", "changes"),
    [
        (SIGN_LEAF, {"v": 2}),
        (SIGN_LEAF, {"v": True}),
        (SIGN_LEAF, {"type": "other"}),
        (SIGN_LEAF, {"kind": "other"}),
        (SIGN_LEAF, {"kind": ["seal"]}),
        (SIGN_LEAF, {"kind": "seal"}),
        (SIGN_LEAF, {"state": "other"}),
        (SIGN_LEAF, {"state": {}}),
        (SIGN_LEAF, {"epoch": 0}),
        (SIGN_LEAF, {"epoch": 2}),
        (SIGN_LEAF, {"epoch": 2**40}),
        (SIGN_LEAF, {"epoch": 1.5}),
        (SIGN_LEAF, {"school": "99ab00"}),
        (SIGN_LEAF, {"school": "99AB001"}),
        (SIGN_LEAF, {"school": None}),
        (SIGN_LEAF, {"public": b64(bytes(31))}),
        (SIGN_LEAF, {"public": b64(bytes(32))}),
        (SIGN_LEAF, {"valid_from": "2026-03-02 08:00:00Z"}),
        (SIGN_LEAF, {"valid_from": "2026-13-02T08:00:00Z"}),
        (SIGN_LEAF, {"valid_from": "2026-02-30T08:00:00Z"}),
        (SIGN_LEAF, {"valid_from": "2026-03-02T08:00:60Z"}),
        (SIGN_LEAF, {"valid_from": "2026-03-02T08:00:00+00:00"}),
        (SIGN_LEAF, {"valid_from": "0926-03-02T08:00:00Z"}),
        (SIGN_LEAF, {"valid_until": "2026-03-02T08:00:00Z"}),
        (SIGN_LEAF, {"previous": b64(bytes(32))}),
        (SIGN_LEAF, {"previous": b64(bytes(31)), "epoch": 2}),
        (SIGN_LEAF, {"extra": 1}),
        (BOARD_LEAF, {"schools": ["99AB01", "99AB00"]}),
        (BOARD_LEAF, {"schools": ["99AB00", "99AB00"]}),
        (BOARD_LEAF, {"schools": ["other"]}),
        (BOARD_LEAF, {"schools": "99AB00"}),
        (BOARD_LEAF, {"schools": None}),
        (BOARD_LEAF, {"board": "A"}),
        (BOARD_LEAF, {"name": ""}),
        (BOARD_LEAF, {"name": "a\nb"}),
        (BOARD_LEAF, {"identity": b64(bytes(32))}),
    ],
)
def test_a_statement_of_another_form_is_refused(leaf: bytes, changes: dict[str, object]) -> None:
    with pytest.raises(StatementRefused, match="not a statement"):
        parse_statement(_edited(leaf, **changes))


@pytest.mark.parametrize(
    "signatures", [{}, {"identity": "x"}, {"identity": b64(bytes(64))}, {"key": b64(bytes(64))}, []]
)
def test_a_statement_without_exactly_its_signatures_is_refused(signatures: object) -> None:
    """B7: a signature that is taken off, or one too many."""
    value = json.loads(SIGN_LEAF)
    value["signatures"] = signatures
    with pytest.raises(StatementRefused, match="not a statement"):
        parse_statement(canon(value))


def test_a_moment_without_a_zone_or_with_fractions_is_never_stated() -> None:
    for moment in (NOW.replace(tzinfo=None), NOW + timedelta(microseconds=1)):
        with pytest.raises(StatementRefused, match="whole seconds"):
            print_statement(replace(SIGN_STATEMENT, valid_from=moment), IDENTITY, SIGN)


def test_a_statement_that_no_reader_takes_is_never_printed() -> None:
    with pytest.raises(StatementRefused):
        print_statement(replace(SIGN_STATEMENT, epoch=2), IDENTITY, SIGN)
    with pytest.raises(StatementRefused):
        print_statement(SIGN_STATEMENT, IDENTITY, None)


@pytest.mark.parametrize(
    ("leaf", "who"),
    [
        (print_certificate(CERTIFICATE, SIGN), "register"),
        (print_statement(SIGN_STATEMENT, OTHER_IDENTITY, SIGN), "identity"),
        (print_statement(SIGN_STATEMENT, IDENTITY, SIGN2), "key"),
        (print_statement(SEAL_STATEMENT, IDENTITY, SIGN2), "key"),
    ],
)
def test_a_statement_signed_by_somebody_else_is_refused(leaf: bytes, who: str) -> None:
    """C1: the operator can't put a key of its own in a school's place."""
    before = KeyLog(ROOT.public)
    if who != "register":
        before = before.extend([BOARD_LEAF])
    if b'"seal"' in leaf:
        before = before.extend([SIGN_LEAF])
    with pytest.raises(StatementRefused, match=f"the signature of the {who} doesn't hold"):
        before.extend([leaf])


def test_a_seal_key_needs_the_schools_sign_key_before_it() -> None:
    with pytest.raises(StatementRefused, match="needs the school's sign key"):
        KeyLog(ROOT.public).extend([BOARD_LEAF, SEAL_LEAF])


def test_each_reader_takes_its_own_kind_of_statement() -> None:
    with pytest.raises(StatementRefused, match="not a board's certificate"):
        verify_certificate(parse_statement(SIGN_LEAF), ROOT.public)
    with pytest.raises(StatementRefused, match="not a key statement"):
        verify_statement(parse_statement(BOARD_LEAF), IDENTITY.public, None)


# What doesn't follow.


NEXT = after(SIGN_LEAF, SIGN_STATEMENT, public=SIGN2.public)
LATE = replace(NEXT, valid_from=NOW + 3 * YEAR, valid_until=NOW + 4 * YEAR)


def ended(statement: KeyStatement) -> bytes:
    return print_statement(statement, IDENTITY, None)


@pytest.mark.parametrize(
    ("leaf", "what"),
    [
        (SIGN_LEAF, "epoch 1 doesn't follow on 1"),
        (BOARD_LEAF, "epoch 1 doesn't follow on 1"),
        (print_statement(replace(NEXT, epoch=3), IDENTITY, SIGN2), "epoch 3 doesn't follow on 1"),
        (print_statement(replace(NEXT, previous=leaf_hash(SEAL_LEAF)), IDENTITY, SIGN2), "follows on another one"),
        (print_statement(replace(NEXT, public=SIGN.public), IDENTITY, SIGN), "the key was there before"),
        (ended(replace(NEXT, state="revoked")), "never there"),
        (ended(replace(NEXT, state="rotated")), "never there"),
        (print_statement(replace(SIGN_STATEMENT, school="99EF00"), IDENTITY, SIGN), "no board speaks for that school"),
        (print_statement(replace(SIGN_STATEMENT, school="99AB01"), IDENTITY, SIGN), "belongs to another school"),
        (print_statement(LATE, IDENTITY, SIGN2), "the board's identity has expired"),
        (print_certificate(replace(CERTIFICATE_B, schools=("99AB01",)), ROOT), "still certified for another board"),
        (print_certificate(replace(CERTIFICATE_B, identity=IDENTITY.public), ROOT), "belongs to another board"),
    ],
)
def test_an_entry_that_does_not_follow_is_refused_and_nothing_is_learned(log: KeyLog, leaf: bytes, what: str) -> None:
    """C2, C7: no older epoch, no epoch ahead, no key of somebody else's."""
    before = (log.size, log.root, dict(log.keys), dict(log.owners))
    with pytest.raises(KeyLogRefused, match=what):
        log.extend([leaf])
    assert (log.size, log.root, dict(log.keys), dict(log.owners)) == before


def test_a_checkpoint_must_be_reached_exactly(log: KeyLog) -> None:
    """C2, C3: rollback, hole, fork."""
    shorter = KeyLog(ROOT.public).extend(LEAVES[:2])
    for leaves, checkpoint, what in [
        ([], Checkpoint("x", 2, shorter.root), "rollback"),
        ([], Checkpoint("x", 4, log.root), "hole"),
        ([BOARD_B_LEAF], Checkpoint("x", 3, log.root), "hole"),
        ([], Checkpoint("x", 3, shorter.root), "fork"),
        ([BOARD_B_LEAF], Checkpoint("x", 4, log.root), "fork"),
    ]:
        with pytest.raises(KeyLogRefused, match=what):
            log.extend(leaves, checkpoint)
    longer = log.extend([BOARD_B_LEAF])
    assert log.extend([BOARD_B_LEAF], Checkpoint("x", 4, longer.root)) == longer
    assert log.extend([], Checkpoint("x", 3, log.root)) == log
    assert log.size == 3


# Which key counts.


def test_a_key_counts_from_its_first_moment_until_before_its_last(log: KeyLog) -> None:
    """C5: expired or not yet valid."""
    second = timedelta(seconds=1)
    assert log.current("99AB00", "sign", NOW + YEAR - second) == SIGN_STATEMENT
    for moment in (NOW - second, NOW + YEAR):
        with pytest.raises(KeyLogRefused, match="the key has expired, or is not valid yet"):
            log.current("99AB00", "sign", moment)


def test_a_key_does_not_outlive_its_boards_identity() -> None:
    statement = replace(SIGN_STATEMENT, valid_until=NOW + 9 * YEAR)
    log = KeyLog(ROOT.public).extend([BOARD_LEAF, print_statement(statement, IDENTITY, SIGN)])
    assert log.current("99AB00", "sign", NOW + 2 * YEAR) == statement
    with pytest.raises(KeyLogRefused, match="the board's identity has expired"):
        log.current("99AB00", "sign", NOW + 3 * YEAR)


def test_where_nothing_is_known_nothing_is_current(log: KeyLog) -> None:
    """C6: fail closed."""
    for school, kind in (("99AB01", "sign"), ("99AB00", "request"), ("99ZZ00", "seal")):
        with pytest.raises(KeyLogRefused, match="no key of that kind is current"):
            log.current(school, kind, NOW)  # type: ignore[arg-type]
    for size in (-1, 4):
        with pytest.raises(KeyLogRefused, match="wasn't replayed that far"):
            log.current("99AB00", "sign", NOW, size)


def test_a_new_key_takes_over_and_the_old_one_counts_for_what_came_before(log: KeyLog) -> None:
    """C4: the gate sees that the bundle's key is not the current one any more."""
    second = after(SIGN_LEAF, SIGN_STATEMENT, public=SIGN2.public)
    longer = log.extend([print_statement(second, IDENTITY, SIGN2)])
    assert longer.current("99AB00", "sign", NOW) == second
    assert longer.current("99AB00", "sign", NOW, size=3) == SIGN_STATEMENT
    with pytest.raises(KeyLogRefused, match="no key of that kind"):
        longer.current("99AB00", "sign", NOW, size=1)
    back = after(print_statement(second, IDENTITY, SIGN2), second, public=SIGN.public)
    with pytest.raises(KeyLogRefused, match="the key was there before"):
        longer.extend([print_statement(back, IDENTITY, SIGN)])


def test_a_key_that_was_rotated_out_counts_before_and_not_after(log: KeyLog) -> None:
    ended = after(SIGN_LEAF, SIGN_STATEMENT, state="rotated")
    longer = log.extend([print_statement(ended, IDENTITY, None)])
    with pytest.raises(KeyLogRefused, match="no key of that kind is current"):
        longer.current("99AB00", "sign", NOW)
    assert longer.current("99AB00", "sign", NOW, size=3) == SIGN_STATEMENT


def test_a_revoked_key_counts_neither_now_nor_for_what_it_signed_before(log: KeyLog) -> None:
    ended = after(SIGN_LEAF, SIGN_STATEMENT, state="revoked")
    leaf = print_statement(ended, IDENTITY, None)
    longer = log.extend([leaf])
    assert longer.revoked("99AB00", "sign") == {SIGN.kid}
    with pytest.raises(KeyLogRefused, match="no key of that kind is current"):
        longer.current("99AB00", "sign", NOW)
    with pytest.raises(KeyLogRefused, match="the key was revoked"):
        longer.current("99AB00", "sign", NOW, size=3)
    third = after(leaf, ended, public=SIGN2.public, state="current")
    assert longer.extend([print_statement(third, IDENTITY, SIGN2)]).current("99AB00", "sign", NOW) == third


def test_an_older_key_can_be_revoked_while_the_newest_stays(log: KeyLog) -> None:
    second = after(SIGN_LEAF, SIGN_STATEMENT, public=SIGN2.public)
    leaf = print_statement(second, IDENTITY, SIGN2)
    third = after(leaf, second, public=SIGN.public, state="revoked")
    longer = log.extend([leaf, print_statement(third, IDENTITY, None)])
    assert longer.current("99AB00", "sign", NOW) == second
    with pytest.raises(KeyLogRefused, match="the key was revoked"):
        longer.current("99AB00", "sign", NOW, size=3)
    rotated = replace(third, state="rotated", epoch=4, previous=leaf_hash(print_statement(third, IDENTITY, None)))
    with pytest.raises(KeyLogRefused, match="only the newest key can be rotated out"):
        longer.extend([print_statement(rotated, IDENTITY, None)])


def _next_certificate(**changes: object) -> bytes:
    following = replace(CERTIFICATE, epoch=2, previous=leaf_hash(BOARD_LEAF), **changes)  # type: ignore[arg-type]
    return print_certificate(following, ROOT)


def test_a_new_identity_speaks_for_the_board_and_the_old_one_no_more(log: KeyLog) -> None:
    identity = seeded(9, "identity")
    longer = log.extend([_next_certificate(identity=identity.public)])
    second = after(SIGN_LEAF, SIGN_STATEMENT, public=SIGN2.public)
    assert longer.extend([print_statement(second, identity, SIGN2)]).current("99AB00", "sign", NOW) == second
    with pytest.raises(StatementRefused, match="the signature of the identity doesn't hold"):
        longer.extend([print_statement(second, IDENTITY, SIGN2)])
    assert longer.current("99AB00", "sign", NOW) == SIGN_STATEMENT


@pytest.mark.parametrize("state", ["revoked", "rotated"])
def test_a_board_whose_identity_ended_has_no_current_keys(log: KeyLog, state: str) -> None:
    longer = log.extend([_next_certificate(state=state)])
    with pytest.raises(KeyLogRefused, match="the board's identity has ended"):
        longer.certificate("99AB00", NOW)
    if state == "revoked":
        for size in (None, 3):
            with pytest.raises(KeyLogRefused, match="the key was revoked"):
                longer.current("99AB00", "sign", NOW, size=size)
            with pytest.raises(KeyLogRefused, match="the board's identity has ended"):
                longer.certificate("99AB00", NOW, size=size)
    else:
        with pytest.raises(KeyLogRefused, match="the board's identity has ended"):
            longer.current("99AB00", "sign", NOW)
        assert longer.current("99AB00", "sign", NOW, size=3) == SIGN_STATEMENT


def _stolen_and_mended(log: KeyLog) -> tuple[KeyLog, KeyStatement, SignKey, bytes]:
    """Give the log of a board whose stolen identity put a thief's key in, was revoked, and has a successor."""
    thiefs = after(SIGN_LEAF, SIGN_STATEMENT, public=SIGN2.public)
    stolen = print_statement(thiefs, IDENTITY, SIGN2)
    ended = replace(CERTIFICATE, epoch=2, previous=leaf_hash(BOARD_LEAF), state="revoked")
    ended_leaf = print_certificate(ended, ROOT)
    fresh = seeded(9, "identity")
    again = replace(ended, epoch=3, previous=leaf_hash(ended_leaf), state="current", identity=fresh.public)
    return log.extend([stolen, ended_leaf, print_certificate(again, ROOT)]), thiefs, fresh, stolen


def test_what_a_revoked_identity_stated_stays_dead_under_its_boards_next_identity(log: KeyLog) -> None:
    longer, thiefs, fresh, stolen = _stolen_and_mended(log)
    assert longer.certificate("99AB00", NOW).identity == fresh.public
    for kind in ("sign", "seal"):
        for size in (None, 3, 4):
            with pytest.raises(KeyLogRefused):
                longer.current("99AB00", kind, NOW, size=size)  # type: ignore[arg-type]
    with pytest.raises(KeyLogRefused, match="the key was revoked"):
        longer.current("99AB00", "sign", NOW)
    assert {thiefs.kid, SIGN_STATEMENT.kid} <= longer.revoked("99AB00", "sign")
    theirs = seeded(10)
    mended = replace(thiefs, epoch=3, previous=leaf_hash(stolen), public=theirs.public)
    whole = longer.extend([print_statement(mended, fresh, theirs)])
    assert whole.current("99AB00", "sign", NOW) == mended


def test_a_revoked_identity_is_never_certified_again(log: KeyLog) -> None:
    longer, _, _, _ = _stolen_and_mended(log)
    newest = longer.boards["board-a"][-1]
    back = replace(newest.said, epoch=4, previous=newest.leaf_hash, identity=IDENTITY.public)
    with pytest.raises(KeyLogRefused, match="the identity was revoked"):
        longer.extend([print_certificate(back, ROOT)])


@pytest.mark.parametrize("state", ["revoked", "rotated"])
def test_only_an_identity_that_was_there_can_be_ended(log: KeyLog, state: str) -> None:
    with pytest.raises(KeyLogRefused, match="never there"):
        log.extend([_next_certificate(state=state, identity=seeded(9, "identity").public)])


def test_a_board_speaks_by_its_newest_certificate_between_its_moments(log: KeyLog) -> None:
    assert log.speaking("board-a", NOW) == CERTIFICATE
    for at in (NOW - timedelta(seconds=1), NOW + 3 * YEAR):
        with pytest.raises(KeyLogRefused, match="expired, or is not valid yet"):
            log.speaking("board-a", at)
    with pytest.raises(KeyLogRefused, match="no such board"):
        log.speaking("board-b", NOW)
    longer = log.extend([_next_certificate(schools=("99AB01",))])
    assert longer.speaking("board-a", NOW).schools == ("99AB01",)
    assert longer.speaking("board-a", NOW, size=1) == CERTIFICATE


def test_a_school_moves_to_another_board_once_the_first_let_it_go(log: KeyLog) -> None:
    moved = print_certificate(replace(CERTIFICATE_B, schools=("99AB00", "99CD00")), ROOT)
    longer = log.extend([_next_certificate(schools=("99AB01",)), moved])
    assert longer.certificate("99AB00", NOW).board == "board-b"
    with pytest.raises(KeyLogRefused, match="no board speaks for that school"):
        longer.certificate("99ZZ00", NOW)


def test_a_school_of_a_board_that_ended_may_go_to_another(log: KeyLog) -> None:
    moved = print_certificate(replace(CERTIFICATE_B, schools=("99AB00",)), ROOT)
    longer = log.extend([_next_certificate(state="revoked"), moved])
    assert longer.certificate("99AB00", NOW).board == "board-b"
    with pytest.raises(KeyLogRefused, match="the board's identity has ended"):
        longer.certificate("99AB01", NOW)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(4)))
def test_only_the_order_in_which_statements_follow_is_taken(order: list[int]) -> None:
    leaves = [BOARD_LEAF, SIGN_LEAF, print_statement(NEXT, IDENTITY, SIGN2), BOARD_B_LEAF]
    if order.index(0) < order.index(1) < order.index(2):
        assert KeyLog(ROOT.public).extend(leaves[at] for at in order).current("99AB00", "sign", NOW) == NEXT
    else:
        with pytest.raises(CryptoError):
            KeyLog(ROOT.public).extend(leaves[at] for at in order)
