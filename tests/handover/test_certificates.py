"""Certificates of destruction: what they show, offline, and that everything else is refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from consent import inventory
from consent.db import reading
from consent.tables import JournalLookup
from crypto.checkpoint import print_checkpoint, print_verifier
from crypto.encoding import Printable, canon, parse
from crypto.keyfile import PublicIdentity, print_identity_public
from crypto.keys import SignKey
from crypto.merkle import inclusion
from crypto.sign import label
from handover.accesslog import SERVICE, Did, record
from handover.certificates import (
    DESTROYED,
    ENDED,
    ERASED,
    LIMIT,
    SHREDDED,
    STAFF_ERASED,
    TURNED,
    Certificate,
    CertificateRefused,
    Entry,
    print_certificate,
    verify_certificate,
    words,
)
from handover.cli.admin import admin
from handover.cli.certificate import certificate as command
from handover.epochs import certify, end, note_ended, turn
from handover.retention import Kept, due
from handover.trust import Trust
from tests.handover.logs import KEY, ORIGIN, LogOf
from tests.handover.story import PO, Story, later
from tests.handover.test_erasure import erased_by_right
from tests.handover.test_sweep import acknowledged, at, cancelled, swept_at
from tests.region import now

VECTOR = Path(__file__).parents[1] / "vectors" / "certificate.json"
TRUST = Trust(SignKey.from_seed(bytes(32), "root").public, {ORIGIN: KEY.public})
AT = "2026-11-22T09:00:00.000000+00:00"


@dataclass
class Made:
    """A log of six entries, and the certificate that it gives; every attribute may be bent before it is printed."""

    types: tuple[int, ...] = (SHREDDED, ERASED, STAFF_ERASED, DESTROYED, TURNED, ENDED)
    turned: dict[str, Any] = field(default_factory=lambda: {"epoch": 3, "upto": 4})
    ended: dict[str, Any] = field(default_factory=lambda: {"epoch": 3})
    key: SignKey = KEY
    at: str = AT
    origin: str = ORIGIN
    change: Callable[[Certificate], Certificate] = lambda said: said

    def terms(self, number: int, said: dict[str, Any]) -> bytes:
        return bytes([number]) * 32 + canon({"at": self.at, "book": "access", "terms": said})

    def print(self) -> bytes:
        both = self.terms(1, self.turned), self.terms(2, self.ended)
        held = [bytes(32)] * 4 + [sha256(label("terms") + each).digest() for each in both]
        leaves = [
            bytes((1, type_)) + bytes([number]) * 64 + terms
            for number, (type_, terms) in enumerate(zip(self.types, held, strict=True))
        ]
        log = LogOf(leaves, key=self.key, origin=self.origin)
        nodes = log.nodes()
        proofs = {at: inclusion(at, 6, lambda level, here: nodes[level, here]) for at in range(6)}
        what = [
            ("delivered_bundle", "30 days"),
            ("released_pupil", "5 years"),
            ("staff_record", "5 years"),
            (None, None),
        ]
        said = Certificate(
            origin=ORIGIN,
            board="stad",
            epoch=3,
            first=0,
            upto=4,
            made_at=AT,
            turned=Entry(4, leaves[4], AT),
            ended=Entry(5, leaves[5], AT),
            destroyed=tuple(Entry(at, leaves[at], AT if at else None, *(*what, (None, None))[at]) for at in range(4)),
        )
        note = print_checkpoint(log.head(), self.key)
        return print_certificate(self.change(said), proofs, note, both, self.key)


def test_the_certificate_of_the_vector_is_printed_read_and_said_in_these_words() -> None:
    frozen = json.loads(VECTOR.read_text())
    assert Made().print().decode() == frozen["certificate"]
    said, checkpoint = verify_certificate(frozen["certificate"].encode(), TRUST)
    assert (said.board, said.epoch, said.first, said.upto, checkpoint.size) == ("stad", 3, 0, 4, 6)
    assert list(words(said, checkpoint)) == frozen["words"]
    assert print_verifier(ORIGIN, KEY.public) == frozen["verifier"]


def test_every_byte_that_is_changed_taken_out_or_put_in_is_refused() -> None:
    data = Made().print()
    for place in range(len(data)):
        cut = data[:place] + data[place + 1 :], data[:place] + b"0" + data[place:]
        for bad in (data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :], *(cut if place % 7 == 0 else ())):
            with pytest.raises(CertificateRefused, match="not a certificate of this log: "):
                verify_certificate(bad, TRUST)


BENT: dict[str, Made] = {
    "an entry of a type that destroys nothing": Made(types=(0x27, ERASED, STAFF_ERASED, DESTROYED, TURNED, ENDED)),
    "no turn of an epoch": Made(types=(SHREDDED, ERASED, STAFF_ERASED, DESTROYED, ENDED, ENDED)),
    "no end of an epoch": Made(types=(SHREDDED, ERASED, STAFF_ERASED, DESTROYED, TURNED, TURNED)),
    "the turn of another epoch": Made(turned={"epoch": 2, "upto": 4}),
    "a turn that covers less": Made(turned={"epoch": 3, "upto": 3}),
    "the end of another epoch": Made(ended={"epoch": 4}),
    "an end at another time": Made(at="2026-11-22T09:00:00.000001+00:00"),
    "another log": Made(origin="other.example/journal"),
    "another key": Made(key=SignKey.from_seed(bytes(32), "journal")),
    "another origin in it": Made(change=lambda said: replace(said, origin="other.example/journal")),
    "entries above what was turned": Made(change=lambda said: replace(said, upto=3)),
    "entries below where it begins": Made(change=lambda said: replace(said, first=1)),
    "entries out of order": Made(change=lambda said: replace(said, destroyed=said.destroyed[::-1])),
    "an entry twice": Made(change=lambda said: replace(said, destroyed=(said.destroyed[0], *said.destroyed))),
    "a key that ended before its epoch": Made(
        change=lambda said: replace(said, turned=said.ended, ended=said.turned), types=(SHREDDED,) * 4 + (ENDED, TURNED)
    ),
    "epoch nought": Made(change=lambda said: replace(said, epoch=0)),
    "a board of another form": Made(change=lambda said: replace(said, board="Stad\n")),
    "a time of another form": Made(change=lambda said: replace(said, made_at="today")),
    "a kind of another form": Made(
        change=lambda said: replace(said, destroyed=(replace(said.destroyed[0], what="\x1b[2J"),))
    ),
}


@pytest.mark.parametrize("why", BENT)
def test_a_certificate_that_its_own_log_signed_is_refused_where_it_contradicts_the_journal(why: str) -> None:
    with pytest.raises(CertificateRefused):
        verify_certificate(BENT[why].print(), TRUST)


def test_proofs_must_be_of_these_entries_under_one_checkpoint() -> None:
    value: Any = parse(Made().print(), limit=LIMIT)
    grown = LogOf.counting(9)
    other = print_checkpoint(grown.head(), KEY).decode()
    for proofs in (
        value["proofs"][:-1],
        value["proofs"][:1],
        value["proofs"] + value["proofs"][-1:],
        "proofs",
        [value["proofs"][1], value["proofs"][0], *value["proofs"][2:]],
        [value["proofs"][0].partition("\n\n")[0] + "\n\n" + other, *value["proofs"][1:]],
        [value["proofs"][0].replace("index 4", "index 5"), *value["proofs"][1:]],
    ):
        changed: Printable = {**value, "proofs": proofs}
        with pytest.raises(CertificateRefused):
            verify_certificate(canon(changed), TRUST)


@pytest.mark.parametrize(
    "terms", [[], ["00" * 32], ["00" * 32, "{}"], [1, 2], ["zz" * 32, "{}"], ["00" * 32, "[]"], {"ended": []}]
)
def test_terms_that_the_leaf_doesnt_hold_are_refused(terms: Any) -> None:
    value: Any = parse(Made().print(), limit=LIMIT)
    for name in ("turned", "ended"):
        changed: Printable = {**value, "terms": {**value["terms"], name: terms}}
        with pytest.raises(CertificateRefused):
            verify_certificate(canon(changed), TRUST)


# ---- as the service gives it


def trusted(story: Story) -> Trust:
    parts = story.region.parts
    return Trust(story.region.root.public, {parts.journal.origin: parts.log_key.public})


def test_a_certificate_lists_what_of_a_boards_went_in_the_epoch_and_why(story: Story) -> None:
    """J5: delivered bundle, cancelled transfer, erased pupils, and after the epoch's end its key is gone."""
    one, received_at = acknowledged(story)
    two, three = story.case(bundle=False), story.case(bundle=False)
    story.region.post(PO, f"{two.path}/cancel", {})
    parts = story.region.parts
    erased_by_right(story, three)
    moment = due(Kept.DELIVERED_BUNDLE, received_at) + timedelta(days=1)
    assert swept_at(parts, moment).done["epochs"] == 1
    with pytest.raises(CertificateRefused, match="isn't destroyed"):
        certify(parts, 1, "po-noord")
    with at(moment + timedelta(hours=1)):
        assert end(parts, parts.clock()) == (1,)
        data = certify(parts, 1, "po-noord")
        assert verify_certificate(certify(parts, 1, "vo-oost"), trusted(story))[0].destroyed == ()
    said, checkpoint = verify_certificate(data, trusted(story))
    assert [(each.what, each.term, each.at is None) for each in said.destroyed] == [
        ("pupil", "AVG art. 17(1)(b)", False),
        ("delivered_bundle", "30 days", False),
        ("cancelled_transfer", "30 days", False),
    ]
    assert (said.board, said.epoch, said.first) == ("po-noord", 1, 0)
    assert checkpoint.size == story.size()
    assert [state.destroyed for state in inventory.epochs(parts.keystore)] == [True, False]
    assert [entry.terms for entry in entries(story, Did.EPOCH_ENDED)] == [{"epoch": 1}]
    assert one.child.pupil.encode() not in data


def entries(story: Story, did: Did) -> list[Any]:
    parts = story.region.parts
    with reading(parts.main) as session:
        wanted = select(JournalLookup.index).where(JournalLookup.type == int(did)).order_by(JournalLookup.index)
        return [parts.journal.read(session, index) for index in session.scalars(wanted)]


def test_each_destruction_stands_in_one_epochs_certificate_and_says_when_its_words_were_erased(lite: Story) -> None:
    case, received_at = acknowledged(lite)
    parts, start = lite.region.parts, now()
    moment = due(Kept.DELIVERED_BUNDLE, received_at)
    swept_at(parts, moment)
    with at(moment + timedelta(hours=2)):
        erased_by_right(lite, case)
    with at(moment + timedelta(days=1)):
        assert turn(parts) == 1
        assert turn(parts) == 0
        assert end(parts, parts.clock() + timedelta(seconds=1)) == (1, 2)
        first, second = (verify_certificate(certify(parts, n, "po-noord"), trusted(lite))[0] for n in (1, 2))
    assert (first.upto, second.first) == (second.first, first.upto)
    assert [(each.what, each.at) for each in first.destroyed] == [(None, None)]
    assert [each.what for each in second.destroyed] == ["pupil"]
    assert start < moment


@pytest.mark.parametrize("reason", ["withdrawn", "superseded"])
def test_what_went_outside_the_table_is_named_too(lite: Story, reason: str) -> None:
    case = lite.agreed("okr")
    if reason == "withdrawn":
        case.family("withdrawal", sections=["okr"], destroy_now=True)
    else:
        case.send()
    parts = lite.region.parts
    turn(parts)
    with later(hours=1):
        end(parts, parts.clock())
        said, checkpoint = verify_certificate(certify(parts, 1, "po-noord"), trusted(lite))
    assert [(each.what, each.term) for each in said.destroyed] == [(reason, None)]
    assert any("entry" in line and reason in line for line in words(said, checkpoint))


def test_an_end_that_a_crash_left_unsaid_is_said_once(lite: Story) -> None:
    """J3, K6."""
    parts = lite.region.parts
    turn(parts)
    with later(hours=1):
        parts.keystore.confirm_backup(parts.clock())
    assert note_ended(parts) == 1
    assert note_ended(parts) == 0
    assert [entry.terms for entry in entries(lite, Did.EPOCH_ENDED)] == [{"epoch": 1}]


def test_no_certificate_is_given_before_the_end_of_an_epoch_nor_of_one_whose_turn_was_lost(lite: Story) -> None:
    parts = lite.region.parts
    with pytest.raises(CertificateRefused, match="key of epoch 1 isn't destroyed: `handover admin sweep` ends"):
        certify(parts, 1, "po-noord")
    parts.keystore.rotate()  # as a restore does that puts the key store back, and not the entry
    turn(parts)
    with later(hours=1):
        assert end(parts, parts.clock()) == (1,)
    with pytest.raises(CertificateRefused, match="how far epoch 1 went was lost: of this epoch there is no"):
        certify(parts, 1, "po-noord")


def test_a_turn_that_a_crash_left_half_done_is_finished_and_said_once(lite: Story) -> None:
    """J3: said but not turned; turned but not wrapped again."""
    parts = lite.region.parts
    with parts.journal.act() as act:
        terms: Any = {"epoch": 1, "upto": 5}
        record(act, Did.EPOCH_TURNED, SERVICE, outcome="granted", terms=terms, boards=[])
    assert turn(parts) == 1
    assert [entry.terms for entry in entries(lite, Did.EPOCH_TURNED)] == [{"epoch": 1, "upto": 5}]
    parts.keystore.rotate()
    assert turn(parts) == 0
    states = inventory.epochs(parts.keystore)
    assert [(state.number, state.emptied_at is not None, state.current) for state in states] == [
        (1, True, False),
        (2, True, False),
        (3, False, True),
    ]


def test_the_commands_write_a_certificate_and_verify_it_without_a_service(
    lite: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled(lite)
    parts, file, trust = lite.region.parts, tmp_path / "c.json", tmp_path / "trust"
    swept_at(parts, now() + timedelta(days=60))
    with later(days=61):
        end(parts, parts.clock())
    monkeypatch.setattr("handover.settings.load", lambda: lite.region.settings)
    run = CliRunner().invoke(admin, ["certificate", "--epoch", "1", "--board", "po-noord", "--out", str(file)])
    assert (run.exit_code, run.output) == (0, f"certificate of epoch 1 in {file}\n")
    root = print_identity_public(PublicIdentity("root", lite.region.root.public)).decode().strip()
    trust.write_text(f"{root}\n{print_verifier(parts.journal.origin, parts.log_key.public)}\n")
    monkeypatch.setattr("handover.settings.load", None)
    shown = CliRunner().invoke(command, [str(file), "--trust", str(trust)])
    assert shown.exit_code == 0, shown.output
    assert "een geannuleerde overdracht" in shown.output
    assert "cancelled transfer (term: 30 days)" in shown.output
    told = json.loads(CliRunner().invoke(command, [str(file), "--trust", str(trust), "--json"]).output)
    assert (told["epoch"], told["board"], [each["what"] for each in told["destroyed"]]) == (
        1,
        "po-noord",
        ["expired_bundle", "cancelled_transfer"],
    )
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b"cancelled", b"delivered"))
    assert isinstance(CliRunner().invoke(command, [str(file), "--trust", str(trust)]).exception, CertificateRefused)
