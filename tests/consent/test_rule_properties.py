"""What holds for every history: the properties that the rule promises."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from consent.events import Event, Kind, from_terms
from consent.fields import by_terms, read_by
from consent.reasons import Reason
from consent.rule import Granted, Refused, decide
from consent.terms import Section
from tests.consent.story import PUPIL, Story, T, policy, question

SECTIONS = ["okr", "lvs", "support", "views"]
PERSONS = ["g1", "g2", "kim", "x1"]
NOES = ["REFUSE", "WITHDRAW", "OBJECT"]
some_sections = st.sets(st.sampled_from(SECTIONS), min_size=1).map(lambda some: [s for s in SECTIONS if s in some])
scopes = {"sections": some_sections, "receiver": st.sampled_from(["99CD00"] * 4 + ["99CD01"])}
times = [{}, {}, {"valid_until": "T"}, {"valid_from": "T+1s"}, {"valid_from": "T", "valid_until": "T+1s"}]
persons = st.sampled_from(PERSONS)
grants = st.builds(
    lambda person, said, when: ("GRANT", person, said | when),
    persons,
    st.fixed_dictionaries(scopes, optional={"ground": st.just("explicit_consent"), "adds": st.just(0)}),
    st.sampled_from(times),
)
noes = st.tuples(st.sampled_from(NOES), persons, st.fixed_dictionaries(scopes))
views = st.tuples(st.just("VIEW"), persons, st.fixed_dictionaries({"travels": st.booleans(), "done": st.booleans()}))
inzage = st.tuples(st.just("INZAGE"), persons, st.fixed_dictionaries({"done": st.booleans()}))
answering = st.one_of(grants, noes, views, inzage)
staff = st.sampled_from(
    [
        ("STATUTORY", "s1", {"sections": ["okr", "lvs", "support"]}),
        ("APPLIED", "r1", {}),
        ("CUSTODY", "s1", {"holders": ["g1"]}),
        ("CUSTODY", "s1", {"holders": ["g1", "g2"]}),
        ("CUSTODY", "s1", {"holders": ["g2"], "second": "s2", "notice": 1}),
        ("COURT", "c1", {"stands_for": "g2"}),
        ("EMERGENCY", "s1", {"sections": ["okr"]}),
        ("RESTRICT", "s1", {}),
        ("OBJECTION_DECIDED", "s1", {"objection": 2}),
        ("SUCCESSOR", "s1", {"receiver": "99CD01", "successor": "99CD00"}),
    ]
)
histories = st.lists(st.one_of(answering, answering, staff), max_size=12)
births = st.sampled_from(["2015-01-01", "2010-06-01", "2009-01-01"])
policies = st.sampled_from([policy(), policy("wettelijk"), policy("wettelijk", waiting_days=0)])


def story(steps, birth="2015-01-01", *, again=False):
    told = Story()
    told.tell("CUSTODY", "s1", holders=["g1"], birth_date=birth)
    told.tell("APPLIED", "r1")
    told.tell("GRANT", "g1", sections=SECTIONS, ground="explicit_consent")
    for kind, by, said in steps:
        told.tell(kind, by, **said)
    if again:
        told.tell("CUSTODY", "s1", holders=["g1"], birth_date=birth)
    return told.events


def put(events, sections=("okr", "lvs"), board=None, below=0, **asked):
    return decide(question(sections, **asked), events, len(events), board or policy(), T, below)


def renumbered(events):
    return [replace(event, number=place + 1, index=10 * place) for place, event in enumerate(events)]


@settings(max_examples=120, deadline=None)
@given(histories, births, policies, noes, st.data())
def test_a_further_no_never_turns_a_no_into_a_yes(steps, birth, board, no, data):
    events = story(steps, birth)
    place = data.draw(st.integers(3, len(events)))
    longer = story([*steps, no], birth)
    longer = renumbered([*longer[:place], longer[-1], *longer[place:-1]])
    for sections in (["okr"], ["support"], SECTIONS):
        if put(longer, sections, board):
            assert put(events, sections, board)


@settings(max_examples=120, deadline=None)
@given(histories, births, policies)
def test_asking_for_less_never_turns_a_yes_into_a_no(steps, birth, board):
    events = story(steps, birth)
    answers = {
        asked: bool(put(events, asked, board)) for size in (1, 2, 3, 4) for asked in combinations(SECTIONS, size)
    }
    for asked, allowed in answers.items():
        assert not allowed or all(answers[less] for size in range(1, len(asked)) for less in combinations(asked, size))


@settings(max_examples=120, deadline=None)
@given(st.lists(answering, max_size=10), births, st.data())
def test_the_answers_of_different_persons_may_come_in_any_order(steps, birth, data):
    events = story(steps, birth)
    first, rest = events[:2], events[2:]
    order = data.draw(st.permutations([event.by.person for event in rest]))
    queues = {person: [event for event in rest if event.by.person == person] for person in PERSONS}
    mixed = renumbered([*first, *(queues[person].pop(0) for person in order)])
    for sections in (["okr"], SECTIONS):
        one, other = put(events, sections), put(mixed, sections)
        assert bool(one) is bool(other)
        if isinstance(one, Refused):
            assert one == other


@settings(max_examples=100, deadline=None)
@given(histories, births, policies)
def test_replaying_an_export_gives_the_logged_decisions(steps, birth, board):
    events = story(steps, birth)
    log = [put(events[:end], board=board) for end in range(len(events) + 1)]
    exported = [
        json.dumps([e.kind, e.to_terms(), e.by.person, by_terms(e.by), e.number, e.index, e.recorded_at.isoformat()])
        for e in events
    ]
    replayed = [read_back(line) for line in exported]
    assert replayed == events
    assert [put(replayed[:end], board=board) for end in range(len(events) + 1)] == log


def read_back(line):
    kind, terms, person, details, number, index, recorded_at = json.loads(line)
    by = read_by(person, details)
    when = datetime.fromisoformat(recorded_at)
    return from_terms(kind, terms, subject=PUPIL, by=by, number=number, index=index, recorded_at=when)


@settings(max_examples=120, deadline=None)
@given(histories, births, policies, st.sets(st.sampled_from(list(Section))), st.data())
def test_the_rule_is_total_and_every_yes_shows_its_evidence(steps, birth, board, sections, data):
    events = story(steps, birth)
    lost = data.draw(st.sets(st.integers(0, len(events) - 1), max_size=1))
    kept = [event for place, event in enumerate(events) if place not in lost]
    found = decide(
        question(tuple(sections)), kept, len(events), board, T - timedelta(days=data.draw(st.integers(0, 20))), 0
    )
    if isinstance(found, Granted):
        assert not lost
        assert {evidence.section for evidence in found.evidence} == sections
        by_id = {event.id: event for event in kept if isinstance(event, Event)}
        assert all(by_id[key].index == index for evidence in found.evidence for key, index in evidence.entries)
    elif lost:
        assert found.reason is Reason.LEDGER_INTEGRITY


@settings(max_examples=120, deadline=None)
@given(histories, births, policies, st.data())
def test_a_rollback_turns_no_no_into_a_yes_and_what_was_said_before_it_authorises_nothing(steps, birth, board, data):
    """K12."""
    events = story(steps, birth, again=data.draw(st.booleans()))
    below = data.draw(st.integers(0, 10 * len(events) + 10))
    known = any(event.kind is Kind.CUSTODY and event.index >= below for event in events)
    for sections in (["okr"], ["support"], SECTIONS):
        found, before = put(events, sections, board, below), put(events, sections, board)
        if found:
            assert before
            assert all(index >= below for evidence in found.evidence for _, index in evidence.entries)
        elif before:
            assert found.reason is (Reason.SUSPENDED if known else Reason.CUSTODY_UNKNOWN)
        elif known:
            assert found.reason in (before.reason, Reason.SUSPENDED)
        else:
            assert found.reason.value <= Reason.CUSTODY_UNKNOWN.value
