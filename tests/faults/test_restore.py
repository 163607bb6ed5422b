"""Disasters: what was acknowledged after the last backup is there after a restore, and what was destroyed stays so."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from consent.db import reading, truncate, writing
from consent.errors import Destroyed, NotShipped, StartRefused
from consent.events import Kind
from consent.terms import Section
from consent.verify import verify_export
from crypto.keys import SignKey
from handover import approvers
from handover.accesslog import Did
from handover.admin import TRUST
from handover.backup import BackupRefused, confirm, read_backup
from handover.copying import CopyFailed, is_empty, read_table
from handover.errors import SettingsRefused
from handover.loss import LossRefused, approve, read_approval, read_statement
from handover.parts import RESTORING, assemble
from handover.release import Released, Withheld, release
from handover.restoring import LOSS, RestoreRefused, restore
from handover.sweeping import SweepStopped, all_doubts, sweep
from handover.tables import Sweep
from handover.unfinished import NOTHING, begin
from tests import canary
from tests.conftest import Databases
from tests.faults.disaster import Service, programs_on_path, rows_of
from tests.faults.story import FETCHES, File, granted_file, journal_of, ready_file, second_version
from tests.region import Region, expect, now

OKR = (Section.OKR,)
PASSING = {"nonce", "idempotency", "attempt", "lease", "sweep", "message", "witness", "unshipped", "shipped", "epoch"}
"""Tables of what passes by itself, or of the work of shipping."""


@pytest.fixture
def service(region: Region, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("PATH", programs_on_path())
    made = Service(region, databases)
    yield made
    made.region.parts.close()


@pytest.fixture
def light(sqlite_region: Region, sqlite_databases: Databases) -> Service:
    """Give a service on SQLite alone, for what doesn't differ between the kinds."""
    return Service(sqlite_region, sqlite_databases)


def held(service: Service) -> dict[str, list[tuple[object, ...]]]:
    """Give what both databases hold, but for what passes by itself."""
    urls = service.settings.database_url, service.settings.keystore_url
    rows = {name: found for url in urls for name, found in rows_of(url).items()}
    return {name: found for name, found in rows.items() if name not in PASSING}


def withdraw(service: Service, file: File, *, destroy_now: bool = False) -> None:
    service.region.family("withdrawal", {"token": file.tokens[0], "sections": ["okr"], "destroy_now": destroy_now})


def restate(service: Service, file: File) -> None:
    """State again who holds gezag, as after a loss."""
    today = now().date().isoformat()
    holders = [
        {"person": person, "name": canary.NAME, "mail": f"{canary.MAIL}1@gezin.test", "role": "guardian"}
        for person in file.persons
    ]
    said = {"holders": holders, "evidence": {"kind": "gezagsregister", "date": today, "staff": "s-1"}}
    expect(service.region.send("99AB00", "PUT", f"/v1/pupils/{file.pupil}/custody", said), 200)


def asks(service: Service, file: File) -> Released | Withheld:
    return release(service.region.parts, FETCHES, file.transfer, OKR)


def test_all_that_was_acknowledged_since_the_backup_is_there_after_both_databases_are_lost(service: Service) -> None:
    """K4, K12: entries, answers, bundles, new pupils, new keys of schools: row by row what was there before."""
    region = service.region
    old = granted_file(region)
    copies = service.backup()
    withdraw(service, old, destroy_now=True)
    region.upload("99AB00", old.transfer, second_version(region, old))
    new = granted_file(region, holders=1)
    region.board("later", "99EF00")
    region.publish("99CD00", "request", state="revoked")
    before = held(service)

    service.lose()
    done = service.restore(copies)
    assert held(service) == before
    assert done.size == len(before["journal_leaf"])
    assert done.lost == ()
    assert asks(service, old) == Withheld("WITHDRAWN")
    assert isinstance(asks(service, new), Released)


def test_no_withdrawal_after_the_backup_is_forgotten(service: Service) -> None:
    """K12: 0 of all revokes are resurrected."""
    files = [granted_file(service.region, holders=1) for _ in range(6 if service.databases.kind == "sqlite" else 2)]
    copies = service.backup()
    for file in files[::2]:
        withdraw(service, file)
    service.lose()
    service.restore(copies)
    found = [asks(service, file) for file in files]
    assert found[::2] == [Withheld("WITHDRAWN")] * (len(files) // 2)
    assert all(isinstance(each, Released) for each in found[1::2])


def test_what_was_destroyed_since_the_backup_is_destroyed_again(service: Service) -> None:
    """J4, J5: an erased pupil's key and rows, and a withdrawn section's share, though the backup holds both."""
    gone, withdrawn = granted_file(service.region, holders=1), granted_file(service.region, holders=1)
    copies = service.backup()
    parts = service.region.parts
    with parts.journal.act(pupil=gone.pupil) as act:
        parts.journal.erase(act, gone.pupil, journal_of(parts, gone.pupil)[0].actor, ("stad",))  # type: ignore[arg-type]
    withdraw(service, withdrawn, destroy_now=True)
    before = held(service)
    service.lose()
    service.restore(copies)
    assert held(service) == before
    with pytest.raises(Destroyed):
        service.region.parts.keystore.owner("pupil", gone.pupil)
    service.region.answer(withdrawn.tokens[0], okr="yes")
    assert asks(service, withdrawn) == Withheld("SHREDDED")


def test_copies_put_back_by_hand_start_nothing(light: Service) -> None:
    """K4: a backup of the key store carries no mark, so that nobody starts from it without a restore."""
    granted_file(light.region)
    main, keys = (path.with_suffix("") for path in light.backup())
    light.lose()
    shutil.copyfile(main, light.settings.database_url.removeprefix("sqlite:///"))
    shutil.copyfile(keys, light.settings.keystore_url.removeprefix("sqlite:///"))
    with pytest.raises(StartRefused, match="NO_MARK"):
        assemble(light.settings)


def test_an_act_that_cannot_be_shipped_is_not_acknowledged_and_the_same_request_again_is(light: Service) -> None:
    """K5, H3: the second place is down: 503; when it is back the same request is answered, and was shipped."""
    region, away = light.region, light.second.with_name("away")
    file = granted_file(region, holders=1)
    copies = light.backup()
    light.second.rename(away)
    light.second.write_text("a disk that isn't there")
    words = {"token": file.tokens[0], "sections": ["okr"], "destroy_now": False}
    assert region.family("withdrawal", words, 503, key="k" * 16)["code"] == "STORE_UNAVAILABLE"
    light.second.unlink()
    away.rename(light.second)
    region.family("withdrawal", words, key="k" * 16)
    light.lose()
    light.restore(copies)
    assert asks(light, file) == Withheld("WITHDRAWN")


def test_what_a_crash_left_between_commit_and_shipping_is_shipped_by_the_next_start(light: Service) -> None:
    """H3."""
    file = granted_file(light.region, holders=1)
    copies = light.backup()
    ship = light.region.parts.journal._ship
    light.region.parts.journal._ship = dies
    light.region.family("withdrawal", {"token": file.tokens[0], "sections": ["okr"], "destroy_now": False}, 503)
    light.region.parts.journal._ship = ship
    light.start()
    light.lose()
    light.restore(copies)
    assert asks(light, file) == Withheld("WITHDRAWN")


def dies() -> None:
    raise NotShipped("killed")


def test_a_missing_shipment_is_named_and_nothing_is_touched(light: Service) -> None:
    """K3, K12."""
    file = granted_file(light.region, holders=1)
    copies = light.backup()
    withdraw(light, file)
    ready_file(light.region)
    first = sorted(light.second.iterdir())[-3]
    first.unlink()
    before = held(light)
    light.region.parts.close()
    with pytest.raises(RestoreRefused) as refused:
        light.restore(copies, replace=True)
    assert f"shipment {int(first.name)} is missing" in refused.value.problems
    assert held(light) == before
    light.start()


def test_a_shipment_that_can_t_be_read_is_named_with_what_would_be_lost(light: Service) -> None:
    """K12."""
    file = granted_file(light.region, holders=1)
    copies = light.backup()
    withdraw(light, file)
    last = max(light.second.iterdir())
    last.write_bytes(b"")
    light.lose()
    with pytest.raises(RestoreRefused, match=rf"shipment {int(last.name)} can't be read"):
        light.restore(copies)
    assert (light.settings.home / LOSS).exists()


def test_what_a_power_cut_left_half_written_in_the_second_place_is_no_shipment(light: Service) -> None:
    file = granted_file(light.region, holders=1)
    copies = light.backup()
    (light.second / ".0123456789abcdef.partial").write_bytes(b"half")
    withdraw(light, file)
    before = held(light)
    light.lose()
    assert light.restore(copies).lost == ()
    assert held(light) == before


def test_no_backup_is_confirmed_while_the_service_is_frozen(light: Service) -> None:
    """K3: what it would let go, keys of epochs and shipments, is what the restore may need."""
    granted_file(light.region)
    parts = light.region.parts
    copies = [path.read_bytes() for path in light.backup()]
    with reading(parts.main) as session:
        parts.keystore.freeze(parts.journal.checkpoint(session), "a test", parts.clock())
    there = len(list(light.second.iterdir()))
    with pytest.raises(BackupRefused, match="frozen"):
        confirm(parts, copies)
    assert len(list(light.second.iterdir())) == there > 0


def test_a_restore_short_of_a_checkpoint_that_somebody_kept_is_refused(light: Service) -> None:
    """K3, K4: the last shipments are gone, and the databases with the mark; a witness has a newer checkpoint."""
    file = granted_file(light.region, holders=1)
    copies = light.backup()
    withdraw(light, file)
    with reading(light.region.parts.main) as session:
        kept = light.region.parts.journal.checkpoint(session)
    sorted(light.second.iterdir())[-1].unlink()
    light.lose()
    with pytest.raises(RestoreRefused, match="a checkpoint that was kept"):
        light.restore(copies, known=[kept])


def test_without_a_second_place_and_a_mark_nobody_can_say_what_is_missing(light: Service) -> None:
    granted_file(light.region)
    copies = light.backup()
    light.lose()
    light.settings = replace(light.settings, second=None)
    with pytest.raises(RestoreRefused, match="no second place"):
        light.restore(copies)


def test_nothing_is_restored_beside_a_service_that_runs(light: Service) -> None:
    """K4: it would go on from what it has in memory, and answer with it."""
    settings, copies = light.settings, light.backup()
    said = {"origin": settings.origin, "log": settings.log, "root": settings.root.hex()}
    (settings.home / "service.json").write_text(json.dumps(said))
    light.lose()
    before = set(settings.home.rglob("*"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HANDOVER_")}
    # What gunicorn's first process reads, and then a process that it started, which outlives it.
    begins = "import handover.serving, os, sys; os.fork() and os._exit(0); print(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", begins],
        env=environment | {"HANDOVER_HOME": str(settings.home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as service:
        assert service.stdin is not None
        assert service.stdout is not None
        assert service.stdout.readline() == b"\n"
        with pytest.raises(RestoreRefused, match="still runs"):
            light.restore(copies)
        assert set(settings.home.rglob("*")) == before
        service.stdin.close()
        assert service.stdout.read() == b""  # it has ended
    assert light.restore(copies).lost == ()


def test_a_full_database_is_replaced_only_when_that_is_said(light: Service) -> None:
    granted_file(light.region)
    copies = light.backup()
    light.region.parts.close()
    with pytest.raises(RestoreRefused, match="isn't empty"):
        light.restore(copies)
    assert light.restore(copies, replace=True).lost == ()


def kept_note(service: Service) -> bytes:
    """Give the newest checkpoint, as somebody outside would keep it."""
    with reading(service.region.parts.main) as session:
        return service.region.parts.journal.checkpoint(session)


def approvals(service: Service, *keys: SignKey) -> list[object]:
    statement = read_statement((service.settings.home / LOSS).read_bytes())
    return [read_approval(approve(statement, "The second place burnt down as well.", key)) for key in keys]


@pytest.fixture
def lossy(light: Service) -> tuple[Service, tuple[Path, Path], File, list[SignKey]]:
    """Give a service of which the last withdrawal is lost for good, and who may say that it goes on."""
    people = [light.region.dpo("stad"), light.region.dpo("dorp"), light.region.root, light.region.dpo("stad", "fg-2")]
    file = granted_file(light.region, holders=1)
    copies = light.backup()
    withdraw(light, file)
    with reading(light.region.parts.main) as session:
        (light.region.folder / "kept").write_bytes(light.region.parts.journal.checkpoint(session))
    sorted(light.second.iterdir())[-1].unlink()
    light.lose()
    with pytest.raises(RestoreRefused):
        light.restore(copies, known=[(light.region.folder / "kept").read_bytes()])
    return light, copies, file, people


Lossy = tuple[Service, tuple[Path, Path], File, list[SignKey]]


def answered(service: Service, file: File) -> tuple[str | None, list[bool]]:
    """Give what the family's page shows: the answer to the first section, and which deciders have answered."""
    shown = service.region.family("question", {"token": file.tokens[0]})
    return shown["sections"][0]["answer"], [one["answered"] for one in shown["deciders"]]


def silent(service: Service) -> list[str]:
    """Name those who stand in the season's list: they are reminded."""
    listed = service.region.send("99AB00", "GET", "/v1/season").get_json()["transfers"]
    return [one["person"] for row in listed for one in row["persons"]]


@pytest.mark.parametrize("pair", [(0, 1), (0, 2)])
def test_after_a_loss_the_log_has_another_name_and_all_grants_are_suspended(
    lossy: Lossy, pair: tuple[int, int]
) -> None:
    """K4, K12: two people said that it goes on; what was granted before counts when it is granted again."""
    light, copies, file, people = lossy
    known = [(light.region.folder / "kept").read_bytes()]
    done = light.restore(copies, known=known, approvals=approvals(light, *(people[who] for who in pair)))
    assert done.origin == "overdracht.test/journal-2"
    assert any("a checkpoint that was kept" in each for each in done.lost)
    parts = light.region.parts
    with reading(parts.main) as session:
        assert parts.journal.checkpoint(session).startswith(b"overdracht.test/journal-2\n")
        rollback = parts.journal.read(session, parts.journal.first)
    assert (rollback.type, rollback.index) == (Kind.ROLLBACK, done.size)
    assert asks(light, file) == Withheld("CUSTODY_UNKNOWN")
    assert answered(light, file) == (None, [])
    assert silent(light) == []  # nobody is reminded who may not decide any more
    restate(light, file)
    assert asks(light, file) == Withheld("SUSPENDED")
    assert answered(light, file) == (None, [False])
    assert file.persons[0] in silent(light)
    shown = light.region.show("99AB00", file.transfer)
    assert (shown["applied"], shown["waiting_for"]) == (False, list(file.persons))
    light.region.post("99CD00", f"/v1/transfers/{file.transfer}/application", {})
    assert light.region.show("99AB00", file.transfer)["applied"] is True
    light.region.answer(file.tokens[0], okr="yes", opp="yes", lvs="yes")
    assert answered(light, file) == ("yes", [True])
    assert file.persons[0] not in silent(light)
    assert isinstance(asks(light, file), Released)
    light.start()
    assert isinstance(asks(light, file), Released)


def test_after_a_loss_nothing_is_destroyed_before_somebody_says_that_the_holds_stand_again(lossy: Lossy) -> None:
    """J2: a hold may be among what was lost, and then nothing else keeps what it kept."""
    light, copies, _, people = lossy
    known = [(light.region.folder / "kept").read_bytes()]
    light.restore(copies, known=known, approvals=approvals(light, *people[:2]))
    parts = light.region.parts
    for older in (None, Sweep(id="0" * 32, begun_at=now() - timedelta(hours=1))):
        if older is not None:
            with writing(parts.main) as session:
                session.add(older)
        with pytest.raises(SweepStopped, match="entries were lost, and the holds and restrictions among them"):
            sweep(parts)
    assert list(all_doubts(parts, None, accept_clock=False, accept_loss=True)) == []
    sweep(parts, accept_loss=True)
    sweep(parts)


def test_a_backup_from_before_a_loss_leads_across_it(lossy: Lossy) -> None:
    """K12: what was suspended stays so, and the log keeps its new name."""
    light, copies, file, people = lossy
    known = [(light.region.folder / "kept").read_bytes()]
    light.restore(copies, known=known, approvals=approvals(light, people[0], people[1]))
    before = held(light)
    light.lose()
    done = light.restore(copies)
    assert held(light) == before
    assert (done.origin, done.lost) == ("overdracht.test/journal-2", ())
    assert asks(light, file) == Withheld("CUSTODY_UNKNOWN")
    restate(light, file)
    assert asks(light, file) == Withheld("SUSPENDED")


def test_an_export_after_a_loss_verifies_and_a_checkpoint_of_the_lost_branch_says_what_went(lossy: Lossy) -> None:
    """K4, K8."""
    light, copies, _, people = lossy
    kept = (light.region.folder / "kept").read_bytes()
    done = light.restore(copies, known=[kept], approvals=approvals(light, people[0], people[1]))
    parts, path = light.region.parts, light.region.folder / "export"
    with path.open("wb") as file:
        parts.journal.export(file)
    with reading(parts.main) as session:
        newest = parts.journal.checkpoint(session)
    assert verify_export(path, parts.log_key.public, newest)
    (finding,) = verify_export(path, parts.log_key.public, kept).findings
    assert f"lost its entries from {done.size} on, and went on as overdracht.test/journal-2" in finding.what
    assert not verify_export(path, parts.log_key.public, newest.replace(b"journal-2", b"journal-3"))


def test_a_loss_takes_two_people_of_two_houses(lossy: Lossy) -> None:
    """One FG, one FG twice, two FGs of one board, the root twice, and an FG with a stranger."""
    light, copies, _, people = lossy
    known = [(light.region.folder / "kept").read_bytes()]
    fg, _, root, colleague = people
    for pair, why in (
        ((fg,), "two people"),
        ((fg, fg), "two people"),
        ((fg, colleague), "two people"),
        ((root, root), "two people"),
        ((fg, SignKey.generate("dpo")), "isn't an FG's"),
    ):
        with pytest.raises(LossRefused, match=why):
            light.restore(copies, known=known, approvals=approvals(light, *pair))
        assert not (light.settings.home / RESTORING).exists()
        assert [is_empty(engine) for engine in (light.databases.main, light.databases.keys)] == [True, True]


def short_of(service: Service, copies: tuple[Path, Path], **options: Any) -> None:
    """Refuse a restore for what would be lost, and leave its statement."""
    with pytest.raises(RestoreRefused):
        restore(service.settings, *copies, **options)


@pytest.mark.parametrize("where", ["in what is replaced", "in a shipment that follows", "in one that doesn't"])
def test_an_fg_whose_revocation_is_known_approves_of_nothing_though_the_backup_has_the_key(
    light: Service, where: str
) -> None:
    """The backup brings the key back as it was; an approval with it is refused, and nothing is touched."""
    region = light.region
    gone, other = region.dpo("stad"), region.dpo("dorp")
    copies = light.backup()
    older = set(light.second.iterdir())
    region.pupil("99AB00")
    region.dpo("stad", dpo_key=gone, state="revoked")
    region.pupil("99AB00")
    note = kept_note(light)
    first, revocation, *_, last = sorted(set(light.second.iterdir()) - older)
    {"in what is replaced": revocation, "in a shipment that follows": last, "in one that doesn't": first}[
        where
    ].unlink()
    if where != "in what is replaced":
        light.lose()
    before = held(light)
    short_of(light, copies, replace=True, known=[note])
    with pytest.raises(LossRefused, match="isn't an FG's any more"):
        restore(light.settings, *copies, replace=True, known=[note], approvals=approvals(light, gone, other))
    assert held(light) == before
    assert not (light.settings.home / RESTORING).exists()


def test_the_fgs_of_a_copy_are_read_out_of_it_as_they_stand_in_the_database(service: Service) -> None:
    """On each kind of database, before anything is put back."""
    gone = service.region.dpo("stad")
    service.region.dpo("dorp")
    service.region.dpo("stad", dpo_key=gone, state="revoked")
    main, _ = service.backup()
    said, file = read_backup(main, "main")
    with reading(service.region.parts.main) as session:
        found = approvers.standing(session)
    assert sorted((one.board, one.revoked) for one in found.values()) == [("dorp", False), ("stad", True)]
    assert approvers.put_back(said.kind, file, ()) == found
    assert approvers.revoked(service.region.parts.main, ()) == {gone.kid}
    assert read_table(said.kind, file, Table("no_such_table", MetaData(), Column("id", Integer)).c.id) == []
    file.write_bytes(b"not a copy")
    with pytest.raises(CopyFailed):
        approvers.put_back(said.kind, file, ())


def test_a_killed_try_with_a_loss_hears_no_fg_whose_revocation_it_has_replaced(lossy: Lossy) -> None:
    """What the first try knew stands in the file that it left."""
    light, copies, _, people = lossy
    known = [(light.region.folder / "kept").read_bytes()]
    begin(light.settings, replace(NOTHING, revoked=(people[0].kid,)))
    with pytest.raises(LossRefused, match="isn't an FG's any more"):
        light.restore(copies, known=known, approvals=approvals(light, people[0], people[1]))


def test_an_fg_who_was_stated_after_the_backup_approves_when_the_statement_was_shipped(light: Service) -> None:
    light.region.dpo("stad")
    copies = light.backup()
    late, root = light.region.dpo("stad", "fg-2"), light.region.root
    ready_file(light.region, holders=1)
    note = kept_note(light)
    max(light.second.iterdir()).unlink()
    light.lose()
    short_of(light, copies, known=[note])
    assert light.restore(copies, known=[note], approvals=approvals(light, late, root)).lost


def test_what_was_shipped_of_a_lost_branch_is_put_aside_and_a_later_restore_reads_what_came_instead(
    light: Service,
) -> None:
    """K12: one shipment of many is gone; the next restore from the same backup needs nobody's approval any more."""
    people = [light.region.dpo("stad"), light.region.root]
    file = granted_file(light.region, holders=1)
    copies = light.backup()
    granted_file(light.region, holders=1)
    there = sorted(light.second.iterdir())
    there[-3].unlink()
    given_up = [path.read_bytes() for path in there[-2:]]
    light.lose()
    short_of(light, copies)
    done = light.restore(copies, approvals=approvals(light, *people))
    aside = sorted(path for path in light.second.iterdir() if path.name.startswith("before-2-"))
    assert [path.name for path in aside] == [f"before-2-{path.name}" for path in there[-2:]]
    assert [path.read_bytes() for path in aside] == given_up
    restate(light, file)
    before = held(light)
    light.lose()
    again = light.restore(copies)
    assert (again.origin, again.lost, again.size > done.size) == (done.origin, (), True)
    assert held(light) == before


@pytest.mark.parametrize("trace", ["the databases", "a checkpoint that was kept", "trust.txt", "what was put aside"])
def test_two_losses_from_one_backup_give_two_names(lossy: Lossy, trace: str) -> None:
    """K4, K8: whatever still tells of the first loss, no name is given twice."""
    light, copies, _, people = lossy
    known = [(light.region.folder / "kept").read_bytes()]
    put = light.second / "000000009999"
    if trace == "what was put aside":
        put.write_bytes(b"unreadable")
        short_of(light, copies, known=known)
    light.restore(copies, known=known, approvals=approvals(light, *people[:2]))
    newer = kept_note(light)
    for path in light.second.glob("0*"):
        path.unlink()
    light.region.parts.close()
    trust = light.settings.home / TRUST
    if trace != "trust.txt":
        trust.unlink()
    if trace != "the databases":
        light.lose()
    if trace != "what was put aside":
        for path in light.second.glob("before-*"):
            path.unlink()
    notes = [*known, newer] if trace == "a checkpoint that was kept" else known
    short_of(light, copies, known=notes, replace=True)
    statement = json.loads((light.settings.home / LOSS).read_bytes())
    assert statement["origin"] == "overdracht.test/journal-3"
    done = light.restore(copies, known=notes, replace=True, approvals=approvals(light, *people[:2]))
    assert done.origin == "overdracht.test/journal-3"


def test_an_approval_is_of_one_loss_only(lossy: Lossy) -> None:
    light, copies, _, people = lossy
    said = approvals(light, people[0], people[1])
    statement = json.loads((light.settings.home / LOSS).read_bytes()) | {"missing": ["nothing"]}
    other = read_approval(approve(statement, "The second place burnt down as well.", people[1]))
    known = [(light.region.folder / "kept").read_bytes()]
    with pytest.raises(LossRefused, match="another loss"):
        light.restore(copies, known=known, approvals=[said[0], other])


def test_a_newer_checkpoint_from_outside_freezes_the_service_until_it_is_restored(light: Service) -> None:
    """K3, K4: both databases are put back together; a witness's checkpoint tells, and nothing leaves any more."""
    region = light.region
    people = [region.dpo("stad"), region.root]
    file = granted_file(region, holders=1)
    copies = light.backup()
    folders = [
        Path(url.removeprefix("sqlite:///")) for url in (light.settings.database_url, light.settings.keystore_url)
    ]
    for engine in (light.databases.main, light.databases.keys):
        truncate(engine)
    region.parts.close()
    older = [(path, path.read_bytes()) for path in folders]
    withdraw(light, file)
    with reading(region.parts.main) as session:
        newer = region.parts.journal.checkpoint(session)
    region.parts.close()
    light.lose()
    for path, data in older:
        path.write_bytes(data)
    light.start()
    assert isinstance(asks(light, file), Released)  # nobody can tell from inside
    assert region.http.post("/v1/journal/witnessed", json={"note": newer.decode()}).status_code == 409
    assert asks(light, file) == Withheld("FROZEN")
    answer = region.release("99CD00", file.transfer, "okr")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "FROZEN")
    assert [entry.outcome for entry in journal_of(region.parts, file.pupil) if entry.type == Did.RELEASE][
        -1
    ] == "FROZEN"
    assert region.http.get("/v1/health").get_json() == {"status": "frozen"}
    light.start()
    assert asks(light, file) == Withheld("FROZEN")
    light.region.parts.close()
    with pytest.raises(RestoreRefused, match=r"another branch|other entries"):
        light.restore(copies, replace=True)
    assert light.start().keystore.frozen() == newer  # what is refused touches nothing
    light.region.parts.close()
    assert light.restore(copies, replace=True, approvals=approvals(light, *people)).lost
    assert light.region.http.get("/v1/health").get_json() == {"status": "ok"}
    restate(light, file)
    assert asks(light, file) == Withheld("WITHDRAWN")  # it stood in the second place, and every no counts


def test_a_killed_restore_keeps_the_service_from_starting_and_is_run_again(light: Service) -> None:
    """K4, H3: killed after the main database was put back, and before the key store was."""
    file = granted_file(light.region, holders=1)
    copies = light.backup()
    withdraw(light, file)
    before = held(light)
    light.lose()
    begin(light.settings, NOTHING)
    with pytest.raises(SettingsRefused, match="restore"):
        light.start()
    light.restore(copies)
    assert held(light) == before
