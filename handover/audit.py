"""What a board's FG reads: the access log of the own board's side, searched and exported, never a file.

Nothing here decides what a board may see: the journal gives each board its own side (consent/JOURNAL.md). Whoever
looks is written down first: each search and each export is an entry of the journal before its first byte.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Final

from consent.db import reading
from consent.entry import ERASE, STAFF_ERASED
from consent.events import Kind
from consent.export import compress
from consent.search import Criteria, Found
from consent.tables import Pupil
from consent.terms import Ground, Section
from consent.touched import Period
from handover.accesslog import Did, record
from handover.breach import report
from handover.dpos import examiner
from handover.idempotency import Answer
from handover.parts import Examiner, Parts
from handover.tabular import csv_lines
from handover.transfers import time

KINDS: Final[dict[int, str]] = {
    **{int(kind): kind.name.lower() for kind in Kind},
    **{int(did): did.name.lower() for did in Did},
    ERASE: "pupil_erased",
    STAFF_ERASED: "staff_erased",
}
"""What an entry's type is called, in answers, exports and questions."""

OUTCOMES: Final = ("granted", "refused", "delivered", "aborted", "unknown", "due_soon", "overdue")
"""What became of it in a word. Other outcomes say in capitals why something was refused, such as WITHDRAWN."""

EMERGENCY: Final = frozenset({int(Kind.EMERGENCY), int(Did.EMERGENCY_PROPOSED), int(Did.EMERGENCY_CONFIRMED)})
COLUMNS: Final = (
    "index",
    "number",
    "at",
    "kind",
    "who",
    "role",
    "school",
    "pupil",
    "transfer",
    "sections",
    "ground",
    "outcome",
    "emergency",
    "erased",
)
"""What is told of an entry, in this order. Words, answers and file contents aren't among it."""

PAGE: Final = 500


def search(parts: Parts, who: Examiner, asked: Mapping[str, Any]) -> Answer:
    """Search the board's side, newest first, a page at a time; gives the entries and where the next page begins.

    `asked` holds `limit` and any of pupil, pupil_number, person, school, section, ground, outcome, kind, since, until
    (days, both included) and cursor (an index). A pupil number that leads nowhere finds nothing.
    """
    pupil = asked.get("pupil")
    if "pupil_number" in asked:
        pupil = parts.keystore.find(who.board, asked["pupil_number"]) or ""
    told = {name: str(asked[name]) for name in sorted(asked.keys() - {"pupil", "pupil_number", "person"})}
    if "person" in asked:
        told["person"] = tags_of(parts, asked["person"])
    write_down(parts, who, Did.AUDIT_SEARCHED, told, pupil)
    with reading(parts.main) as session:
        found = parts.journal.search(
            session, who.board, criteria(asked, pupil), asked.get("cursor"), asked["limit"] + 1
        )
    rows, more = found[: asked["limit"]], len(found) > asked["limit"]
    return {"entries": [row(each) for each in rows], "next": rows[-1].index if more else None}


def tags_of(parts: Parts, person: str) -> str:
    """Name a person as the log may keep it for good: by the tags of that person's years, `nobody` where there is none.

    Each is an HMAC under the year's own key, and means nothing any more once that key was destroyed with its term.
    """
    return " ".join(key.tag.hex() for key in parts.keystore.years_of(person)) or "nobody"


def criteria(asked: Mapping[str, Any], pupil: str | None = None) -> Criteria:
    """Read what an FG asks for."""
    kinds = {name: number for number, name in KINDS.items()}
    until = asked.get("until")
    return Criteria(
        pupil=pupil,
        person=asked.get("person"),
        school=asked.get("school"),
        section=Section(asked["section"]) if "section" in asked else None,
        ground=asked.get("ground"),
        outcome=asked.get("outcome"),
        type=kinds[asked["kind"]] if "kind" in asked else None,
        since=asked.get("since"),
        until=until and until.fromordinal(until.toordinal() + 1),
    )


def row(found: Found) -> Answer:
    """Say what this board may know of an entry."""
    terms, actor = found.terms or {}, found.actor
    transfer = terms.get("transfer")
    return {
        "index": found.index,
        "number": found.number,
        "at": time(found.at) or (found.day and found.day.isoformat()),
        "kind": KINDS.get(found.type, str(found.type)),
        "who": actor and actor.id,
        "role": actor and (actor.details.get("role") or actor.kind),
        "school": found.school,
        "pupil": found.opened and found.opened.pupil,
        "transfer": transfer if isinstance(transfer, str) else None,
        "sections": list(found.sections),
        "ground": found.ground,
        "outcome": found.outcome,
        "emergency": found.ground == Ground.EMERGENCY or found.type in EMERGENCY,
        "erased": found.erased,
    }


def export(parts: Parts, who: Examiner) -> Iterator[bytes]:
    """Give the board's side of the journal as a compressed export that `handover journal verify` checks."""
    write_down(parts, who, Did.AUDIT_EXPORTED, {"form": "jsonl"})
    return _side(parts, who.board)


def _side(parts: Parts, board: str) -> Iterator[bytes]:
    with closing(parts.journal.exported(board)) as lines:
        yield from compress(lines)


def table(parts: Parts, who: Examiner) -> Iterator[bytes]:
    """Give the board's side of the journal as a table, newest first: for a spreadsheet, without proofs."""
    write_down(parts, who, Did.AUDIT_EXPORTED, {"form": "csv"})
    return csv_lines(COLUMNS, (row(each) for each in everything(parts, who.board, Criteria())))


def breach(parts: Parts, who: Examiner, period: Period) -> Answer:
    """Report what of the board's own was touched in a period (AVG art. 33), as `handover.breach` counts it."""
    return report(parts, examiner(who), who.board, period, lambda done, of: None).to_json()


def everything(parts: Parts, board: str, wanted: Criteria) -> Iterator[Found]:
    """Give all that a search finds, newest first, page after page."""
    before: int | None = None
    while True:
        with reading(parts.main) as session:
            found = parts.journal.search(session, board, wanted, before, PAGE)
        yield from found
        if len(found) < PAGE:
            return
        before = found[-1].index


def write_down(parts: Parts, who: Examiner, did: Did, terms: Mapping[str, str], pupil: str | None = None) -> None:
    """Log who looks, before anything is shown. A search for one pupil is about that pupil, and goes with it."""
    with reading(parts.main) as session:
        row = session.get(Pupil, pupil) if pupil else None
        known = row.id if row and row.board == who.board and not row.erased else None
    with parts.journal.act(pupil=known) as act:
        record(act, did, examiner(who), outcome="granted", terms=terms, boards=[who.board], pupil=known)
