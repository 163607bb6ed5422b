"""Families and receivers at the same gate at the same time, in processes of their own, on both databases.

A violation is a granted release with an index in the journal above a withdrawal's without a newer grant between them,
or a share whose first byte is sent more than two seconds after its commit began. There must be none; and the same
counting must find some at gates that are broken on purpose, or it would mean nothing.

`OVERDRACHT_RACES=1000` runs so many rounds instead of a few.
"""

import os
from collections import Counter
from collections.abc import Sequence

import pytest

from consent.db import reading
from consent.events import Event, Kind
from consent.rule import Granted, decide
from consent.terms import Section
from handover.accesslog import Did
from handover.bundles import newest, question_of
from handover.release import FRESH
from handover.tables import Transfer
from handover.transfers import policy_of
from tests.faults.broken import GATES
from tests.faults.story import File, journal_of, ready_file
from tests.faults.worker import Done, broken_receiver, guardian, guardian_between, race, receiver
from tests.region import Region

ROUNDS = int(os.environ.get("OVERDRACHT_RACES", "24"))
CONTROL_ROUNDS = 4
YES = {Kind.GRANT: True, Kind.WITHDRAW: False}


def ledger_of(region: Region, file: File) -> tuple[Event, ...]:
    with reading(region.parts.main) as session:
        return region.parts.ledger.history(session, file.pupil).known


def decisions_of(region: Region, file: File) -> dict[int, str]:
    """Give the outcome of every decision of the gate by its index in the journal."""
    entries = journal_of(region.parts, file.pupil)
    return {entry.index: str(entry.outcome) for entry in entries if entry.type == Did.RELEASE}


def violations(region: Region, file: File) -> list[int]:
    """Give the granted releases at which somebody's last word was no, judged by the order of the journal alone."""
    events, found = ledger_of(region, file), []
    for index, outcome in decisions_of(region, file).items():
        last = {event.by.person: YES[event.kind] for event in events if event.index < index and event.kind in YES}
        if outcome == "granted" and not all(last.get(person, False) for person in file.persons):
            found.append(index)
    return found


def ignored_withdrawals(done: Sequence[Done]) -> list[Done]:
    """Give the granted releases that began after an acknowledged withdrawal, with no yes of that person meanwhile."""
    found = []
    for release in (one for one in done if one.what == "granted"):
        for who in {one.who for one in done if one.who != "receiver"}:
            own = [one for one in done if one.who == who and one.begun < release.ended]
            settled = [one for one in own if one.ended < release.begun]
            meanwhile = own[len(settled) :]
            if {one.what for one in settled[-1:] + meanwhile} == {"withdraw"}:
                found.append(release)
    return found


def overlaps(done: Sequence[Done]) -> int:
    """Count the pairs of an answer and a release of which neither ended before the other began."""
    answers = [one for one in done if one.who != "receiver"]
    releases = [one for one in done if one.who == "receiver"]
    return sum(a.begun < b.ended and b.begun < a.ended for a in answers for b in releases)


def replayed(region: Region, file: File) -> dict[int, str]:
    """Ask the rule each question again, on the events below its index and at its moment."""
    events, parts = ledger_of(region, file), region.parts
    with reading(parts.main) as session:
        row = session.get_one(Transfer, file.transfer)
        policy = policy_of(parts, session, row)
        question = question_of(row, newest(session, row.id), (Section.OKR,))
    again = {}
    for entry in journal_of(parts, file.pupil):
        if entry.type == Did.RELEASE:
            below = [event for event in events if event.index < entry.index]
            decision = decide(question, below, len(below), policy, entry.recorded_at, 0)
            again[entry.index] = "granted" if isinstance(decision, Granted) else decision.reason.name
    return again


def test_no_release_ignores_a_withdrawal_however_many_act_at_once(region: Region) -> None:
    """A1, A2, A5, 5.1."""
    file = ready_file(region)
    one = [number % 2 == 0 for number in range(ROUNDS)]
    other = [number % 4 != 3 for number in range(ROUNDS)]
    fetching = (receiver, (file, ROUNDS))
    done = race([(guardian, (file, 0, one)), (guardian, (file, 1, other)), fetching, fetching])

    assert violations(region, file) == []
    assert ignored_withdrawals(done) == []
    assert replayed(region, file) == decisions_of(region, file)
    assert max(each.late for each in done if each.late is not None) <= FRESH

    # Enough happened, at the same time, for the zeros above to mean something.
    counted = Counter(each.what for each in done)
    assert counted["grant"] == sum(one) + sum(other)
    assert counted["withdraw"] == 2 * ROUNDS - counted["grant"]
    assert counted["granted"] + counted["refused"] == 2 * ROUNDS
    assert min(counted["granted"], counted["refused"]) >= ROUNDS // 8
    assert overlaps(done) >= ROUNDS

    # What a process was told is what the journal holds.
    outcomes = decisions_of(region, file)
    told = {each.index for each in done if each.what == "granted"}
    assert told == {index for index, outcome in outcomes.items() if outcome == "granted"}
    assert Counter(event.kind for event in ledger_of(region, file) if event.kind in YES) == {
        Kind.GRANT: counted["grant"],
        Kind.WITHDRAW: counted["withdraw"],
    }
    delivered = [entry for entry in journal_of(region.parts, file.pupil) if entry.type == Did.DELIVERED]
    assert {entry.terms["release"] for entry in delivered} == told


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_that_reads_too_early_is_found_out(region: Region, gate: str) -> None:
    """5.1: the same counting finds every release that a broken gate let through."""
    file = ready_file(region, holders=1)
    done = race([(guardian_between, (file, CONTROL_ROUNDS)), (broken_receiver, (file, CONTROL_ROUNDS, gate))])

    told = [each.index for each in done if each.what == "granted"]
    assert len(told) == CONTROL_ROUNDS
    # Not each of them: the guardian may have said yes again before the broken gate wrote, and then its luck is good.
    found = violations(region, file)
    assert found
    assert set(found) <= set(told)
    assert {index: why for index, why in replayed(region, file).items() if index in found} == dict.fromkeys(
        found, "WITHDRAWN"
    )
