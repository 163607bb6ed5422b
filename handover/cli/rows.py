"""How lists of transfers and requests are laid out for a person: a line for each, and indented what it asks for."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from consent.terms import AMSTERDAM
from handover.answers import as_object, odd

if TYPE_CHECKING:
    from crypto.encoding import JSON

Row = dict[str, "JSON"]


def of_sender(row: Row) -> Iterator[str]:
    """Lay out a transfer that this school sends: what each section lacks, whose answer is awaited, what to decide."""
    head = [_said(row, name) for name in ("transfer", "receiver", "route", "purpose", "state")]
    decisions = {name: as_object(said) for name, said in as_object(row.get("decisions", {})).items()}
    head += [f"{name}:{_decision(said)}" for name, said in decisions.items()]
    yield "  ".join(head + ["seal again"] * bool(row.get("seal_again")))
    helps: dict[str, list[str]] = {}
    for name, said in decisions.items():
        if said.get("allows"):
            helps.setdefault(str(said["allows"]), []).append(name)
    yield from (f"  {', '.join(names)}: {allows}" for allows, names in helps.items())
    if waiting := _texts(row, "waiting_for"):
        yield f"  waiting for {', '.join(waiting)}"
    if proposals := _texts(row, "proposals"):
        yield f"  to confirm {', '.join(proposals)}: see handover proposal list"
    yield from _bundle(row, "nothing has been sent yet")
    for objection in _objects(row, "objections"):
        yield from _objection(objection)
    for view in _objects(row, "views"):
        travels = "may be sent" if view.get("travels") is True else "stays at this school"
        yield from _words(f"view of {view.get('person')}, which {travels}", view.get("text"))
    yield from _acknowledged(row)


def of_receiver(row: Row) -> Iterator[str]:
    """Lay out a transfer to this school: what is there, what was opened, and what became of it since."""
    yield "  ".join(_said(row, name) for name in ("transfer", "sender", "route", "purpose", "state"))
    if row.get("applied") is False and row.get("purpose") == "placement" and row.get("state") == "open":
        yield f"  the aanmelding isn't confirmed: handover transfer apply {row.get('transfer')}"
    yield from _bundle(row, "nothing has come yet")
    for name, what in (("opened", "opened"), ("withdrawn", "consent withdrawn since this was opened:")):
        if sections := _texts(row, name):
            yield f"  {what} {', '.join(sections)}"
    if row.get("superseded") is True:
        yield "  what was opened is superseded: a newer bundle is there"
    yield from _acknowledged(row)


def of_request(row: Row) -> Iterator[str]:
    """Lay out what somebody of a family asks, word for word, and until when it is to be answered."""
    head = [_said(row, name) for name in ("request", "right", "state")]
    if row.get("days_left") is not None:
        head.append(f"answer by {last_day(row.get('due'))}, {row['days_left']} days left")
    yield "  ".join(head)
    who = f"{row.get('person')} ({row.get('role')}), pupil {row.get('pupil')}, transfer {row.get('transfer')}"
    sections = _texts(row, "sections")
    yield from _words(who + (f", about {', '.join(sections)}" if sections else ""), row.get("text"))


def day(moment: "JSON") -> str:
    """Write the day of a moment as it is in the Netherlands; `-` for none."""
    return "-" if moment is None else _moment(moment).date().isoformat()


def last_day(end: "JSON") -> str:
    """Write the last day of a term that ends with the midnight after it."""
    return (_moment(end) - timedelta(microseconds=1)).date().isoformat()


def _moment(text: "JSON") -> datetime:
    try:
        return datetime.fromisoformat(str(text)).astimezone(AMSTERDAM)
    except ValueError:
        raise odd() from None


def _decision(said: Row) -> str:
    return "granted" if said.get("granted") is True else str(said.get("reason"))


def _bundle(row: Row, none: str) -> Iterator[str]:
    bundle = row.get("bundle")
    if bundle is not None:
        said = as_object(bundle)
        yield f"  bundle of {day(said.get('uploaded_at'))}, released until {day(said.get('expires_at'))}"
    elif row.get("state") == "open":
        yield f"  {none}"


def _objection(row: Row) -> Iterator[str]:
    upheld = row.get("upheld")
    ends = f"to be decided by {last_day(row.get('due'))}" if upheld is None else "upheld" if upheld else "rejected"
    about = ", ".join(_texts(row, "sections"))
    yield from _words(f"objection {row.get('event')} of {row.get('person')} against {about}, {ends}", row.get("reason"))


def _acknowledged(row: Row) -> Iterator[str]:
    if row.get("acknowledgement") is not None:
        said = as_object(row["acknowledgement"])
        placed = said.get("placed")
        outcome = "not yet known whether placed" if placed is None else "placed" if placed else "not placed"
        yield f"  received on {day(said.get('received_at'))}, {outcome}"


def _words(head: str, text: "JSON") -> Iterator[str]:
    yield f"  {head}"
    yield from (f"    {line}" for line in str(text or "").splitlines())


def _said(row: Row, name: str) -> str:
    return str(row.get(name))


def _objects(row: Row, name: str) -> list[Row]:
    rows = row.get(name)
    return [as_object(each) for each in rows] if isinstance(rows, list) else []


def _texts(row: Row, name: str) -> list[str]:
    said = row.get(name)
    return [str(each) for each in said] if isinstance(said, list) else []
