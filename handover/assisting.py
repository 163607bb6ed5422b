"""The sending school's client for what its staff do where the ordinary way isn't enough.

Emergencies by two, answers on paper, a court's ruling, a receiver's new code, and the season's list of who hasn't
answered.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import quote

from consent.fields import print_time
from crypto.encoding import JSON, Printable, record, text
from crypto.errors import EncodingRefused
from handover.answers import odd
from handover.client import Client, path_id


@dataclass(frozen=True, slots=True)
class Paper:
    """Somebody's answer on paper: `notice` and `scan` are SHA-256 in hex, `signed_on` is what the paper says."""

    person: str
    answers: Mapping[str, str]
    notice: str
    scan: str
    witness: str
    collected: str
    signed_on: date


@dataclass(frozen=True, slots=True)
class CourtRuling:
    """A court's ruling in the place of one holder; `scan` is SHA-256 in hex, `until` an aware moment or None."""

    court: str
    stands_for: str
    sections: Sequence[str]
    decided_on: date
    until: datetime | None
    scan: str
    second: str


class AssistingClient(Client):
    """A client that also assists. Use it as a context manager: it holds connections."""

    def propose(
        self, transfer: str, ground: str, sections: Sequence[str], until: datetime, reason: str
    ) -> dict[str, JSON]:
        """Propose an emergency release; a colleague has to confirm it."""
        body: Printable = {"ground": ground, "sections": list(sections), "until": print_time(until), "reason": reason}
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/emergency", body)

    def emergencies(self, transfer: str) -> dict[str, JSON]:
        """Get what is proposed and what was confirmed."""
        return self._json("GET", f"/v1/transfers/{path_id(transfer)}/emergency")

    def confirm(self, transfer: str, proposal: str) -> dict[str, JSON]:
        """Confirm what a colleague proposed."""
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/emergency/{path_id(proposal)}/confirm", {})

    def end(self, transfer: str, event: str) -> dict[str, JSON]:
        """End an emergency release before its time."""
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/emergency/{path_id(event)}/end", {})

    def form(self, transfer: str) -> str:
        """Get the words to print for whoever answers on paper, checked against the hash that goes with them."""
        answer = self._json("GET", f"/v1/transfers/{path_id(transfer)}/paper")
        try:
            said = record(answer.get("notice"), "version", "language", "sha256", "text")
            words = text(said["text"], "(?s).*")
        except EncodingRefused:
            raise odd() from None
        if hashlib.sha256(words.encode()).hexdigest() != said["sha256"]:
            raise odd()
        return words

    def take_over(self, transfer: str, paper: Paper) -> dict[str, JSON]:
        """Record somebody's answer from paper."""
        body: Printable = {
            "person": paper.person,
            "answers": dict(paper.answers),
            "notice": paper.notice,
            "scan": paper.scan,
            "witness": paper.witness,
            "collected": paper.collected,
            "signed_on": paper.signed_on.isoformat(),
        }
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/paper", body)

    def take_down(self, transfer: str, ruling: CourtRuling) -> dict[str, JSON]:
        """Record what a court decided in the place of a holder."""
        body: dict[str, Printable] = {
            "court": ruling.court,
            "stands_for": ruling.stands_for,
            "sections": list(ruling.sections),
            "decided_on": ruling.decided_on.isoformat(),
            "scan": ruling.scan,
            "second": ruling.second,
        }
        if ruling.until is not None:
            body["until"] = print_time(ruling.until)
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/court", body)

    def follow_on(self, pupil: str, old: str, new: str) -> dict[str, JSON]:
        """Record under which code a receiver goes on."""
        body: Printable = {"receiver": old, "successor": new}
        return self._json("POST", f"/v1/pupils/{path_id(pupil)}/successors", body)

    def set_group(self, pupil: str, group: str | None) -> dict[str, JSON]:
        """Note in which class a pupil is; None takes it out."""
        return self._json("PUT", f"/v1/pupils/{path_id(pupil)}/group", {"group": group})

    def season(self, group: str | None) -> Iterator[dict[str, JSON]]:
        """List the transfers that wait for somebody's answer, by class, all pages."""
        return self._pages("/v1/season?" + ("" if group is None else f"group={quote(group, safe='')}&"), "transfers")
