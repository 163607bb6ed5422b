"""Who may speak for whom now: the public key log as this process replayed it, under the register's root.

Every entry of the log carries the signatures that make it true. So nothing here is believed because it stands in a
table: a row that somebody wrote into the database doesn't replay, and nobody gets a key, an identity or a school by it.
A process replays the log once and carries it on as it grows; what it has seen it never forgets.
"""

from collections.abc import Sequence
from datetime import datetime
from threading import Lock

from sqlalchemy import select
from sqlalchemy.orm import Session

from crypto.errors import KeyLogRefused, StatementRefused
from crypto.keylog import KeyLog
from crypto.statements import BoardCertificate, KeyStatement, Kind
from handover.errors import HandoverError
from handover.tables import KeyLogEntry


class RegisterRefused(HandoverError):
    """The key log in the database isn't what boards and the register signed, or not all that the journal knows of."""


class Register:
    """The key log under one root key. Safe to use from several threads."""

    def __init__(self, root: bytes) -> None:
        self._log = KeyLog(root)
        self._lock = Lock()

    def log(self, session: Session) -> KeyLog:
        """Give the log up to its newest entry; raises RegisterRefused. Entries not yet committed don't belong here."""
        with self._lock:
            wanted = select(KeyLogEntry).where(KeyLogEntry.index >= self._log.size).order_by(KeyLogEntry.index)
            if rows := session.scalars(wanted).all():
                self._log = _carried_on(self._log, rows)
            return self._log

    def current(self, session: Session, school: str, kind: Kind, at: datetime) -> KeyStatement | None:
        """Give the statement on a school's key that is current at a moment, if its board may speak then; or None."""
        try:
            return self.log(session).current(school, kind, at)
        except KeyLogRefused:
            return None

    def school_of(self, session: Session, kid: bytes, at: datetime) -> tuple[KeyStatement, str] | None:
        """Give the school whose current request key has this kid, and the board that speaks for it; or None."""
        log = self.log(session)
        if kid not in log.owners:
            return None
        school = log.owners[kid]
        said = self.current(session, school, "request", at)
        if said is None or said.kid != kid:
            return None
        return said, log.certificate(school, at).board

    def vouches(self, session: Session, board: str, identity: bytes, at: datetime) -> bool:
        """Tell whether what this identity stated for a board counts: the board speaks, and never revoked it."""
        return self.speaking(session, board, at) is not None and identity not in self.log(session).ended(board)

    def speaking(self, session: Session, board: str, at: datetime) -> BoardCertificate | None:
        """Give the certificate with which a board speaks at a moment; or None."""
        try:
            return self.log(session).speaking(board, at)
        except KeyLogRefused:
            return None


def _carried_on(log: KeyLog, rows: Sequence[KeyLogEntry]) -> KeyLog:
    try:
        longer = log.extend(row.leaf for row in rows)
    except (KeyLogRefused, StatementRefused) as refused:
        raise RegisterRefused(f"the key log in the database can't be believed: {refused}") from None
    if [row.index for row in rows] != list(range(log.size, longer.size)) or rows[-1].root != longer.root:
        raise RegisterRefused("the key log in the database isn't whole")
    return longer
