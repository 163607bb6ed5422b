"""The sender's list of transfers as a school reads it: what it sent, and what must be sealed again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from consent.terms import Section
from crypto.encoding import JSON, SCHOOL, text, unb64
from crypto.errors import EncodingRefused
from handover import versions
from handover.client import ServiceFailed

_ID: Final = "[A-Za-z0-9_-]{1,64}"
_SECTION: Final = "|".join(Section)


@dataclass(frozen=True, slots=True)
class Sent:
    """An open transfer with its bundle, and what it asked for; `seal_again` where the receiver's key has changed."""

    transfer: str
    receiver: str
    purpose: str
    route: str
    sections: tuple[str, ...]
    bundle: bytes
    seal_again: bool


def heard(keyfile: Path, rows: Iterable[dict[str, JSON]], now: datetime) -> tuple[Sent, ...]:
    """Take the sender's list in: keep the record beside the key file in step with it, and give what was sent.

    Raises ServiceFailed for a list of another form, VersionsRefused.
    """
    listed = list(rows)
    try:
        closed = {text(row.get("transfer"), _ID) for row in listed if row.get("state") != "open"}
        sent = tuple(_sent(row) for row in listed if row.get("state") == "open" and row.get("bundle") is not None)
    except EncodingRefused:
        raise ServiceFailed("the service lists transfers in a form that this client doesn't know") from None
    versions.learn(keyfile, {each.transfer: each.bundle for each in sent}, closed, now)
    return sent


def _sent(row: dict[str, JSON]) -> Sent:
    bundle, sections, again = row["bundle"], row.get("sections"), row.get("seal_again")
    if not isinstance(bundle, dict) or not isinstance(sections, list) or not isinstance(again, bool):
        raise EncodingRefused("not a transfer with a bundle")
    return Sent(
        text(row.get("transfer"), _ID),
        text(row.get("receiver"), SCHOOL),
        text(row.get("purpose"), _ID),
        text(row.get("route"), _ID),
        tuple(text(name, _SECTION) for name in sections),
        unb64(bundle.get("bundle"), versions.ID_SIZE),
        again,
    )
