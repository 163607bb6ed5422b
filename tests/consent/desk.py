"""A ledger on real databases, and short ways to record and ask."""

import pytest

from consent.db import reading, writing
from consent.errors import RecordRefused
from consent.events import Draft
from consent.journal import Journal
from consent.keystore import KeyStore
from consent.ledger import Ledger, Refusal
from consent.tables import Pupil
from crypto.keys import SignKey
from tests.consent.story import PUPIL, Story, T, policy, question

BOARDS = ("board-a", "board-b")


class Desk:
    """A ledger on real databases with a clock that the test sets, and short ways to record and ask."""

    def __init__(self, databases, folder):
        self.now = T
        self.databases = databases
        self.keystore = KeyStore(databases.keys, folder)
        key = SignKey.generate()
        self.journal = Journal(databases.main, self.keystore, key, "journal.example", lambda: self.now)
        self.journal.initialise()
        self.ledger = Ledger(self.journal)
        self.told = 0

    def pupil(self, pupil=PUPIL, board="board-a"):
        with writing(self.databases.main) as session:
            session.add(Pupil(id=pupil, board=board))
        self.keystore.new_key("pupil", pupil)
        return self

    def draft(self, kind, by, subject=PUPIL, **said):
        self.told += 1
        level = said.pop("level", "SUBSTANTIAL")
        key = said.pop("key", f"key-{self.told}")
        event = Story(subject).tell(kind, by, level=level, **said)
        given = {name: getattr(event, name) for name in Draft.__slots__ if name != "key"}
        return Draft(key=key, **given)

    def record(self, kind, by, subject=PUPIL, **said):
        return self.put(self.draft(kind, by, subject, **said))

    def put(self, draft):
        with self.journal.act(pupil=draft.subject) as act:
            return self.ledger.record(act, draft, BOARDS)

    def history(self, pupil=PUPIL):
        with reading(self.databases.main) as session:
            return self.ledger.history(session, pupil)

    def histories(self, *pupils):
        with reading(self.databases.main) as session:
            return self.ledger.histories(session, pupils or (PUPIL,))

    def entry(self, index):
        with reading(self.databases.main) as session:
            return self.journal.read(session, index)

    def ask(self, sections=("okr", "lvs"), board=None, **asked):
        with self.journal.act(pupil=asked.get("subject", PUPIL)) as act:
            return self.ledger.ask(act, question(sections, **asked), board or policy())

    def refused(self, kind, by, **said):
        with pytest.raises(RecordRefused) as refused:
            self.record(kind, by, **said)
        return Refusal[refused.value.reason]
