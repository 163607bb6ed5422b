"""The sending school's client for what its staff do where the ordinary way isn't enough.

What takes two (emergencies, answers on paper, lifting holds and restrictions, erasing), a court's ruling, a receiver's
new code, and the season's list of who hasn't answered.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import quote

from consent.fields import print_time
from crypto.encoding import JSON, Printable, record, text
from crypto.errors import EncodingRefused
from handover.answers import ServiceRefused, odd
from handover.client import Client, path_id
from handover.proposed import Matter, Proposed, checked


@dataclass(frozen=True, slots=True)
class Paper:
    """Somebody's answer on paper: `notice` and `scan` are SHA-256 in hex, `signed_on` is what the paper says."""

    person: str
    answers: Mapping[str, str]
    notice: str
    scan: str
    collected: str
    signed_on: date


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal that waits for a second person; who made it (`yours`) can't be that."""

    proposed: Proposed
    lapses_at: str
    yours: bool


@dataclass(frozen=True, slots=True)
class CourtRuling:
    """A court's ruling in the place of one holder; `scan` is SHA-256 in hex, `until` an aware moment or None."""

    court: str
    stands_for: str
    sections: Sequence[str]
    decided_on: date
    until: datetime | None
    scan: str


class AssistingClient(Client):
    """A client that also assists. Use it as a context manager: it holds connections."""

    def propose(
        self, transfer: str, ground: str, sections: Sequence[str], until: datetime, reason: str
    ) -> dict[str, JSON]:
        """Propose an emergency release; a colleague has to confirm it."""
        body: Printable = {"ground": ground, "sections": list(sections), "until": print_time(until), "reason": reason}
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/emergency", body)

    def emergencies(self, transfer: str) -> dict[str, JSON]:
        """Get what was confirmed."""
        return self._json("GET", f"/v1/transfers/{path_id(transfer)}/emergency")

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

    def record_paper(self, transfer: str, paper: Paper) -> dict[str, JSON]:
        """Record somebody's answer from paper; a colleague has to confirm it."""
        body: Printable = {
            "person": paper.person,
            "answers": dict(paper.answers),
            "notice": paper.notice,
            "scan": paper.scan,
            "collected": paper.collected,
            "signed_on": paper.signed_on.isoformat(),
        }
        return self._json("POST", f"/v1/transfers/{path_id(transfer)}/paper", body)

    def hold(self, pupil: str, ground: str, until: datetime | None) -> dict[str, JSON]:
        """Hold everything of a pupil back from destruction, up to a moment or until it is lifted."""
        ends: dict[str, Printable] = {} if until is None else {"until": print_time(until)}
        return self._json("POST", f"/v1/pupils/{path_id(pupil)}/holds", {"ground": ground, **ends})

    def holds(self, pupil: str) -> dict[str, JSON]:
        """Get the holds of a pupil."""
        return self._json("GET", f"/v1/pupils/{path_id(pupil)}/holds")

    def lift_hold(self, pupil: str, hold: str, ground: str) -> dict[str, JSON]:
        """Propose to lift a hold; a colleague has to confirm it."""
        path = f"/v1/pupils/{path_id(pupil)}/holds/{path_id(hold)}/lifting"
        return self._json("POST", path, {"ground": ground})

    def proposals(self) -> Iterator[Waiting]:
        """List what waits for a second person of the school, each checked to be what its id stands for; all pages."""
        for row in self._pages("/v1/proposals?", "proposals"):
            try:
                said = record(row, "proposal", "content", "lapses_at", "yours")
                proposed = checked(said["content"], text(said["proposal"]))
                yield Waiting(proposed, text(said["lapses_at"]), said["yours"] is True)
            except EncodingRefused:
                raise odd() from None

    def confirm(self, proposal: str, *matters: Matter) -> tuple[Proposed, dict[str, JSON]]:
        """Confirm a colleague's proposal on one of these matters; gives what it says, and what came of it.

        Raises ServiceRefused where no such proposal waits: what it says is looked at and checked first.
        """
        found = next((each.proposed for each in self.proposals() if each.proposed.id == proposal), None)
        if found is None or found.matter not in matters:
            raise ServiceRefused("NOT_FOUND", 404, "no such proposal waits here; see `handover proposal list`")
        return found, self._json("POST", f"/v1/proposals/{path_id(proposal)}/confirm", {})

    def withdraw(self, proposal: str) -> dict[str, JSON]:
        """Take one's own proposal back."""
        return self._json("POST", f"/v1/proposals/{path_id(proposal)}/withdrawal", {})

    def take_down(self, transfer: str, ruling: CourtRuling) -> dict[str, JSON]:
        """Propose to take down what a court decided in the place of a holder."""
        body: dict[str, Printable] = {
            "court": ruling.court,
            "stands_for": ruling.stands_for,
            "sections": list(ruling.sections),
            "decided_on": ruling.decided_on.isoformat(),
            "scan": ruling.scan,
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
