"""The ledger against a model that knows only who last said what: random histories, on real databases."""

from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from consent.rule import Granted
from tests.consent.desk import Desk

SECTIONS = ["okr", "opp", "lvs"]
HOLDERS = ["g1", "g2", "v1"]
numbers = count()
some = st.sets(st.sampled_from(SECTIONS), min_size=1).map(lambda chosen: [s for s in SECTIONS if s in chosen])
speaking = st.sampled_from([*HOLDERS, "kim"])


class AgainstModel(RuleBasedStateMachine):
    """Each run is a new pupil. The model: who holds gezag, and per person the sections said yes and no to."""

    desk: Desk

    @initialize(holders=st.sets(st.sampled_from(HOLDERS), min_size=1))
    def begin(self, holders):
        self.subject = f"kim{next(numbers)}"
        self.desk.pupil(self.subject)
        self.holders = holders
        self.yes = {person: set() for person in (*HOLDERS, "kim")}
        self.no = {person: set() for person in (*HOLDERS, "kim")}
        self.recorded = 0
        self.tell("CUSTODY", "s1", holders=sorted(holders))
        self.tell("APPLIED", "r1")

    def tell(self, kind, by, **said):
        event = self.desk.record(kind, self.subject if by == "kim" else by, subject=self.subject, **said)
        self.recorded += 1
        assert event.number == self.recorded
        return event

    def speaks(self, person):
        return person == "kim" or person in self.holders

    @rule(person=speaking, sections=some, add=st.booleans())
    def grant(self, person, sections, add):
        if not self.speaks(person):
            return
        earlier = [e for e in self.desk.history(self.subject).known if e.kind.name == "GRANT" and self.is_by(e, person)]
        add = add and bool(earlier)
        self.tell("GRANT", person, sections=sections, adds=earlier[-1].id if add else None)
        self.yes[person] = (self.yes[person] if add else set()) | set(sections)
        self.no[person] -= set(sections)

    def is_by(self, event, person):
        return event.by.person == (self.subject if person == "kim" else person)

    @rule(person=speaking, sections=some, kind=st.sampled_from(["REFUSE", "WITHDRAW"]))
    def say_no(self, person, sections, kind):
        if self.speaks(person):
            self.tell(kind, person, sections=sections)
            self.yes[person] -= set(sections)
            self.no[person] |= set(sections)

    @rule(holders=st.sets(st.sampled_from(HOLDERS), min_size=1))
    def custody(self, holders):
        left_out = self.holders - holders
        if any(self.no[person] for person in left_out):
            assert self.desk.refused("CUSTODY", "s1", subject=self.subject, holders=sorted(holders)).name == (
                "REMOVAL_UNPROVEN"
            )
        else:
            self.tell("CUSTODY", "s1", holders=sorted(holders))
            self.holders = holders

    @rule(person=speaking, sections=some)
    def send_twice(self, person, sections):
        if self.speaks(person):
            by = self.subject if person == "kim" else person
            draft = self.desk.draft("REFUSE", by, subject=self.subject, sections=sections)
            assert self.desk.put(draft) == self.desk.put(draft)
            self.recorded += 1
            self.yes[person] -= set(sections)
            self.no[person] |= set(sections)

    @rule(sections=some)
    def ask(self, sections):
        answer = self.desk.ask(sections, subject=self.subject)
        agreed = all(set(sections) <= self.yes[person] for person in self.holders)
        assert bool(answer) is (agreed and not set(sections) & self.no["kim"])
        if isinstance(answer, Granted):
            assert {len(evidence.entries) for evidence in answer.evidence} == {len(self.holders)}

    def teardown(self):
        assert self.desk.history(self.subject).newest_number == self.recorded


def test_random_histories_agree_with_the_model(databases, tmp_path):
    class Machine(AgainstModel):
        desk = Desk(databases, tmp_path / "epochs")

    examples = 20 if databases.kind == "sqlite" else 5
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    limits = settings(max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(Machine, settings=limits)
