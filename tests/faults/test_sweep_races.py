"""A sweep, a withdrawal, a new yes, a release, an upload and an erasure that reach one pupil at the same moment."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import cycle, islice, permutations
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from consent import inventory
from consent.db import reading
from consent.errors import Destroyed
from consent.terms import Section
from handover import family
from handover.accesslog import SERVICE, Did
from handover.bundles import shred, start_shredding, upload
from handover.destruction import DONE, GONE, Outcome, destroy
from handover.erasure import erase, finish
from handover.overdue import Due, live_sections, pages
from handover.parts import Parts, now
from handover.release import Released, Withheld
from handover.retention import Kept
from handover.tables import Bundle, BundleSection, Transfer
from tests.faults.overlap import at_once
from tests.faults.story import SENDS, File, granted_file, journal_of, request, second_version
from tests.faults.test_at_once import asking
from tests.faults.worker import withdraw
from tests.region import Region

ROUNDS = 4
CONTROL_ROUNDS = 24
"""A control ends at the first round that goes wrong; each does so as often as not."""


def due_share(region: Region, file: File) -> Due:
    (found,) = [each for page in pages(region.parts, Kept.WITHDRAWN_SHARE, region.parts.clock()) for each in page]
    assert found.id == file.bundle
    return found


def again(region: Region, file: File) -> Any:
    key = secrets.token_hex(8)
    body = {"token": file.tokens[0], "notice": file.notice, "answers": {"okr": "yes"}}
    return family.answer(region.parts, lambda visit: request(key, caller=visit), body)


def sweep_by_what_was_found(parts: Parts, this: Due) -> Outcome:
    """Destroy what was due when it was found, without looking again: broken on purpose."""
    with parts.journal.act(pupil=this.pupil) as act:
        bundle = act.session.get_one(Bundle, this.id)
        transfer = act.session.get_one(Transfer, bundle.transfer)
        start_shredding(parts, act, transfer, bundle, ["okr"], why=this.kept)
    shred(parts, this.id)
    return DONE


def wrong(region: Region, order: Sequence[int], sweeps: Callable[[Parts, Due], Outcome]) -> bool:
    """Let a new yes, a release and a sweep of a withdrawn share meet; tell whether a share went that had its yes."""
    file = granted_file(region, holders=1)
    withdraw(region.parts, lambda visit: request(secrets.token_hex(8), caller=visit), file.tokens[0])
    with time_machine.travel(now() + timedelta(days=9)):
        this = next(e for p in pages(region.parts, Kept.WITHDRAWN_SHARE, now()) for e in p if e.id == file.bundle)
        calls = [partial(again, region, file), asking(region, file), partial(sweeps, region.parts, this)]
        at_once(region.parts, file.pupil, *[calls[place] for place in order])
        entries = [entry.type for entry in journal_of(region.parts, file.pupil)]
        yes_first = Did.SHRED_INTENT not in entries or entries.index(Did.SHRED_INTENT) > _last_yes(entries)
        with reading(region.parts.main) as session:
            kept = Section.OKR in live_sections(session, file.bundle)
        assert isinstance(asking(region, file)(), Released if kept else Withheld)
    return yes_first and not kept


ORDERS = tuple(permutations(range(3)))


def _last_yes(entries: list[int]) -> int:
    return max(place for place, kind in enumerate(entries) if kind == 1)


def test_a_share_goes_for_an_old_withdrawal_or_stays_for_a_new_yes_whoever_is_first(region: Region) -> None:
    """J2: whichever came first in the journal decides, and the release agrees with it."""
    assert not [order for order in ORDERS[:ROUNDS] if wrong(region, order, destroy)]


def test_the_same_race_finds_out_a_sweep_that_decides_before_it_holds_the_lock(region: Region) -> None:
    """The control, J2: it is wrong as soon as the yes is first once, whatever the order in which they asked."""
    orders = islice(cycle(ORDERS), CONTROL_ROUNDS)
    assert any(wrong(region, order, sweep_by_what_was_found) for order in orders)


def test_a_sweep_that_doesnt_look_again_destroys_what_was_given_again(sqlite_region: Region) -> None:
    """The control, one after the other: what was found is due no more."""
    file = granted_file(sqlite_region, holders=1)
    withdraw(sqlite_region.parts, lambda visit: request(secrets.token_hex(8), caller=visit), file.tokens[0])
    with time_machine.travel(now() + timedelta(days=9)):
        this = due_share(sqlite_region, file)
        again(sqlite_region, file)
        assert destroy(sqlite_region.parts, this) == GONE
        assert isinstance(asking(sqlite_region, file)(), Released)
        assert sweep_by_what_was_found(sqlite_region.parts, this) == DONE
        assert asking(sqlite_region, file)() == Withheld("SHREDDED")  # though everybody had said yes


def erasing(region: Region, file: File) -> str:
    try:
        with region.parts.journal.act(pupil=file.pupil) as act:
            done = erase(region.parts, act, file.pupil, SERVICE, "AVG art. 17")
    except Destroyed:
        return "erased already"
    finish(region.parts, done)
    return "erased"


def attempted(call: Callable[[], Any]) -> Callable[[], str]:
    """Carry out a call, and give the name of what came of it."""

    def tried() -> str:
        try:
            return type(call()).__name__
        except Exception as problem:
            return type(problem).__name__

    return tried


@pytest.mark.parametrize("first", [True, False])
def test_an_erasure_meets_a_release_a_withdrawal_and_a_sweep_and_nothing_is_left(region: Region, first: bool) -> None:
    """Erasure against everything: each other act happened before it, or not at all, and none brings anything back."""
    file = granted_file(region, holders=1)
    key = secrets.token_hex(8)
    others = [
        attempted(asking(region, file)),
        attempted(partial(withdraw, region.parts, lambda visit: request(key, caller=visit), file.tokens[0])),
        attempted(partial(destroy, region.parts, Due(Kept.EXPIRED_BUNDLE, file.bundle, now(), file.pupil))),
    ]
    both = [partial(erasing, region, file)] * 2
    outcomes = [each.value for each in at_once(region.parts, file.pupil, *(both + others if first else others + both))]
    assert sorted(outcome for outcome in outcomes if "erased" in outcome) == ["erased", "erased already"]
    allowed = {"Released", "Withheld", "NoResultFound", "dict", "RequestRefused", "Outcome", "Destroyed"}
    assert {outcome for outcome in outcomes if "erased" not in outcome} <= allowed
    parts = region.parts
    with reading(parts.main) as session:
        assert session.get(Transfer, file.transfer) is None
        assert session.get(Bundle, file.bundle) is None
    assert parts.blobs.names() == []
    assert not list(parts.settings.outbox.glob(f"{file.pupil}-*"))
    with pytest.raises(Exception, match="NOT_FOUND"):
        asking(region, file)()


def erasing_by_what_was_found(region: Region, file: File) -> Callable[[], None]:
    """Look for what to take away before the lock is held; gives what takes it away. Broken on purpose."""
    with reading(region.parts.main) as session:
        stores = tuple(session.scalars(select(Bundle.store).where(Bundle.transfer == file.transfer)))
        objects = tuple(session.scalars(select(BundleSection.object).where(BundleSection.bundle == file.bundle)))

    def take_away() -> None:
        with region.parts.journal.act(pupil=file.pupil) as act:
            done = erase(region.parts, act, file.pupil, SERVICE, "AVG art. 17")
        finish(region.parts, replace(done, stores=stores, objects=objects))

    return take_away


def left_behind(region: Region, erases: Callable[[Region, File], str], *, first: bool) -> bool:
    """Let an erasure and the upload of a newer version meet; tell whether anything of the pupil is still here."""
    file, parts = granted_file(region, holders=1), region.parts
    data = second_version(region, file)
    once = request(secrets.token_hex(8), data, route="POST /bundles")
    calls = [partial(erases, region, file), partial(upload, parts, SENDS, once, file.transfer, lambda: iter([data]))]
    at_once(parts, file.pupil, *map(attempted, calls if first else reversed(calls)))
    with reading(parts.main) as session:
        assert session.get(Transfer, file.transfer) is None
    return bool(parts.blobs.names() or inventory.stores(parts.keystore))


@pytest.mark.parametrize("first", [True, False])
def test_an_upload_that_meets_an_erasure_leaves_nothing_behind(region: Region, first: bool) -> None:
    """J4: neither ciphertext nor a share outlives its pupil, whichever had the lock first."""
    assert [left_behind(region, erasing, first=first) for _ in range(2)] == [False, False]


def test_the_same_check_finds_out_an_erasure_that_looked_before_it_held_the_lock(region: Region) -> None:
    """The control, in the order that goes wrong: it leaves behind what was uploaded while it waited."""
    file, parts = granted_file(region, holders=1), region.parts
    data = second_version(region, file)
    take_away = erasing_by_what_was_found(region, file)
    once = request(secrets.token_hex(8), data, route="POST /bundles")
    upload(parts, SENDS, once, file.transfer, lambda: iter([data]))
    take_away()
    assert parts.blobs.names()
    assert list(inventory.stores(parts.keystore))
