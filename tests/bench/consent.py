"""Figures of the consent floor: what a decision costs beside one query, beside more grants, and beside other engines.

A decision here is the whole of it: the events are read, opened, checked against the tree, and put to the rule.
"""

import json
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from sqlalchemy import Engine, event, insert, select

from consent.act import Act
from consent.db import Keys, Main, open_engine, reading, writing
from consent.events import Event, Kind
from consent.ledger import BOOK
from consent.rule import decide
from consent.tables import JournalLeaf, JournalLookup, JournalPart
from tests.bench.table import Row, as_fast, at_most, compare, figure, not_measured
from tests.consent.desk import Desk
from tests.consent.story import PUPIL, RECEIVER, SENDER, T, policy, question

SECTIONS = ["okr", "lvs"]
HOLDERS = ["g1", "g2"]
REPEATS = 100


def rows() -> list[Row]:
    """Measure the first three rows of the ledger's table."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = desk(Path(folder, "small"), 10_000), desk(Path(folder, "large"), 100_000)
        found = [*beside_one_query(large), beside_more_grants(small, large), beside_cedar(large), beside_casbin(large)]
        for each in (small, large):
            each.databases.main.dispose()
            each.databases.keys.dispose()
    return found


def desk(folder: Path, grants: int) -> Desk:
    """Make a ledger on SQLite with one pupil whose two guardians agree, beside that many grants of others."""
    folder.mkdir()
    main, keys = (open_engine(f"sqlite:///{folder / name}.sqlite") for name in ("main", "keys"))
    Main.metadata.create_all(main)
    Keys.metadata.create_all(keys)
    made = Desk(SimpleNamespace(main=main, keys=keys), folder / "epochs").pupil()
    made.record("CUSTODY", "s1", holders=HOLDERS)
    made.record("APPLIED", "r1")
    for guardian in HOLDERS:
        made.record("GRANT", guardian, sections=SECTIONS)
    _fill(made, grants)
    return made


def _fill(made: Desk, grants: int) -> None:
    # Others' rows are only ever passed over, so they hold noise of the usual size at indices of their own.
    first, noise = 1_000_000, secrets.token_bytes(600)
    places = range(first, first + grants)
    with writing(made.databases.main) as session:
        session.execute(insert(JournalLeaf), [{"index": i, "leaf": noise[:98], "hash": noise[:32]} for i in places])
        parts = {"subject": noise[:100], "actor": noise[:120], "terms": noise}
        session.execute(insert(JournalPart), [{"index": i, **parts} for i in places])
        said = {"book": BOOK, "type": int(Kind.GRANT), "day": T.date(), "sections": 5, "number": 3}
        lookups = [{"index": i, **said, "pupil_tag": (i // 4).to_bytes(32, "big")} for i in places]
        session.execute(insert(JournalLookup), lookups)


def repeated(work: Callable[[], object]) -> Callable[[], None]:
    """Do a small thing often enough to be timed."""

    def many() -> None:
        for _ in range(REPEATS):
            work()

    return many


def whole(made: Desk) -> Callable[[], object]:
    """Ask the ledger, as the gate does: read one pupil's events, check them against the journal's head, and decide."""
    asked, board = question(SECTIONS), policy()

    def work() -> object:
        with reading(made.databases.main) as session:
            answer = made.ledger.ask(cast(Act, SimpleNamespace(session=session, now=T)), asked, board)
        assert answer
        return answer

    return work


def one_query(made: Desk) -> Callable[[], object]:
    """Fetch the same pupil's rows by their index, and do nothing with them."""
    tag = made.keystore.tag("pupil", PUPIL)
    wanted = (
        select(JournalLookup.index, JournalLookup.type, JournalPart.subject, JournalPart.actor, JournalPart.terms)
        .join(JournalPart, JournalPart.index == JournalLookup.index)
        .where(JournalLookup.pupil_tag == tag)
        .order_by(JournalLookup.index)
    )

    def work() -> object:
        with reading(made.databases.main) as session:
            found = session.execute(wanted).all()
        assert len(found) == 4
        return found

    return work


def bare(made: Desk) -> tuple[int, Callable[[], object]]:
    """Do what a decision asks of the two databases, and nothing with the answers; gives how many statements it is."""
    said: list[tuple[Engine, str, tuple[object, ...]]] = []
    listening = []
    for engine in (made.databases.main, made.databases.keys):

        def note(_: object, __: object, statement: str, values: tuple[object, ...], *___: object, to: Engine = engine):
            if not statement.startswith("BEGIN"):
                said.append((to, statement, values))

        event.listen(engine, "before_cursor_execute", note)
        listening.append((engine, "before_cursor_execute", note))
    whole(made)()
    for each in listening:
        event.remove(*each)

    def work() -> None:
        with reading(made.databases.main) as session:
            for engine, statement, values in said:
                if engine is made.databases.main:
                    session.connection().exec_driver_sql(statement, values).all()
                else:
                    with engine.execution_options(reading=True).connect() as connection:
                        connection.exec_driver_sql(statement, values).all()

    return len(said), work


def beside_one_query(made: Desk) -> list[Row]:
    ours, peer = compare(repeated(whole(made)), repeated(one_query(made)))
    count, work = bare(made)
    alone, again = compare(repeated(work), repeated(one_query(made)))
    return [
        at_most("a whole decision, 100,000 grants", ours / REPEATS, peer / REPEATS, 5, "one indexed query"),
        figure(f"of it, its {count} statements alone", alone / REPEATS, f"{alone / again:.2f}x the time"),
    ]


def beside_more_grants(small: Desk, large: Desk) -> Row:
    ours, peer = compare(repeated(whole(large)), repeated(whole(small)))
    return at_most("a decision at 100,000 grants", ours / REPEATS, peer / REPEATS, 1.3, "at 10,000")


CEDAR = """
permit(principal, action == Action::"receive", resource) when {
  resource.sender == context.sender && resource.purpose == context.purpose && resource.receivers.contains(principal) &&
  context.now < resource.until && resource.yes.containsAll(resource.holders) && resource.applied.contains(principal)
};
forbid(principal, action, resource) when { resource.no.containsAny(resource.holders) };
"""


def cedar_question(events: tuple[Event, ...]) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Give Cedar the pupil's answers sorted out per section: it is spared the replacing and withdrawing."""
    grants = [event for event in events if event.kind is Kind.GRANT]
    school = {"__entity": {"type": "School", "id": RECEIVER}}
    entities = [
        {
            "uid": {"type": "Section", "id": section},
            "attrs": {
                "sender": SENDER,
                "purpose": "placement",
                "receivers": [school],
                "applied": [school],
                "until": min(int(grant.valid_until.timestamp()) for grant in grants if grant.valid_until),
                "holders": HOLDERS,
                "yes": [grant.by.person for grant in grants if section in (grant.sections or ())],
                "no": [],
            },
            "parents": [],
        }
        for section in SECTIONS
    ]
    context = {"sender": SENDER, "purpose": "placement", "now": int(T.timestamp())}
    requests = [
        {
            "principal": f'School::"{RECEIVER}"',
            "action": 'Action::"receive"',
            "resource": f'Section::"{section}"',
            "context": context,
        }
        for section in SECTIONS
    ]
    return requests, entities


def beside_cedar(made: Desk) -> Row:
    """Compare the rule alone with Cedar, both given the pupil's own slice of the ledger."""
    work, target = "the rule on one pupil's events", ">= 3x"
    try:
        import cedarpy
    except ImportError:
        return not_measured(work, target, "cedarpy isn't installed")
    history = made.history()
    asked, board = question(SECTIONS), policy()
    requests, entities = cedar_question(history.known)

    def peer() -> None:
        answers = cedarpy.is_authorized_batch(requests, CEDAR, json.dumps(entities))
        assert all(answer.allowed for answer in answers), answers

    def ours() -> None:
        assert decide(asked, history.events, history.newest_number, board, T, 0)

    fast, slow = compare(repeated(ours), repeated(peer))
    return as_fast(work, fast / REPEATS, slow / REPEATS, 3, "cedarpy, the same slice,")


CASBIN = """
[request_definition]
r = person, sender, receiver, purpose, section
[policy_definition]
p = person, sender, receiver, purpose, section
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.person == p.person && r.sender == p.sender && r.receiver == p.receiver && r.purpose == p.purpose && \\
    r.section == p.section
"""


def beside_casbin(made: Desk) -> Row:
    """Compare a whole decision at 100,000 grants in the database with Casbin, which has as many in memory."""
    work, target = "a whole decision, 100,000 grants held", ">= 100x"
    try:
        import casbin
        from casbin.persist.adapters.string_adapter import StringAdapter
    except ImportError:
        return not_measured(work, target, "pycasbin isn't installed")
    model = casbin.Model()
    model.load_model_from_text(CASBIN)
    rules = [f"p, p{i}, {SENDER}, {RECEIVER}, placement, okr" for i in range(100_000 - 4)]
    rules += [f"p, {g}, {SENDER}, {RECEIVER}, placement, {s}" for g in HOLDERS for s in SECTIONS]
    enforcer = casbin.Enforcer(model, StringAdapter("\n".join(rules)))

    def peer() -> None:
        assert all(enforcer.enforce(g, SENDER, RECEIVER, "placement", s) for g in HOLDERS for s in SECTIONS)

    slow, fast = compare(peer, repeated(whole(made)), rounds=3)
    return as_fast(work, fast / REPEATS, slow, 100, "pycasbin, as many grants,")
